#pragma once

#include <string>

#include "net/grpc/server.h"
#include "runtime/api/router.h"

/// The building blocks that are not here yet: their APIs answer as upstream's do where the block is
/// not configured, so that SDKs tell their users just that. A block that comes takes its lines out.
namespace outrigger::runtime::absent {

struct Owner {
  std::string app_id;
  std::string app_namespace;
};

void add_http_routes(api::Router& router, const Owner& owner);
void add_grpc_methods(net::grpc::Service& methods, const Owner& owner);

}  // namespace outrigger::runtime::absent
