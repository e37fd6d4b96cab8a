#pragma once

#include "net/grpc/server.h"
#include "runtime/api/router.h"

/// The building blocks that are not here yet: their APIs answer as upstream's do where the block is
/// not configured, so that SDKs tell their users just that. A block that comes takes its lines out.
namespace outrigger::runtime::absent {

void add_http_routes(api::Router& router);
void add_grpc_methods(net::grpc::Service& methods);

}  // namespace outrigger::runtime::absent
