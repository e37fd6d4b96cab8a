#pragma once

#include "runtime/api/router.h"
#include "runtime/invoke/service.h"

namespace outrigger::runtime::invoke {

/// /v1.0/invoke/..., all methods.
void add_http_routes(api::Router& router, Service& service);
/// For requests that no route takes: they may name an app in a header. To be used only if the
/// access lists allow the invoke group; else such a request is an unknown path.
[[nodiscard]] api::HttpHandler make_fallback(Service& service);

}  // namespace outrigger::runtime::invoke
