#include "components/middleware/fetch.h"

#include "base/scope.h"
#include "base/strings.h"
#include "net/tls.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

Task<Result<Fetched>> exchange(net::Client* client, net::Endpoint endpoint, net::Request request,
                               std::size_t body_bytes_max) {
  OUT_CO_TRY(auto response, co_await client->send(std::move(endpoint), std::move(request)));
  OUT_CO_TRY(auto body, co_await response.body.read_all(body_bytes_max));
  Fetched fetched;
  fetched.status = response.status;
  fetched.headers = std::move(response.headers);
  fetched.body = std::move(body);
  co_return fetched;
}

}  // namespace

Result<net::Endpoint> fetch_endpoint(const std::string& url) {
  OUT_TRY(const auto parts, net::parse_url(url));
  net::Endpoint endpoint;
  endpoint.address = {.host = parts.host, .port = parts.effective_port()};
  if (parts.scheme == "https") {
    net::TlsOptions trust;
    trust.alpn = {"h2", "http/1.1"};
    OUT_TRY(endpoint.tls, net::TlsContext::client(std::move(trust)));
    endpoint.protocol = net::Endpoint::Protocol::negotiate;
  } else if (parts.scheme != "http") {
    return fail(Code::invalid_argument, "unsupported protocol scheme " + quoted(parts.scheme));
  }
  return endpoint;
}

Task<Result<Fetched>> fetch_with(net::Client* client, net::Endpoint endpoint, FetchRequest what) {
  OUT_CO_TRY(const auto url, net::parse_url(what.url));
  net::Request request;
  request.method = std::move(what.method);
  request.scheme = url.scheme;
  request.authority = url.authority();
  request.target = url.target();
  request.headers = std::move(what.headers);
  request.body = std::move(what.body);
  auto exchanged = exchange(client, std::move(endpoint), std::move(request), what.body_bytes_max);
  auto fetched = co_await with_timeout(std::move(exchanged), what.timeout);
  co_return fetched;
}

Task<Result<Fetched>> fetch(FetchRequest what) {
  OUT_CO_TRY(auto endpoint, fetch_endpoint(what.url));
  net::Client client;
  auto fetched = co_await fetch_with(&client, std::move(endpoint), std::move(what));
  co_await client.close();
  co_return fetched;
}

}  // namespace outrigger::components::middleware
