#include "base/log.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "runtime/pubsub/app_subscriptions.h"

namespace outrigger::pubsub::detail {
namespace {

namespace rt = ::dapr::proto::runtime::v1;

const Logger log("dapr.runtime.processor.subscription");

Result<SubscriptionPtr> read(const rt::TopicSubscription& answer) {
  Routes routes;
  for (const rt::TopicRule& rule : answer.routes().rules()) {
    routes.rules.push_back({rule.match(), rule.path()});
  }
  routes.default_path = answer.routes().default_();
  auto subscription = std::make_shared<Subscription>();
  subscription->origin = SubscriptionOrigin::programmatic;
  subscription->pubsub_name = answer.pubsub_name();
  subscription->topic = answer.topic();
  subscription->dead_letter_topic = answer.dead_letter_topic();
  subscription->metadata =
      components::Properties(answer.metadata().begin(), answer.metadata().end());
  subscription->bulk = {answer.bulk_subscribe().enabled(),
                        answer.bulk_subscribe().max_messages_count(),
                        answer.bulk_subscribe().max_await_duration_ms()};
  OUT_TRY(subscription->rules, make_grpc_rules(routes));
  return subscription;
}

}  // namespace

Task<Result<std::vector<SubscriptionPtr>>> fetch_grpc(runtime::app::Channel* app) {
  constexpr std::string_view kMethod = "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions";
  net::grpc::CallOptions options;
  OUT_CO_TRY(auto reply, co_await app->grpc(std::string(kMethod), "", std::move(options)));
  std::vector<SubscriptionPtr> subscriptions;
  if (reply.status.code == Code::unimplemented) {
    log.info("pubsub subscriptions: gRPC app does not implement ListTopicSubscriptions");
    co_return subscriptions;
  }
  if (!reply.status.ok()) {
    // The application's own invalid_argument is worth another try, unlike ours.
    Error error = net::grpc::to_error(std::move(reply.status));
    const bool ours = error.code() == Code::invalid_argument;
    co_return fail(ours ? std::move(error).with_code(Code::unknown) : std::move(error));
  }
  rt::ListTopicSubscriptionsResponse answer;
  if (!answer.ParseFromString(reply.message)) {
    co_return fail(Code::invalid_argument, "malformed ListTopicSubscriptionsResponse");
  }
  if (answer.subscriptions().empty()) log.debug("user app did not subscribe to any topic");
  for (const rt::TopicSubscription& each : answer.subscriptions()) {
    OUT_CO_TRY(auto subscription, read(each));
    subscriptions.push_back(std::move(subscription));
  }
  co_return subscriptions;
}

}  // namespace outrigger::pubsub::detail
