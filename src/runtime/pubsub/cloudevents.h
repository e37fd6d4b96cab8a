#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time_format.h"
#include "components/metadata.h"

/// CloudEvents envelopes around what is published. Text is made directly, fields in the order of
/// their names as upstream's are. JSON data travels byte for byte: numbers keep their digits.
namespace outrigger::pubsub {

using Properties = components::Properties;

/// What Dapr tells content types apart by; parameters (";charset=...") do not count, case neither.
[[nodiscard]] bool is_json_content_type(std::string_view content_type) noexcept;
[[nodiscard]] bool is_cloud_event_content_type(std::string_view content_type) noexcept;
/// text/* and application/xml.
[[nodiscard]] bool is_text_content_type(std::string_view content_type) noexcept;
/// application/octet-stream.
[[nodiscard]] bool is_binary_content_type(std::string_view content_type) noexcept;

/// A message to be published and what its envelope says. The views must live until
/// make_envelope() has returned.
struct Publication {
  std::string_view id = {};      ///< Empty: a new random UUID.
  std::string_view source = {};  ///< The publishing app's id. Empty: "Dapr".
  std::string_view type = {};    ///< Empty: "com.dapr.event.sent".
  std::string_view subject = {};
  std::string_view topic = {};
  std::string_view pubsub_name = {};
  std::string_view content_type = {};  ///< As sent. Empty: "text/plain".
  std::string_view data = {};
  std::string_view trace_parent = {};
  std::string_view trace_state = {};
  WallTime time = {};
  /// When the message expires, if that is for us to say: see message_ttl().
  std::optional<WallTime> expiration = std::nullopt;
};

/// Takes cloudevent.id, .source, .type, .subject, .traceid, .traceparent and .tracestate (in any
/// case) from the request's metadata; a traceparent wins over a traceid. `publication` then has
/// views into `metadata`. Upstream does not do this for a body that is a CloudEvent already, and
/// so neither does this.
void apply_overrides(Publication& publication, const Properties& metadata);

/// The event to hand to the broker. By content type: application/cloudevents+json is taken as the
/// event and completed; JSON becomes the value of `data`; octet-stream and CloudEvents in protobuf
/// go base64-encoded into `data_base64`; everything else, and JSON that is not, becomes a string.
/// Code::invalid_argument if a CloudEvent is not a JSON object.
Result<std::string> make_envelope(const Publication& publication);

/// A message that was published without an envelope, as the subscriber shall see it. `metadata` is
/// the message's; its traceid, traceparent and tracestate are taken over.
[[nodiscard]] std::string wrap_raw_payload(std::string_view data, std::string_view topic,
                                           std::string_view pubsub_name,
                                           const Properties& metadata);

/// The time to live that a publish request asks for with `ttl` or `ttlInSeconds` (a Go duration or
/// whole seconds above 0, name in any case); nullopt if it does not, or not readably. It goes into
/// the envelope only if the component cannot expire messages itself.
[[nodiscard]] std::optional<std::chrono::nanoseconds> message_ttl(const Properties& metadata);

/// `rawPayload` of a request or a subscription. Code::invalid_argument if it is not a boolean.
Result<bool> is_raw_payload(const Properties& metadata);

}  // namespace outrigger::pubsub
