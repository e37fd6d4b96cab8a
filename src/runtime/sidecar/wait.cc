#include "runtime/sidecar/wait.h"

#include <charconv>

#include "base/log.h"
#include "base/scope.h"
#include "net/http/client.h"

namespace outrigger::runtime {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime");

Task<Result<>> ask_until_ready(std::uint16_t port) {
  net::Client client;
  net::Endpoint endpoint;
  endpoint.address = {"localhost", port};
  Result<> outcome;
  for (;;) {
    net::Request request;
    request.method = "GET";
    request.target = "/v1.0/healthz/outbound";
    request.authority = endpoint.address.to_string();
    auto response = co_await client.send(endpoint, std::move(request));
    if (response && response->status == 204) break;
    outcome = co_await sleep_for(100ms);
    if (!outcome) break;
  }
  co_await client.close();
  co_return outcome;
}

}  // namespace

void wait_for_outbound(const std::string& http_port) {
  std::uint16_t port = 3500;
  std::from_chars(http_port.data(), http_port.data() + http_port.size(), port);
  auto ready = run(with_timeout(ask_until_ready(port), 1min));
  if (!ready) log.warn("timeout waiting for the sidecar on port ", http_port);
}

}  // namespace outrigger::runtime
