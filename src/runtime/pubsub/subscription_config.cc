#include "runtime/pubsub/subscription_config.h"

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::pubsub {
namespace {

std::unexpected<Error> wrong_type(std::string_view field) {
  return fail(Code::invalid_argument,
              "error getting topics from app: wrong type of field " + std::string(field));
}

bool is_null(std::string_view raw) noexcept { return raw == "null"; }

// The readers leave `out` alone if the value is null, as Go's decoder does.
Result<> read(std::string_view raw, std::string_view field, std::string& out) {
  if (is_null(raw)) return {};
  auto text = json::string_value(raw);
  if (!text) return wrong_type(field);
  out = *std::move(text);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, bool& out) {
  if (is_null(raw)) return {};
  const auto value = json::bool_value(raw);
  if (!value) return wrong_type(field);
  out = *value;
  return {};
}

Result<> read(std::string_view raw, std::string_view field, std::int32_t& out) {
  if (is_null(raw)) return {};
  const auto value = json::int_value(raw);
  if (!value || !std::in_range<std::int32_t>(*value)) return wrong_type(field);
  out = static_cast<std::int32_t>(*value);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, components::Properties& out) {
  if (is_null(raw)) return {};
  json::ObjectReader members(raw);
  while (members.next()) {
    OUT_CHECK(read(members.value(), field, out[std::string(members.key())]));
  }
  if (!members.ok()) return wrong_type(field);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, Routes::Route& out) {
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("match")) {
      OUT_CHECK(read(members.value(), "match", out.match));
    }
    if (members.key_is("path")) {
      OUT_CHECK(read(members.value(), "path", out.path));
    }
  }
  if (!members.ok()) return wrong_type(field);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, std::vector<Routes::Route>& out) {
  if (is_null(raw)) return {};
  out.clear();
  json::ArrayReader elements(raw);
  while (elements.next()) {
    OUT_CHECK(read(elements.value(), field, out.emplace_back()));
  }
  if (!elements.ok()) return wrong_type(field);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, Routes& out) {
  if (is_null(raw)) return {};
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("rules")) {
      OUT_CHECK(read(members.value(), "rules", out.rules));
    }
    if (members.key_is("default")) {
      OUT_CHECK(read(members.value(), "default", out.default_path));
    }
  }
  if (!members.ok()) return wrong_type(field);
  return {};
}

Result<> read(std::string_view raw, std::string_view field, BulkSubscribe& out) {
  if (is_null(raw)) return {};
  json::ObjectReader members(raw);
  while (members.next()) {
    const std::string_view value = members.value();
    if (members.key_is("enabled")) {
      OUT_CHECK(read(value, "enabled", out.enabled));
    }
    if (members.key_is("maxMessagesCount")) {
      OUT_CHECK(read(value, "maxMessagesCount", out.max_messages_count));
    }
    if (members.key_is("maxAwaitDurationMs")) {
      OUT_CHECK(read(value, "maxAwaitDurationMs", out.max_await_duration_ms));
    }
  }
  if (!members.ok()) return wrong_type(field);
  return {};
}

Result<Subscription> read_subscription(std::string_view raw) {
  Subscription result;
  Routes routes;
  std::string route;
  if (is_null(raw)) return result;
  json::ObjectReader members(raw);
  while (members.next()) {
    const std::string_view value = members.value();
    if (members.key_is("pubsubname")) {
      OUT_CHECK(read(value, "pubsubname", result.pubsub_name));
    }
    if (members.key_is("topic")) {
      OUT_CHECK(read(value, "topic", result.topic));
    }
    if (members.key_is("metadata")) {
      OUT_CHECK(read(value, "metadata", result.metadata));
    }
    if (members.key_is("route")) {
      OUT_CHECK(read(value, "route", route));
    }
    if (members.key_is("routes")) {
      OUT_CHECK(read(value, "routes", routes));
    }
    if (members.key_is("bulkSubscribe")) {
      OUT_CHECK(read(value, "bulkSubscribe", result.bulk));
    }
    if (members.key_is("deadLetterTopic")) {
      OUT_CHECK(read(value, "deadLetterTopic", result.dead_letter_topic));
    }
  }
  if (!members.ok()) return wrong_type("subscription");
  if (routes.default_path.empty()) routes.default_path = std::move(route);
  OUT_TRY(result.rules, make_rules(routes));
  return result;
}

Result<Rule> make_rule(const Routes::Route& route) {
  Rule rule{.match = nullptr, .path = route.path};
  const std::string_view expression = trim(route.match);
  if (expression.empty()) return rule;
  auto program = cel::compile(expression);
  if (!program) {
    return fail(std::move(program).error().context("routing rule " + quoted(expression)));
  }
  rule.match = std::make_shared<const cel::Program>(*std::move(program));
  return rule;
}

}  // namespace

