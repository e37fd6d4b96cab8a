#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time_format.h"
#include "runtime/cel/value.h"
#include "runtime/pubsub/cloudevents.h"

namespace outrigger::pubsub {

/// An event that came from a broker: the text that goes to an HTTP app, and its fields for gRPC
/// apps, routing rules, tracing and expiry. Immutable; cheap to move.
class CloudEvent {
 public:
  struct Field {
    std::string name;
    std::string json;  ///< The raw value: valid JSON, well-formed UTF-8.
  };

  /// How upstream reads a message: as a raw payload if the subscription says so (see
  /// is_raw_payload()), in binary mode (fields in metadata keys "ce_...") if its content-type is
  /// application/octet-stream, else as a JSON object. `metadata` is the message's; trace fields
  /// that the event lacks are taken from it.
  enum class Framing : std::uint8_t { envelope, raw_payload };
  struct Message {
    std::string data;
    std::string topic;
    std::string pubsub_name;
    Framing framing = Framing::envelope;
  };
  /// Code::invalid_argument if the data is not a JSON object where it must be one.
  static Result<CloudEvent> read(Message message, const Properties& metadata);
  /// Only the JSON form, nothing taken from metadata: an entry of a bulk message.
  static Result<CloudEvent> parse(std::string text);

  /// What an HTTP app gets as the body.
  [[nodiscard]] const std::string& body() const noexcept { return body_; }
  /// All fields by name. In binary mode without the data.
  [[nodiscard]] const std::vector<Field>& fields() const noexcept { return fields_; }
  /// The raw JSON of a field, or nullopt.
  [[nodiscard]] std::optional<std::string_view> raw(std::string_view name) const noexcept;
  /// The field if it is a string, else an empty text.
  [[nodiscard]] std::string text(std::string_view name) const;

  /// The payload as bytes, as a gRPC app gets it: data_base64 decoded, a text's bytes, or JSON
  /// without white space. Code::invalid_argument if data_base64 is not that, or if `data` is no
  /// string though the content type is text.
  /// Upstream drops data of other content types than text and JSON; here it is kept.
  [[nodiscard]] Result<std::string> data() const;
  /// The fields that a gRPC app gets as `extensions`: all but id, source, type, specversion,
  /// datacontenttype, data and data_base64.
  [[nodiscard]] std::vector<const Field*> extensions() const;

  /// The W3C trace parent: field traceparent, else traceid; empty if it is no string.
  [[nodiscard]] std::string trace_parent() const;
  /// Whether `expiration` is a time before `now`.
  [[nodiscard]] bool expired(WallTime now) const;
  /// For routing rules. Views into the event, which must outlive it.
  [[nodiscard]] cel::Value value() const;

 private:
  CloudEvent() = default;
  static CloudEvent binary_mode(std::string data, std::string_view content_type,
                                const Properties& metadata);
  void set(std::string_view name, std::string json);
  void set_text(std::string_view name, std::string_view text);
  void adopt_trace(const Properties& metadata);

  std::string body_;
  std::vector<Field> fields_;  // Sorted by name.
  bool binary_ = false;        // The body is the data.
};

}  // namespace outrigger::pubsub
