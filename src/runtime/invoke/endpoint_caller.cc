#include "runtime/invoke/endpoint_caller.h"

#include "base/base64.h"
#include "net/tls.h"
#include "net/uri.h"
#include "runtime/invoke/chunks.h"
#include "runtime/invoke/status.h"

namespace outrigger::runtime::invoke {
namespace {

net::ClientOptions client_options() {
  net::ClientOptions options;
  // Upstream's dialer for these services.
  options.connect_timeout = std::chrono::seconds(15);
  return options;
}

std::string text_of(const std::optional<resources::TlsDocument>& document) {
  return document ? document->value.value_or("") : std::string();
}

Result<std::shared_ptr<net::TlsContext>> client_tls(const resources::HttpEndpoint& resource) {
  net::TlsOptions options;
  options.alpn = {"h2", "http/1.1"};
  if (resource.client_tls) {
    options.ca_pem = text_of(resource.client_tls->root_ca);
    options.private_key_pem = text_of(resource.client_tls->private_key);
    // Upstream presents a certificate only where it has the key.
    if (!options.private_key_pem.empty()) {
      options.certificate_chain_pem = text_of(resource.client_tls->certificate);
    }
    using Renegotiation = resources::ClientTls::Renegotiation;
    options.allow_renegotiation = resource.client_tls->renegotiation != Renegotiation::never;
  }
  auto tls = net::TlsContext::client(std::move(options));
  if (!tls) return fail(std::move(tls).error().context("http endpoint " + resource.name));
  return tls;
}

}  // namespace

Result<Endpoints> Endpoints::make(const std::vector<resources::HttpEndpoint>& resources) {
  Endpoints made;
  for (const resources::HttpEndpoint& resource : resources) {
    Endpoint endpoint;
    endpoint.base_url = resource.base_url;
    for (const auto& header : resource.headers) {
      endpoint.headers.set(header.name, header.value);
    }
    if (resource.base_url.starts_with("https://")) {
      OUT_TRY(endpoint.tls, client_tls(resource));
    }
    made.by_name_.insert_or_assign(resource.name, std::move(endpoint));
  }
  return made;
}

const Endpoints::Endpoint* Endpoints::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

EndpointCaller::EndpointCaller(const telemetry::RuntimeMetrics& metrics)
    : metrics_(metrics), client_(client_options()) {}
EndpointCaller::~EndpointCaller() = default;

Result<net::Endpoint> EndpointCaller::where(const std::string& scheme, const std::string& host,
                                            std::uint16_t port,
                                            const Endpoints::Endpoint* endpoint) {
  net::Endpoint to;
  to.address = {host, port};
  if (scheme == "http") return to;
  to.protocol = net::Endpoint::Protocol::negotiate;
  to.server_name = host;
  if (endpoint != nullptr) {
    to.tls = endpoint->tls;
    return to;
  }
  if (!system_trust_) {
    net::TlsOptions options;
    options.alpn = {"h2", "http/1.1"};
    OUT_TRY(system_trust_, net::TlsContext::client(std::move(options)));
  }
  to.tls = system_trust_;
  return to;
}

Task<Result<Reply>> EndpointCaller::call(std::string url,
                                         std::shared_ptr<const Endpoints::Endpoint> endpoint,
                                         Request request, TraceContext trace) {
  const RequestView view = request.view();
  OUT_CO_TRY(auto out, http_request(view, request.content_length, trace, url));
  out.body = std::move(request.body);
  const std::string full = url + (view.method.empty() ? out.target.substr(1) : out.target);
  OUT_CO_TRY(auto parsed, net::parse_url(full));
  OUT_CO_TRY(auto to, where(parsed.scheme, parsed.host, parsed.effective_port(), endpoint.get()));
  out.scheme = parsed.scheme;
  out.authority = parsed.authority();
  out.target = parsed.target();
  if (!parsed.userinfo.empty() && !out.headers.contains("authorization")) {
    const auto user = net::path_unescape(parsed.userinfo);
    out.headers.add("Authorization", "Basic " + base64_encode(user ? *user : parsed.userinfo));
  }
  if (endpoint) {
    for (const Field header : endpoint->headers) out.headers.set(header.name, header.value);
  }
  metrics_.http.client_request_started(out.method, view.method, out.body.whole.size());
  telemetry::HttpMetrics::Request seen{};
  seen.method = to_string(view.verb);
  seen.path = view.method;
  const TimePoint started = std::chrono::steady_clock::now();
  auto response = co_await client_.send(std::move(to), std::move(out));
  seen.elapsed = std::chrono::steady_clock::now() - started;
  seen.status = response ? response->status : 500;
  metrics_.http.client_request(seen);
  if (!response) co_return fail(http_call_error(request.verb, full, response.error()));
  co_await gather(response->body, response->content_length);
  co_return reply_of(*std::move(response));
}

Task<void> EndpointCaller::close() { co_await client_.close(); }

}  // namespace outrigger::runtime::invoke