std::size_t BulkSubscribe::messages_max() const noexcept {
  const bool given = max_messages_count > 0;
  return static_cast<std::size_t>(given ? max_messages_count
                                        : resources::BulkSubscribe::kMaxMessagesCount);
}

std::chrono::milliseconds BulkSubscribe::await_max() const noexcept {
  const bool given = max_await_duration_ms > 0;
  return std::chrono::milliseconds(given ? max_await_duration_ms
                                         : resources::BulkSubscribe::kMaxAwaitDurationMs);
}

Result<std::vector<Rule>> make_rules(const Routes& routes) {
  std::vector<Rule> rules;
  for (const auto& route : routes.rules) {
    OUT_TRY(auto rule, make_rule(route));
    rules.push_back(std::move(rule));
  }
  if (!routes.default_path.empty()) {
    rules.push_back(Rule{.match = nullptr, .path = routes.default_path});
  }
  return rules;
}

Result<std::vector<Rule>> make_grpc_rules(const Routes& routes) {
  OUT_TRY(auto rules, make_rules(routes));
  if (rules.empty()) rules.emplace_back();
  return rules;
}

Result<AppSubscriptions> parse_app_subscriptions(std::string_view body) {
  AppSubscriptions result;
  if (trim(body).empty()) return result;
  const auto list = json::first_value(body);
  if (!list) return fail(Code::invalid_argument, "error getting topics from app: not JSON");
  if (is_null(*list)) return result;
  json::ArrayReader elements(*list);
  while (elements.next()) {
    OUT_TRY(auto subscription, read_subscription(elements.value()));
    if (subscription.rules.empty()) {
      result.warnings.push_back("topic " + subscription.topic +
                                " has an empty routes. removing from subscriptions list");
      continue;
    }
    result.subscriptions.push_back(std::make_shared<const Subscription>(std::move(subscription)));
  }
  if (!elements.ok()) {
    return fail(Code::invalid_argument, "error getting topics from app: not a list");
  }
  return result;
}

Result<SubscriptionPtr> make_subscription(const resources::Subscription& resource) {
  auto result = std::make_shared<Subscription>();
  result->origin = SubscriptionOrigin::declarative;
  result->name = resource.name;
  result->pubsub_name = resource.pubsub_name;
  result->topic = resource.topic;
  result->dead_letter_topic = resource.dead_letter_topic;
  result->metadata.insert(resource.metadata.begin(), resource.metadata.end());
  result->bulk.enabled = resource.bulk_subscribe.enabled;
  result->bulk.max_messages_count = resource.bulk_subscribe.max_messages_count;
  result->bulk.max_await_duration_ms = resource.bulk_subscribe.max_await_duration_ms;
  Routes routes{.rules = {}, .default_path = resource.default_route};
  for (const auto& rule : resource.rules) {
    routes.rules.push_back(Routes::Route{.match = rule.match, .path = rule.path});
  }
  OUT_TRY(result->rules, make_rules(routes));
  return result;
}

SubscriptionPtr make_stream_subscription(std::string pubsub_name, std::string topic,
                                         std::string dead_letter_topic,
                                         components::Properties metadata) {
  auto result = std::make_shared<Subscription>();
  result->origin = SubscriptionOrigin::streaming;
  result->pubsub_name = std::move(pubsub_name);
  result->topic = std::move(topic);
  result->dead_letter_topic = std::move(dead_letter_topic);
  result->metadata = std::move(metadata);
  result->rules.push_back(Rule{.match = nullptr, .path = "/"});
  return result;
}

std::vector<SubscriptionPtr> merge_subscriptions(std::span<const SubscriptionPtr> declared,
                                                 std::span<const SubscriptionPtr> programmatic) {
  std::vector<SubscriptionPtr> merged;
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> taken;
  for (const auto* source : {&declared, &programmatic}) {
    for (const SubscriptionPtr& subscription : *source) {
      const std::pair<std::string_view, std::string_view> key(subscription->pubsub_name,
                                                              subscription->topic);
      const auto [at, fresh] = taken.try_emplace(key, merged.size());
      if (fresh) {
        merged.push_back(subscription);
      } else if (source == &programmatic) {
        merged[at->second] = subscription;
      }
    }
  }
  return merged;
}

Result<std::optional<std::string>> find_route(const Subscription& subscription,
                                              const cel::Value& event) {
  for (const Rule& rule : subscription.rules) {
    if (rule.match == nullptr) return rule.path;
    OUT_TRY(const bool matches, rule.match->matches(event));
    if (matches) return rule.path;
  }
  return std::nullopt;
}

}  // namespace outrigger::pubsub
