#include "resources/subscription.h"

namespace outrigger::resources {
namespace {

void read_routes(const Field& routes, Subscription& out) {
  if (!routes.is_map()) return;
  routes["default"].read(out.default_route);
  routes["rules"].each([&](const Field& item) {
    RouteRule& rule = out.rules.emplace_back();
    if (!item.is_map()) return;
    item["match"].read(rule.match);
    item["path"].read(rule.path);
  });
}

void read_bulk(const Field& bulk, BulkSubscribe& out) {
  if (!bulk.is_map()) return;
  bulk["enabled"].read(out.enabled);
  bulk["maxMessagesCount"].read(out.max_messages_count);
  bulk["maxAwaitDurationMs"].read(out.max_await_duration_ms);
}

}  // namespace

Result<Subscription> parse_subscription(const yaml::Node& document, Report& report) {
  const Field root(document, report);
  Header header = read_header(root);
  Subscription subscription;
  subscription.origin = {.file = report.file(), .line = document.line};
  subscription.name = std::move(header.name);
  subscription.namespace_name = std::move(header.namespace_name);
  root["scopes"].read(subscription.scopes);
  if (const Field spec = root["spec"]; spec.is_map()) {
    spec["pubsubname"].read(subscription.pubsub_name);
    spec["topic"].read(subscription.topic);
    spec["metadata"].read(subscription.metadata);
    spec["deadLetterTopic"].read(subscription.dead_letter_topic);
    read_bulk(spec["bulkSubscribe"], subscription.bulk_subscribe);
    if (header.api_version == Subscription::kOldApiVersion) {
      spec["route"].read(subscription.default_route);
    } else {
      read_routes(spec["routes"], subscription);
    }
  }
  const Field spec = root["spec"];
  if (subscription.pubsub_name.empty()) spec["pubsubname"].warning("no pub/sub component is named");
  if (subscription.topic.empty()) spec["topic"].warning("no topic is named");
  OUT_CHECK(report.result());
  return subscription;
}

}  // namespace outrigger::resources
