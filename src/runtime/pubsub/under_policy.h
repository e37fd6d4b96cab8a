#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/pubsub/open_broker.h"
#include "runtime/pubsub/postman.h"
#include "runtime/pubsub/service.h"
#include "runtime/resiliency/policies.h"

/// Messages on their way to a broker and to the application, as often as a Resiliency document has
/// it. Whatever is given by reference or pointer must outlive the task.
namespace outrigger::pubsub {

using runtime::resiliency::Policies;
using runtime::resiliency::Policy;

/// The policies of a pub/sub component; `policies` may be nullptr.
[[nodiscard]] Policy outbound_policy(const Policies* policies, const OpenBroker& broker);
[[nodiscard]] Policy inbound_policy(const Policies* policies, std::string_view pubsub_name);

/// `request` names the broker's topic. `face`: whose status codes the policy is to match.
Task<Result<>> publish_under(Policy policy, OpenBroker& broker, Face face,
                             components::pubsub::PublishRequest request);
/// Only what has failed is published again. The error stands for all entries: no call has published
/// any of them.
Task<Result<std::vector<components::pubsub::BulkFailure>>> publish_bulk_under(
    Policy policy, OpenBroker& broker, Face face, components::pubsub::BulkPublishRequest request);

/// One attempt at a delivery.
using Deliver = std::move_only_function<Task<Answer>(Delivery delivery)>;
/// Only an answer that asks for the event again is followed by another attempt.
Task<Answer> deliver_under(Policy policy, Delivery delivery, Deliver deliver);
/// The same for each of several events.
Task<std::vector<Answer>> deliver_bulk_under(Policy policy, Postman& postman,
                                             BulkDelivery delivery);

}  // namespace outrigger::pubsub
