#pragma once

#include "runtime/api/router.h"

namespace outrigger::runtime::jobs {

class Service;

/// The jobs routes (facts/http_routes.tsv, group jobs), stable and alpha. Router and service belong
/// to the same loop; the service must outlive the router's calls.
void add_http_routes(api::Router& router, Service& service);

}  // namespace outrigger::runtime::jobs
