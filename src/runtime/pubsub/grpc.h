#pragma once

#include "net/grpc/server.h"

namespace outrigger::pubsub {

class Service;
class Subscriber;

/// The methods of dapr.proto.runtime.v1.Dapr: PublishEvent, BulkPublishEvent,
/// BulkPublishEventAlpha1 and SubscribeTopicEventsAlpha1. All on one loop; service and subscriber
/// must outlive the calls.
void add_grpc_methods(net::grpc::Service& methods, Service& service, Subscriber& subscriber);

}  // namespace outrigger::pubsub
