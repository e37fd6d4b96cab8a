#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "components/middleware/fetch.h"
#include "components/middleware/middleware.h"
#include "security/jwks/key_cache.h"
#include "security/jwt/token.h"

namespace outrigger::components::middleware {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib");

constexpr auto kSkew = 5min;
// Shorter ones are none; upstream looks at no more of them.
constexpr std::size_t kTokenBytesMin = 10;

struct Options {
  std::string issuer;
  std::string audience;
  std::string keys_url;
};
constexpr Field<Options> kFields[] = {
    {{.name = "issuer", .aliases = {"issuerURL"}, .required = true}, &Options::issuer},
    {{.name = "audience", .aliases = {"clientID"}, .required = true}, &Options::audience},
    {{.name = "jwksURL"}, &Options::keys_url},
};

struct Discovered {
  std::string issuer, keys_url;
};

std::optional<Discovered> read_document(std::string_view text) {
  Discovered found;
  json::ObjectReader members(text);
  while (members.next()) {
    if (members.key() == "issuer") found.issuer = json::string_value(members.value()).value_or("");
    if (members.key() == "jwks_uri") {
      found.keys_url = json::string_value(members.value()).value_or("");
    }
  }
  if (!members.ok()) return std::nullopt;
  return found;
}

/// Where an issuer publishes its keys, by its OpenID configuration.
Task<Result<std::string>> discover(std::string issuer) {
  std::string_view base = issuer;
  if (base.ends_with('/')) base.remove_suffix(1);
  std::string url = std::string(base) + "/.well-known/openid-configuration";
  FetchRequest get;
  get.url = std::move(url);
  auto answer = co_await fetch(std::move(get));
  if (!answer) {
    co_return std::unexpected(std::move(answer).error().context("failed to execute request"));
  }
  if (answer->status != 200) {
    co_return fail(Code::unavailable,
                   "invalid response status code: " + std::to_string(answer->status));
  }
  const auto found = read_document(answer->body);
  if (!found) co_return fail(Code::invalid_argument, "failed to decode JSON response");
  if (found->keys_url.empty()) {
    co_return fail(Code::invalid_argument,
                   "the OpenID Configuration document does not contain a 'jwks_uri'");
  }
  if (found->issuer != issuer) {
    co_return fail(Code::invalid_argument,
                   "the issuer found in the OpenID Configuration document ('" + found->issuer +
                       "') doesn't match the one provided in the component's metadata ('" + issuer +
                       "')");
  }
  co_return found->keys_url;
}

/// Lets through who shows a token of the issuer, for the audience.
class Bearer final : public Middleware {
 public:
  explicit Bearer(Options options) : options_(std::move(options)) {}

  Task<Result<>> init() override {
    if (options_.keys_url.empty()) {
      auto found = co_await discover(options_.issuer);
      if (!found) {
        co_return std::unexpected(
            std::move(found).error().context("failed to retrieve OpenID Configuration document"));
      }
      options_.keys_url = *std::move(found);
    }
    if (!options_.keys_url.starts_with("http://") && !options_.keys_url.starts_with("https://")) {
      co_return fail(Code::invalid_argument,
                     "failed to register JWKS cache: " + options_.keys_url + " is not a URL");
    }
    keys_ = std::make_unique<security::jwks::KeyCache>(
        security::jwks::KeyCacheOptions{.source = options_.keys_url, .ca_certificate = {}});
    auto opened = co_await keys_->open();
    if (!opened || keys_->ready()) co_return opened;
    co_return fail(Code::unavailable, "failed to fetch JWKS from " + options_.keys_url);
  }
  Task<void> close() override {
    if (keys_ != nullptr) co_await keys_->close();
  }

  Task<net::Response> handle(net::Request request, Next next) override {
    const std::string token(token_of(request.headers.value("authorization")));
    if (token.size() < kTokenBytesMin) co_return refusal(401, "Unauthorized");
    const auto keys = co_await keys_->keys();
    if (!keys) {
      log.error("Failed to retrieve JWKS cache: ", keys.error());
      co_return refusal(500, "Internal Server Error");
    }
    security::jwt::Expected expected;
    expected.audience = options_.audience;
    expected.issuer = options_.issuer;
    expected.skew = kSkew;
    expected.now = wall_now();
    const auto claims = security::jwt::verify(token, **keys, expected);
    if (!claims) {
      log.debug("A bearer token was refused: ", claims.error());
      co_return refusal(401, "Unauthorized");
    }
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
  static std::string_view token_of(std::string_view header) {
    constexpr std::string_view kScheme = "bearer ";
    if (header.size() <= kScheme.size()) return {};
    if (!equals_fold(header.substr(0, kScheme.size()), kScheme)) return {};
    return header.substr(kScheme.size());
  }

  Options options_;
  std::unique_ptr<security::jwks::KeyCache> keys_;
};

}  // namespace

Result<std::unique_ptr<Middleware>> make_bearer(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, parse_fields(metadata, kFields));
  return std::make_unique<Bearer>(std::move(options));
}
std::vector<FieldInfo> bearer_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
