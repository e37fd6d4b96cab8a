#include <re2/re2.h>

#include "components/middleware/middleware.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

struct Options {
  std::string rule;
};
constexpr Field<Options> kFields[] = {{{.name = "rule", .required = true}, &Options::rule}};

/// Lets through what matches a rule: path and query as they came, and as the routes and the
/// application read them, so that "/allowed/../denied" and its escapes do not get past it.
class RouterChecker final : public Middleware {
 public:
  explicit RouterChecker(const std::string& rule) : rule_(rule, RE2::Quiet) {}
  [[nodiscard]] Result<> check() const {
    if (rule_.ok()) return {};
    return fail(Code::invalid_argument, "failed to compile rule regexp: " + rule_.error());
  }

  Task<net::Response> handle(net::Request request, Next next) override {
    if (!allows(request.target)) co_return refusal(400, "invalid router");
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
  [[nodiscard]] bool allows(const std::string& target) const {
    if (!RE2::PartialMatch(target, rule_)) return false;
    const auto parts = net::split_target(target);
    const std::string query = target.substr(parts.path.size());
    const std::string clean = net::clean_path(parts.path);
    if (clean != parts.path && !RE2::PartialMatch(clean + query, rule_)) return false;
    const auto decoded = net::path_unescape(parts.path);
    if (!decoded) return false;
    const std::string meant = net::clean_path(*decoded);
    return meant == clean || RE2::PartialMatch(meant + query, rule_);
  }

  const RE2 rule_;
};

}  // namespace

Result<std::unique_ptr<Middleware>> make_router_checker(const Metadata& metadata,
                                                        ComponentContext&) {
  OUT_TRY(const auto options, parse_fields(metadata, kFields));
  auto made = std::make_unique<RouterChecker>(options.rule);
  OUT_CHECK(made->check());
  return made;
}
std::vector<FieldInfo> router_checker_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
