#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "components/metadata.h"
#include "resources/subscription.h"
#include "runtime/cel/program.h"

namespace outrigger::pubsub {

/// Where events go that an expression picks.
struct Rule {
  /// Null: every event.
  std::shared_ptr<const cel::Program> match;
  std::string path;
};

/// Delivery in batches. A count or a wait that is not above 0 means its default.
struct BulkSubscribe {
  bool enabled = false;
  std::int32_t max_messages_count = 0;
  std::int32_t max_await_duration_ms = 0;

  [[nodiscard]] std::size_t messages_max() const noexcept;
  [[nodiscard]] std::chrono::milliseconds await_max() const noexcept;
};

enum class SubscriptionOrigin : std::uint8_t { declarative, programmatic, streaming };

/// What an app subscribed to, whichever way. Immutable once made; shared by its users.
struct Subscription {
  SubscriptionOrigin origin = SubscriptionOrigin::programmatic;
  /// Of the declarative resource; empty otherwise.
  std::string name;
  std::string pubsub_name;
  std::string topic;
  std::string dead_letter_topic;
  components::Properties metadata;
  /// In the order they are tried; a default route is a last rule without an expression.
  std::vector<Rule> rules;
  BulkSubscribe bulk;
};
using SubscriptionPtr = std::shared_ptr<const Subscription>;

/// Routes as they are written down.
struct Routes {
  struct Route {
    std::string match;  ///< Empty or white space: every event.
    std::string path;
  };
  std::vector<Route> rules;
  std::string default_path;  ///< Empty: none.
};

/// Compiles the expressions. Code::invalid_argument names the one that is wrong.
Result<std::vector<Rule>> make_rules(const Routes& routes);
/// The rules of a gRPC app: if it names no routes at all, every event goes to the path "".
Result<std::vector<Rule>> make_grpc_rules(const Routes& routes);

/// What an HTTP app answered.
struct AppSubscriptions {
  std::vector<SubscriptionPtr> subscriptions;
  /// Subscriptions left out, for they have no route: one line for the log each.
  std::vector<std::string> warnings;
};
/// Reads the body of the answer to GET /dapr/subscribe, as Go's decoder does (names in any case,
/// an empty body is an empty list). Code::invalid_argument if it is malformed or one of its
/// expressions is; then upstream takes none of it.
Result<AppSubscriptions> parse_app_subscriptions(std::string_view body);

/// A declared subscription. The resource's scopes are the caller's business.
Result<SubscriptionPtr> make_subscription(const resources::Subscription& resource);
/// The subscription of a stream: path "/", no rules.
SubscriptionPtr make_stream_subscription(std::string pubsub_name, std::string topic,
                                         std::string dead_letter_topic,
                                         components::Properties metadata);

/// One subscription for each pubsub and topic: of declared ones the first, but one that the app
/// asked for itself takes its place. Those of streams do not take part.
[[nodiscard]] std::vector<SubscriptionPtr> merge_subscriptions(
    std::span<const SubscriptionPtr> declared, std::span<const SubscriptionPtr> programmatic);

/// The path of the first rule that takes the event; nullopt if none does. An error of an
/// expression ends the search: the event counts as failed.
Result<std::optional<std::string>> find_route(const Subscription& subscription,
                                              const cel::Value& event);

}  // namespace outrigger::pubsub
