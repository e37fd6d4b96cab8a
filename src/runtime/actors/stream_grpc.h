#pragma once

#include "net/grpc/server.h"
#include "runtime/actors/service.h"

namespace outrigger::runtime::actors {

/// SubscribeActorEventsAlpha1: the application registers its actor types with the first message and
/// gets their calls on this stream from then on. The stream must live as long as the task.
Task<Result<>> serve_actor_events(Service& service, net::grpc::ServerStream& stream);

}  // namespace outrigger::runtime::actors
