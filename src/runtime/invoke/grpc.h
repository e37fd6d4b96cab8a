#pragma once

#include "net/grpc/server.h"
#include "runtime/invoke/service.h"

namespace outrigger::runtime::invoke {

/// InvokeService, and the proxy as the fallback of the API's server. `service` must outlive it.
void add_grpc_methods(net::grpc::Service& api, Service& service);

/// CallLocal and CallLocalStream, and the proxy, on the server for other sidecars. Takes the
/// fallback of that server.
void add_internal_methods(net::grpc::Service& internal, Service& service);

}  // namespace outrigger::runtime::invoke
