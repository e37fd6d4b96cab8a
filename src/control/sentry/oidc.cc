#include "control/sentry/oidc.h"

#include <algorithm>

#include "base/blocking_pool.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text_file.h"
#include "net/http/metrics_page.h"
#include "net/tls.h"
#include "net/uri.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.sentry.server.oidc.http");

constexpr Duration kGrace = 5s;
constexpr Duration kLookAgain = 1s;
constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

net::Response refuse(int status, std::string_view text) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.body = std::string(text) + "\n";
  return response;
}

net::Response document(std::string json) {
  net::Response response;
  response.headers.add("Content-Type", "application/json");
  response.headers.add("Cache-Control", "public, max-age=3600");
  response.body = std::move(json);
  return response;
}

/// Scheme and authority of a URL; empty if it is none.
std::string origin_of(const std::string& url) {
  const auto parsed = net::parse_url(url);
  return parsed ? parsed->scheme + "://" + parsed->authority() : std::string();
}

Result<net::TlsOptions> read_certificate(const OidcOptions& options) {
  net::TlsOptions tls;
  tls.alpn = {"h2", "http/1.1"};
  OUT_TRY(tls.certificate_chain_pem, read_text_file(options.certificate_file, kFileBytesMax));
  OUT_TRY(tls.private_key_pem, read_text_file(options.key_file, kFileBytesMax));
  return tls;
}

}  // namespace

OidcPages::OidcPages(const OidcOptions& options)
    : options_(options),
      jwks_path_(options.path_prefix + "/jwks.json"),
      discovery_path_(options.path_prefix + "/.well-known/openid-configuration") {}

Task<net::Response> OidcPages::handle(net::Request request) {
  const std::string_view path = net::split_target(request.target).path;
  const bool is_jwks = path == jwks_path_;
  if (!is_jwks && path != discovery_path_) co_return net::http::page_not_found();
  if (!is_allowed(request)) {
    log.warn("Request from unauthorized domain: ", request.authority);
    co_return refuse(403, "Forbidden: unauthorized domain");
  }
  if (request.method != "GET") co_return refuse(405, "Method not allowed");
  if (is_jwks) co_return document(facts_.jwks);
  const std::string host(request.headers.value("x-forwarded-host"));
  if (!net::split_authority(request.authority) || !net::split_authority(host)) {
    co_return refuse(400, "Invalid host");
  }
  co_return document(discovery(request));
}

bool OidcPages::is_allowed(const net::Request& request) const {
  const auto& allowed = options_.allowed_hosts;
  const auto has = [&](std::string_view host) {
    return std::ranges::find(allowed, host) != allowed.end();
  };
  if (allowed.empty() || has("*")) return true;
  const std::string forwarded(request.headers.value("x-forwarded-host"));
  const std::string& host = forwarded.empty() ? request.authority : forwarded;
  const auto parts = net::split_authority(host);
  return has(host) || (parts && has(parts->host));
}

std::string OidcPages::discovery(const net::Request& request) const {
  std::string host = request.authority;
  // Another's word counts only where it has been held against a list: it becomes the issuer.
  const auto& allowed = options_.allowed_hosts;
  const bool listed = !allowed.empty() && std::ranges::find(allowed, "*") == allowed.end();
  const std::string forwarded(request.headers.value("x-forwarded-host"));
  if (listed && !forwarded.empty()) host = forwarded;
  const std::string own = (options_.certificate_file.empty() ? "http://" : "https://") + host;
  const std::string issuer = facts_.issuer.empty() ? own : facts_.issuer;
  std::string jwks_uri = options_.jwks_uri.value_or("");
  if (!options_.jwks_uri) {
    const std::string base = origin_of(issuer);
    jwks_uri = (base.empty() ? own : base) + jwks_path_;
  }
  std::string text;
  json::Writer writer(text);
  writer.begin_object().member("issuer", issuer).member("jwks_uri", jwks_uri);
  writer.raw_member("response_types_supported", R"(["id_token"])");
  writer.raw_member("subject_types_supported", R"(["public"])");
  writer.key("id_token_signing_alg_values_supported").begin_array();
  writer.value(facts_.algorithm).end_array();
  writer.raw_member("scopes_supported", R"(["openid"])");
  writer.raw_member("claims_supported", R"(["sub","iss","aud","exp","iat","nbf","use"])");
  writer.end_object();
  return text + "\n";
}

OidcServer::OidcServer(Loops& loops, const OidcOptions& options)
    : loops_(loops), options_(options), pages_(options) {}
OidcServer::~OidcServer() = default;

Task<Result<>> OidcServer::load_certificate() {
  std::move_only_function<Result<net::TlsOptions>()> read = [this] {
    return read_certificate(options_);
  };
  OUT_CO_TRY(auto tls, co_await BlockingPool::shared().run(std::move(read)));
  if (tls_) co_return tls_->replace(std::move(tls));
  OUT_CO_TRY(tls_, net::TlsContext::server(std::move(tls)));
  log.info("Loaded TLS certificate from ", options_.certificate_file, " and key from ",
           options_.key_file);
  co_return Result<>();
}

Task<Result<>> OidcServer::open() {
  while (!options_.certificate_file.empty()) {
    auto loaded = co_await load_certificate();
    if (loaded) break;
    if (loaded.error().code() != Code::not_found) {
      co_return std::unexpected(
          std::move(loaded).error().context("failed to load TLS certificate and key"));
    }
    log.warn("Waiting for TLS certificate and key files to be available: ",
             options_.certificate_file, ", ", options_.key_file);
    OUT_CO_CHECK(co_await sleep_for(kLookAgain));
  }
  net::ServerOptions options;
  options.tls = tls_;
  server_ = std::make_unique<net::Server>(
      loops_, std::vector<net::RequestHandler*>(loops_.size(), &pages_), std::move(options));
  // The one of the two that Go would take, too.
  const std::string& given = options_.listen_address;
  const std::string address = given == "localhost" ? "127.0.0.1" : given;
  OUT_CO_TRY(auto listener,
             net::Listener::bind(address, static_cast<std::uint16_t>(options_.port)));
  log.info("Starting OIDC HTTP server", tls_ ? "" : " (insecure)", " on ", listener->name());
  server_->listen(std::move(listener));
  co_return Result<>();
}

Task<void> OidcServer::reload() {
  if (!tls_) co_return;
  if (auto loaded = co_await load_certificate(); !loaded) {
    log.warn("The changed OIDC certificate is not taken up: ", loaded.error());
  }
}

Task<void> OidcServer::close() {
  if (server_) co_await server_->stop(kGrace);
  server_.reset();
}

}  // namespace outrigger::control::sentry
