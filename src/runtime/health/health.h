#pragma once

#include <string>

#include "base/readiness.h"
#include "runtime/api/router.h"

namespace outrigger::runtime::health {

/// GET /v1.0/healthz and /v1.0/healthz/outbound. Both objects must outlive the router.
void add_http_routes(api::Router& router, const Readiness& all, const Readiness& outbound,
                     std::string app_id);

}  // namespace outrigger::runtime::health
