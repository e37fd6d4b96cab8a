#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/common.h"
#include "resources/yaml.h"

namespace outrigger::resources {

struct BulkSubscribe {
  /// Upstream's defaults where the fields are 0.
  static constexpr std::int32_t kMaxMessagesCount = 100;
  static constexpr std::int32_t kMaxAwaitDurationMs = 1000;

  bool enabled = false;
  /// 0: not given.
  std::int32_t max_messages_count = 0;
  std::int32_t max_await_duration_ms = 0;

  bool operator==(const BulkSubscribe&) const = default;
};

struct RouteRule {
  /// A CEL expression over `event`; empty matches every event.
  std::string match;
  std::string path;

  bool operator==(const RouteRule&) const = default;
};

/// kind Subscription, apiVersion dapr.io/v2alpha1; a dapr.io/v1alpha1 document becomes the same
/// with its route as the default route.
struct Subscription {
  static constexpr std::string_view kKind = "Subscription";
  static constexpr std::string_view kApiVersion = "dapr.io/v2alpha1";
  static constexpr std::string_view kOldApiVersion = "dapr.io/v1alpha1";

  Origin origin;
  std::string name;
  std::string namespace_name;
  std::string pubsub_name;
  std::string topic;
  /// Tried in order, before the default route.
  std::vector<RouteRule> rules;
  /// Empty: events that match no rule are dropped.
  std::string default_route;
  std::string dead_letter_topic;
  std::map<std::string, std::string> metadata;
  BulkSubscribe bulk_subscribe;
  std::vector<std::string> scopes;

  bool operator==(const Subscription&) const = default;
};

/// Reads either version; which one it is says the document's apiVersion.
[[nodiscard]] Result<Subscription> parse_subscription(const yaml::Node& document, Report& report);

}  // namespace outrigger::resources
