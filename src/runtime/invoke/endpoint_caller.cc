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

/// The text of a document, "" if there is none. One that is in no place that the resource names is
/// an error: what is left out here would widen the trust, or leave the proof away.
Result<std::string> text_of(const std::optional<resources::TlsDocument>& document,
                            std::string_view what) {
  if (!document) return std::string();
  if (document->value) return *document->value;
  const resources::SecretKeyRef& ref = document->secret_key_ref;
  if (ref.name.empty()) return std::string();
  return fail(Code::invalid_argument, std::string(what) + ": the secret " + ref.name +
                                          " has no value under " + std::string(ref.key_or_name()));
}

net::TlsOptions::Renegotiation renegotiation_of(const resources::ClientTls& tls) {
  using From = resources::ClientTls::Renegotiation;
  using To = net::TlsOptions::Renegotiation;
  switch (tls.renegotiation) {
    case From::once_as_client: return To::once;
    case From::freely_as_client: return To::freely;
    case From::never: break;
  }
  return To::never;
}

Result<net::TlsOptions> tls_options(const std::optional<resources::ClientTls>& client_tls) {
  net::TlsOptions options;
  options.alpn = {"h2", "http/1.1"};
  if (!client_tls) return options;
  OUT_TRY(options.ca_pem, text_of(client_tls->root_ca, "rootCA"));
  OUT_TRY(options.private_key_pem, text_of(client_tls->private_key, "privateKey"));
  options.renegotiation = renegotiation_of(*client_tls);
  if (client_tls->root_ca && options.ca_pem.empty()) {
    return fail(Code::invalid_argument, "rootCA: there is no certificate in it");
  }
  // Upstream presents a certificate only where it has the key.
  if (!client_tls->private_key) return options;
  OUT_TRY(options.certificate_chain_pem, text_of(client_tls->certificate, "certificate"));
  if (options.certificate_chain_pem.empty() || options.private_key_pem.empty()) {
    return fail(Code::invalid_argument, options.private_key_pem.empty()
                                            ? "privateKey: there is no key in it"
                                            : "a privateKey is given, but no certificate");
  }
  return options;
}

Result<std::shared_ptr<net::TlsContext>> make_tls(
    const std::optional<resources::ClientTls>& client_tls) {
  OUT_TRY(auto options, tls_options(client_tls));
  return net::TlsContext::client(std::move(options));
}

}  // namespace

void Endpoints::Endpoint::open_tls(const Endpoint* before) {
  if (before != nullptr && before->tls && before->client_tls == client_tls) {
    tls = before->tls;
  } else if (auto made = make_tls(client_tls)) {
    tls = *std::move(made);
  } else {
    unusable = std::move(made).error();
  }
}

Endpoints Endpoints::make(const std::vector<resources::HttpEndpoint>& resources,
                          const Endpoints& before) {
  Endpoints made;
  for (const resources::HttpEndpoint& resource : resources) {
    Endpoint endpoint;
    endpoint.base_url = resource.base_url;
    for (const auto& header : resource.headers) {
      endpoint.headers.set(header.name, header.value);
    }
    endpoint.client_tls = resource.client_tls;
    if (resource.client_tls || !resource.base_url.starts_with("http://")) {
      endpoint.open_tls(before.find(resource.name));
    }
    if (endpoint.unusable) {
      endpoint.unusable =
          std::move(*endpoint.unusable).context("clientTLS of the http endpoint " + resource.name);
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
  if (endpoint != nullptr && endpoint->tls) {
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
  if (endpoint && endpoint->unusable) co_return fail(*endpoint->unusable);
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

void EndpointCaller::forget(const Endpoints& before, const Endpoints& now) {
  for (const auto& [name, endpoint] : before.all()) {
    const Endpoints::Endpoint* const newer = now.find(name);
    const bool kept = newer != nullptr && newer->tls == endpoint.tls;
    if (endpoint.tls && !kept) client_.forget(*endpoint.tls);
  }
}

Task<void> EndpointCaller::close() { co_await client_.close(); }

}  // namespace outrigger::runtime::invoke
