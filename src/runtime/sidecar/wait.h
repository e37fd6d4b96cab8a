#pragma once

#include <string>

namespace outrigger::runtime {

/// `daprd --wait`: asks the sidecar of this host for /v1.0/healthz/outbound every 100 ms until it
/// is ready, for a minute at most.
void wait_for_outbound(const std::string& http_port);

}  // namespace outrigger::runtime
