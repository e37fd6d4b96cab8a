#include "runtime/metadata/service.h"

#include "base/json.h"

namespace outrigger::runtime::metadata {

void Service::publish(std::shared_ptr<const Facts> facts) {
  const std::lock_guard lock(mutex_);
  facts_ = std::move(facts);
}

std::shared_ptr<const Facts> Service::facts() const {
  const std::lock_guard lock(mutex_);
  return facts_;
}

Task<std::shared_ptr<const Facts>> Service::current() {
  if (refresh_) co_await refresh_();
  co_return facts();
}

void Service::set_extended(const std::string& key, std::string value) {
  if (key.empty()) return;
  const std::lock_guard lock(mutex_);
  extended_[key] = std::move(value);
}

std::map<std::string, std::string> Service::extended() const {
  const std::lock_guard lock(mutex_);
  auto all = extended_;
  all["daprRuntimeVersion"] = facts_->runtime_version;
  return all;
}

std::string breakers_json(const std::vector<BreakerFacts>& breakers) {
  std::string text;
  json::Writer out(text);
  out.begin_array();
  for (const BreakerFacts& breaker : breakers) {
    out.begin_object().member("target", breaker.target).member("name", breaker.key);
    out.member("state", breaker.state).end_object();
  }
  out.end_array();
  return text;
}

}  // namespace outrigger::runtime::metadata
