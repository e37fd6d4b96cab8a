#pragma once

#include <string_view>

namespace outrigger::pubsub {

/// Whether the bytes read as a message io.cloudevents.v1.CloudEvent: well-formed, with text where
/// it has text. Upstream carries such bodies of application/x-protobuf as binary data.
[[nodiscard]] bool is_protobuf_cloud_event(std::string_view bytes);

}  // namespace outrigger::pubsub
