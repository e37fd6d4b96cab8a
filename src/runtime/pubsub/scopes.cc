#include "runtime/pubsub/scopes.h"

#include "base/strings.h"

namespace outrigger::pubsub {
namespace {

using Topics = std::vector<std::string>;

std::string without_spaces(const components::Properties& metadata, std::string_view name) {
  const auto value = components::find_property(metadata, {name});
  std::string text(value.value_or(""));
  std::erase(text, ' ');
  return text;
}

// Parts may be empty: "app=" names the empty topic, and so denies all others.
void add_topics(Topics& topics, std::string_view list) {
  for (const auto topic : split(list, ',')) {
    if (std::ranges::find(topics, topic) == topics.end()) topics.emplace_back(topic);
  }
}

Topics topics_of(const components::Properties& metadata, std::string_view name) {
  Topics topics;
  const std::string list = without_spaces(metadata, name);
  if (!list.empty()) add_topics(topics, list);
  return topics;
}

Topics topics_of_app(const components::Properties& metadata, std::string_view name,
                     std::string_view app_id) {
  Topics topics;
  const std::string scopes = without_spaces(metadata, name);
  for (const auto scope : split(scopes, ';')) {
    const auto parts = split(scope, '=');
    if (parts.size() >= 2 && parts[0] == app_id) add_topics(topics, parts[1]);
  }
  return topics;
}

bool contains(const Topics& topics, std::string_view topic) noexcept {
  return std::ranges::find(topics, topic) != topics.end();
}

}  // namespace

TopicScopes::TopicScopes(const components::Properties& metadata, std::string_view app_id)
    : publishing_(topics_of_app(metadata, "publishingScopes", app_id)),
      subscribing_(topics_of_app(metadata, "subscriptionScopes", app_id)),
      allowed_(topics_of(metadata, "allowedTopics")),
      protected_(topics_of(metadata, "protectedTopics")) {}

bool TopicScopes::may_publish(std::string_view topic) const noexcept {
  return may_use(topic, publishing_);
}

bool TopicScopes::may_subscribe(std::string_view topic) const noexcept {
  return may_use(topic, subscribing_);
}

bool TopicScopes::may_use(std::string_view topic, const Topics& own) const noexcept {
  if (!allowed_.empty() && !contains(allowed_, topic)) return false;
  if (own.empty() && !contains(protected_, topic)) return true;
  return contains(own, topic);
}

}  // namespace outrigger::pubsub
