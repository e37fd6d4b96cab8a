#pragma once

#include <chrono>
#include <vector>

#include "runtime/app/channel.h"
#include "runtime/pubsub/subscription_config.h"

namespace outrigger::pubsub {

/// Asks the application what it subscribes to: GET /dapr/subscribe, or ListTopicSubscriptions of a
/// gRPC application. An application that cannot be reached is asked again, as upstream's built-in
/// policy for initialisation has it; one that does not know the question subscribes to nothing.
/// Code::invalid_argument if its answer cannot be used: asking again will not help.
Task<Result<std::vector<SubscriptionPtr>>> fetch_app_subscriptions(
    runtime::app::Channel* app, std::chrono::milliseconds first_wait);

namespace detail {
Task<Result<std::vector<SubscriptionPtr>>> fetch_http(runtime::app::Channel* app);
Task<Result<std::vector<SubscriptionPtr>>> fetch_grpc(runtime::app::Channel* app);
}  // namespace detail

}  // namespace outrigger::pubsub
