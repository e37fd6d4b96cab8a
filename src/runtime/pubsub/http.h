#pragma once

#include "runtime/api/router.h"

namespace outrigger::pubsub {

class Service;

/// The publish routes (facts/http_routes.tsv). Router and service belong to the same loop; the
/// service must outlive the router's calls.
void add_http_routes(runtime::api::Router& router, Service& service);

}  // namespace outrigger::pubsub
