#pragma once

#include "net/grpc/server.h"

namespace outrigger::runtime::secrets {

class Service;

/// GetSecret and GetBulkSecret. Both belong to the same loop; the service must outlive the server's
/// calls.
void add_grpc_methods(net::grpc::Service& server, Service& service);

}  // namespace outrigger::runtime::secrets
