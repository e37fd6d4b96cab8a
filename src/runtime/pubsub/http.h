#pragma once

#include <functional>

#include "runtime/api/router.h"
#include "runtime/telemetry/trace_context.h"

namespace outrigger::pubsub {

class Service;

/// Where a request stands in its trace: what the API's filters found, or made.
using HttpTrace = std::function<telemetry::TraceContext(const runtime::api::HttpCall& call)>;

/// The publish routes (facts/http_routes.tsv). Without `trace` the request's own headers count.
/// Router and service belong to the same loop; the service must outlive the router's calls.
void add_http_routes(runtime::api::Router& router, Service& service, HttpTrace trace = nullptr);

}  // namespace outrigger::pubsub
