#pragma once

#include <string_view>

#include "base/result.h"
#include "runtime/pubsub/postman.h"

namespace dapr::proto::runtime::v1 {
class TopicEventRequest;
class TopicEventCERequest;
}  // namespace dapr::proto::runtime::v1

/// Events as protobuf messages. For the gRPC files of this room.
namespace outrigger::pubsub {

/// Fills the message that a gRPC application gets. Code::invalid_argument if the event's data or
/// extensions cannot be told so.
Result<> fill(::dapr::proto::runtime::v1::TopicEventRequest& message, const Delivery& delivery);
/// The same for an event among many.
Result<> fill(::dapr::proto::runtime::v1::TopicEventCERequest& message, const CloudEvent& event);

/// What `status` of a TopicEventResponse means. `what` and `id` go into the error: "event", its id.
[[nodiscard]] Answer answer_of(int status, std::string_view id);

}  // namespace outrigger::pubsub
