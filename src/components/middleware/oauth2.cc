#include "base/log.h"
#include "base/scope.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "components/middleware/middleware.h"
#include "components/middleware/oauth2_sessions.h"
#include "components/middleware/oauth2_token.h"
#include "components/middleware/path_filter.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

const Logger log("dapr.contrib");

constexpr std::string_view kCookie = "gosessionsid";
// More of a path is not remembered over a login.
constexpr std::size_t kTargetBytesMax = 8192;

struct Options {
  std::string client_id, client_secret, scopes, auth_url, token_url, redirect_url, path_filter;
  std::string header_name = "Authorization";
  bool force_https = false;
};
constexpr Field<Options> kFields[] = {
    {{.name = "clientID", .required = true}, &Options::client_id},
    {{.name = "clientSecret", .sensitive = true}, &Options::client_secret},
    {{.name = "scopes"}, &Options::scopes},
    {{.name = "authURL", .required = true}, &Options::auth_url},
    {{.name = "tokenURL", .required = true}, &Options::token_url},
    {{.name = "authHeaderName"}, &Options::header_name},
    {{.name = "redirectURL"}, &Options::redirect_url},
    {{.name = "forceHTTPS"}, &Options::force_https},
    {{.name = "pathFilter"}, &Options::path_filter},
};

/// The value of our cookie; "" if the browser has none.
std::string cookie_of(const net::Headers& headers) {
  for (const auto field : headers) {
    if (!net::iequals(field.name, "cookie")) continue;
    for (const std::string_view part : split(field.value, ';')) {
      const auto pair = cut(trim(part), "=");
      if (pair && pair->first == kCookie) return std::string(pair->second);
    }
  }
  return "";
}

/// A target as a browser shall come back to it: on this host, whatever it looks like. "//host" and
/// "/\host" would be another one's, and nothing may be left out that stands between the two.
std::string own_target(std::string_view target) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string safe = "/";
  const auto first = target.find_first_not_of("/\\");
  if (first == std::string_view::npos || target.front() != '/') return safe;
  for (const char c : target.substr(first)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c != '\\' && c > ' ' && c < '\x7f') {
      safe += c;
    } else {
      safe += '%';
      safe += kDigits[byte >> 4];
      safe += kDigits[byte & 15];
    }
  }
  return safe;
}

net::Response redirect(std::string_view location) {
  net::Response response;
  response.status = 302;
  response.headers.add("Location", location);
  response.headers.add("Cache-Control", "no-store");
  return response;
}

/// Sends browsers to a provider's login, and puts what the provider says of them into a header of
/// their later requests.
class OAuth2 final : public Middleware {
 public:
  OAuth2(Options options, std::string name, PathFilter filter)
      : options_(std::move(options)),
        name_(std::move(name)),
        filter_(std::move(filter)),
        provider_({.token_url = options_.token_url,
                   .client_id = options_.client_id,
                   .client_secret = options_.client_secret,
                   .style = oauth2::AuthStyle::detect}) {}

  Task<net::Response> handle(net::Request request, Next next) override {
    const bool meant = filter_.applies(request.target);
    std::string id;
    if (meant) id = cookie_of(request.headers);
    const auto login =
        meant ? sessions_->header(id, name_, std::chrono::steady_clock::now()) : std::nullopt;
    // What the client itself puts there is not the provider's word.
    if (login) request.headers.set(options_.header_name, *login);
    net::Response response;
    if (!meant || login) {
      response = co_await next(std::move(request));
    } else if (const auto state = query(request, "state"); state.empty()) {
      response = ask_to_log_in(std::move(id), request);
    } else {
      response = co_await come_back(std::move(id), state, std::move(request));
    }
    co_return response;
  }

 private:
  static std::string query(const net::Request& request, std::string_view name) {
    return net::query_value(net::split_target(request.target).query, name).value_or("");
  }
  [[nodiscard]] std::string login_url(const std::string& state) const {
    oauth2::Form form{{"access_type", {"offline"}},
                      {"client_id", {options_.client_id}},
                      {"response_type", {"code"}},
                      {"state", {state}}};
    if (!options_.redirect_url.empty()) form["redirect_uri"] = {options_.redirect_url};
    if (!options_.scopes.empty()) form["scope"] = {replace_all(options_.scopes, ",", " ")};
    const char* mark = options_.auth_url.contains('?') ? "&" : "?";
    return options_.auth_url + mark + oauth2::encode(form);
  }
  void give_cookie(net::Response& response, const std::string& id,
                   const net::Request& request) const {
    const bool https = options_.force_https || request.scheme == "https";
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(oauth2::Sessions::kLifetime).count();
    response.headers.add("Set-Cookie", std::string(kCookie) + "=" + id +
                                           "; Path=/; Max-Age=" + std::to_string(seconds) +
                                           "; HttpOnly; SameSite=Lax" + (https ? "; Secure" : ""));
  }

  net::Response ask_to_log_in(std::string id, const net::Request& request) {
    std::string target = own_target(request.target);
    if (target.size() > kTargetBytesMax) return refusal(414, "URI Too Long");
    if (options_.force_https) target = "https://" + request.authority + target;
    const std::string state = uuid_v4();
    const std::string kept =
        sessions_->begin(id, name_, state, std::move(target), std::chrono::steady_clock::now());
    net::Response response = redirect(login_url(state));
    if (kept != id) give_cookie(response, kept, request);
    return response;
  }

  Task<net::Response> come_back(std::string id, std::string state, net::Request request) {
    const auto target = sessions_->take(id, name_, state, std::chrono::steady_clock::now());
    if (!target) co_return refusal(400, "invalid state");
    const std::string code = query(request, "code");
    if (code.empty()) co_return refusal(400, "code not found");
    oauth2::Form form{{"grant_type", {"authorization_code"}}, {"code", {code}}};
    if (!options_.redirect_url.empty()) form["redirect_uri"] = {options_.redirect_url};
    const auto token = co_await provider_.retrieve(std::move(form));
    if (!token) {
      log.error("Failed to exchange token: ", token.error());
      co_return refusal(500, "Internal Server Error");
    }
    const Duration lifetime = token->lifetime.value_or(oauth2::Sessions::kLifetime);
    const std::string kept =
        sessions_->finish(id, name_, token->header(), lifetime, std::chrono::steady_clock::now());
    net::Response response = redirect(*target);
    if (!kept.empty()) give_cookie(response, kept, request);
    co_return response;
  }

  const Options options_;
  const std::string name_;
  const PathFilter filter_;
  oauth2::TokenClient provider_;
  const std::shared_ptr<oauth2::Sessions> sessions_ = oauth2::Sessions::of_process();
};

}  // namespace

Result<std::unique_ptr<Middleware>> make_oauth2(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, parse_fields(metadata, kFields));
  if (options.header_name.empty()) options.header_name = "Authorization";
  OUT_TRY(auto filter, PathFilter::parse(options.path_filter));
  return std::make_unique<OAuth2>(std::move(options), metadata.name, std::move(filter));
}
std::vector<FieldInfo> oauth2_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
