#include "components/middleware/registry.h"

#include "net/http1/serialise.h"

namespace outrigger::components::middleware {

// Each implementation defines its two functions in its own file.
using Made = Result<std::unique_ptr<Middleware>>;
Made make_bearer(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> bearer_fields();
Made make_oauth2(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> oauth2_fields();
Made make_oauth2_client_credentials(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> oauth2_client_credentials_fields();
Made make_opa(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> opa_fields();
Made make_rate_limit(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> rate_limit_fields();
Made make_router_alias(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> router_alias_fields();
Made make_router_checker(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> router_checker_fields();
Made make_sentinel(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> sentinel_fields();
Made make_wasm(const Metadata& metadata, ComponentContext& context);
std::vector<FieldInfo> wasm_fields();

namespace {
constexpr Kind<Middleware> kKinds[] = {
    {"middleware.http.bearer", "v1", &make_bearer, &bearer_fields},
    {"middleware.http.oauth2", "v1", &make_oauth2, &oauth2_fields},
    {"middleware.http.oauth2clientcredentials", "v1", &make_oauth2_client_credentials,
     &oauth2_client_credentials_fields},
    {"middleware.http.opa", "v1", &make_opa, &opa_fields},
    {"middleware.http.ratelimit", "v1", &make_rate_limit, &rate_limit_fields},
    {"middleware.http.routeralias", "v1", &make_router_alias, &router_alias_fields},
    {"middleware.http.routerchecker", "v1", &make_router_checker, &router_checker_fields},
    {"middleware.http.sentinel", "v1", &make_sentinel, &sentinel_fields},
    {"middleware.http.wasm", "v1", &make_wasm, &wasm_fields},
};
}  // namespace

std::span<const Kind<Middleware>> kinds() noexcept { return kKinds; }

net::Response refusal(int status, std::string text) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(text);
  return response;
}

net::Response refusal(int status) {
  const auto phrase = net::http1::reason_phrase(status);
  if (phrase.empty()) return refusal(500);
  return refusal(status, std::string(phrase));
}

}  // namespace outrigger::components::middleware
