#include <re2/re2.h>

#include "components/middleware/middleware.h"

namespace outrigger::components::middleware {
namespace {

struct Options {
  std::string rule;
};
constexpr Field<Options> kFields[] = {{{.name = "rule", .required = true}, &Options::rule}};

/// Lets through what matches a rule: path and query, as they came.
class RouterChecker final : public Middleware {
 public:
  explicit RouterChecker(const std::string& rule) : rule_(rule, RE2::Quiet) {}
  [[nodiscard]] Result<> check() const {
    if (rule_.ok()) return {};
    return fail(Code::invalid_argument, "failed to compile rule regexp: " + rule_.error());
  }

  Task<net::Response> handle(net::Request request, Next next) override {
    if (!RE2::PartialMatch(request.target, rule_)) co_return refusal(400, "invalid router");
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
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
