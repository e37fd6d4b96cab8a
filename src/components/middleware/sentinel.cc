#include "base/log.h"
#include "base/scope.h"
#include "base/strings.h"
#include "components/middleware/middleware.h"
#include "components/middleware/sentinel_guard.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

using sentinel::Guard;
using sentinel::Millis;

const Logger log("dapr.contrib");

struct Options {
  std::string app_name, log_dir, flow, breakers, hot_spot, isolation, system;
};
constexpr Field<Options> kFields[] = {
    {{.name = "appName"}, &Options::app_name},
    {{.name = "logDir"}, &Options::log_dir},
    {{.name = "flowRules"}, &Options::flow},
    {{.name = "circuitBreakerRules"}, &Options::breakers},
    {{.name = "hotSpotParamRules"}, &Options::hot_spot},
    {{.name = "isolationRules"}, &Options::isolation},
    {{.name = "systemRules"}, &Options::system},
};

Millis now_ms() {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Lets through what Sentinel's rules allow.
class Sentinel final : public Middleware {
 public:
  explicit Sentinel(std::shared_ptr<Guard> guard) : guard_(std::move(guard)) {}

  Task<net::Response> handle(net::Request request, Next next) override {
    Guard::Entry entry;
    entry.resource = resource_of(request);
    auto verdict = guard_->enter(entry, now_ms());
    while (verdict.kind == Guard::Verdict::Kind::wait) {
      const auto slept = co_await sleep_for(std::chrono::milliseconds(verdict.wait_ms));
      if (!slept) co_return refusal(429);
      verdict = guard_->enter(entry, now_ms());
    }
    if (verdict.kind == Guard::Verdict::Kind::refuse) co_return refusal(429);
    auto response = co_await next(std::move(request));
    guard_->exit(entry, response.status >= 500, now_ms());
    co_return response;
  }

 private:
  /// "GET:/path", the path as rules name it: as it came or, if none does, as the routes read it, so
  /// that "//path" is under the rules of "/path".
  [[nodiscard]] std::string resource_of(const net::Request& request) const {
    const auto raw = net::split_target(request.target).path;
    const std::string path = net::path_unescape(raw).value_or(std::string(raw));
    std::string resource = request.method + ":" + path;
    if (!guard_->names(resource)) resource = request.method + ":" + net::clean_path(path);
    return resource;
  }

  const std::shared_ptr<Guard> guard_;
};

template <class Rule>
Result<std::vector<Rule>> load(const std::string& text, std::string_view kind,
                               Result<std::vector<Rule>> (*read)(std::string_view json)) {
  if (text.empty()) return std::vector<Rule>();
  auto rules = read(text);
  if (rules) return rules;
  return std::unexpected(std::move(rules).error().context(
      "fail to load sentinel " + std::string(kind) + " rules '" + text + "'"));
}

Result<std::shared_ptr<Guard>> make_guard(const Options& options) {
  sentinel::Rules rules;
  OUT_TRY(rules.flow, load(options.flow, "flow", &sentinel::read_flow_rules));
  OUT_TRY(rules.isolation, load(options.isolation, "isolation", &sentinel::read_isolation_rules));
  OUT_TRY(rules.breakers, load(options.breakers, "circuit breaker", &sentinel::read_breaker_rules));
  OUT_TRY(const auto hot, load(options.hot_spot, "hotspot param", &sentinel::read_hot_spot_rules));
  OUT_TRY(rules.system, load(options.system, "system", &sentinel::read_system_rules));
  if (!hot.empty()) {
    log.warn(
        "Sentinel's hotSpotParamRules are about arguments of calls, which HTTP requests do not "
        "have: they refuse nothing");
  }
  return std::make_shared<Guard>(std::move(rules), sentinel::this_machine());
}

}  // namespace

Result<std::unique_ptr<Middleware>> make_sentinel(const Metadata& metadata,
                                                  ComponentContext& context) {
  OUT_TRY(const auto options, parse_fields(metadata, kFields));
  std::move_only_function<Result<std::shared_ptr<Guard>>()> make = [&] {
    return make_guard(options);
  };
  OUT_TRY(auto guard, context.shared<Guard>(std::move(make)));
  return std::make_unique<Sentinel>(std::move(guard));
}
std::vector<FieldInfo> sentinel_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
