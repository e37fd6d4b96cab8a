#include "runtime/scheduler/endpoint.h"

#include "base/random.h"

namespace outrigger::runtime::scheduler {

using namespace std::chrono_literals;

Result<net::Endpoint> endpoint_of(std::string_view address, std::shared_ptr<net::TlsContext> tls) {
  for (const std::string_view scheme : {"dns:///", "passthrough:///"}) {
    if (address.starts_with(scheme)) address.remove_prefix(scheme.size());
  }
  net::Endpoint endpoint;
  OUT_TRY(endpoint.address, net::parse_address(address));
  endpoint.protocol = net::Endpoint::Protocol::http2;
  endpoint.tls = std::move(tls);
  return endpoint;
}

net::ClientOptions client_options() {
  net::ClientOptions options;
  options.connect_timeout = 20s;
  options.ping_after = 10s;
  options.ping_timeout = 5s;
  return options;
}

Duration jittered(Duration base) {
  const auto spread = static_cast<double>(base.count()) * (fast_random_unit() - 0.5);
  return base + Duration(static_cast<Duration::rep>(spread));
}

}  // namespace outrigger::runtime::scheduler
