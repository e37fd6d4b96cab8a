#pragma once

#include "net/grpc/server.h"

namespace outrigger::pubsub {

class Subscriber;

/// SubscribeTopicEventsAlpha1: the application subscribes to a topic for as long as the stream
/// lives, gets events on it and answers each by its id. Errors have upstream's texts.
Task<Result<>> subscribe_stream(Subscriber& subscriber, net::grpc::ServerStream& stream);

}  // namespace outrigger::pubsub
