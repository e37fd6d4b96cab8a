#pragma once

#include "net/grpc/server.h"

namespace outrigger::runtime::state {

class Service;

/// GetState, GetBulkState, SaveState, DeleteState, DeleteBulkState, ExecuteStateTransaction and
/// QueryStateAlpha1. Both belong to the same loop; the service must outlive the server's calls.
void add_grpc_methods(net::grpc::Service& server, Service& service);

}  // namespace outrigger::runtime::state
