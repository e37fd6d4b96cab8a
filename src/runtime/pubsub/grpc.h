#pragma once

#include <functional>

#include "net/grpc/server.h"
#include "runtime/telemetry/trace_context.h"

namespace outrigger::pubsub {

class Service;

/// Where a call stands in its trace: what the API's interceptor found, or made.
using GrpcTrace = std::function<telemetry::TraceContext(const net::grpc::Call& call)>;

/// PublishEvent, BulkPublishEvent and BulkPublishEventAlpha1 of dapr.proto.runtime.v1.Dapr. Without
/// `trace` the call's own metadata counts. All on one loop; the service must outlive the calls.
void add_grpc_methods(net::grpc::Service& methods, Service& service, GrpcTrace trace = nullptr);

}  // namespace outrigger::pubsub
