#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/message.h"

/// One invocation and its answer, whatever protocols the caller and the application speak.
namespace outrigger::runtime::invoke {

/// The numbers of dapr.proto.common.v1.HTTPExtension.Verb.
enum class Verb : std::uint8_t {
  none = 0,
  get = 1,
  head = 2,
  post = 3,
  put = 4,
  delete_ = 5,
  connect = 6,
  options = 7,
  trace = 8,
  patch = 9,
};
/// "GET"; "NONE" for Verb::none.
[[nodiscard]] std::string_view to_string(Verb verb) noexcept;
/// Of a method in any case; Verb::post for methods that have no number, as upstream does.
[[nodiscard]] Verb verb_of(std::string_view method) noexcept;

using Field = net::Headers::Field;

/// A request without its body, as views.
struct RequestView {
  std::string_view method;
  bool has_http_extension = false;
  Verb verb = Verb::none;
  std::string_view query;
  std::string_view content_type;
  std::string_view type_url;
  /// Names that were HTTP headers are in Go's canonical case, "Content-Type", those of gRPC in
  /// lower case: receivers tell by it what they are. Values of "-bin" names are base64, with
  /// padding.
  std::vector<Field> metadata;

  /// The first value of a name in any case; "" if there is none.
  [[nodiscard]] std::string_view metadata_value(std::string_view name) const noexcept;
  /// True if the caller spoke gRPC: its own content type is among the metadata.
  [[nodiscard]] bool from_grpc() const noexcept;
  /// What the body is: a message with a type is protobuf, whatever content_type says.
  [[nodiscard]] std::string_view effective_content_type() const noexcept;
};

/// A request of a client of ours.
struct Request {
  std::string method;
  bool has_http_extension = false;
  Verb verb = Verb::none;
  std::string query;
  std::string content_type;
  std::string type_url;
  net::Headers metadata;
  net::Body body;
  /// The length of the body, if its sender declared one.
  std::optional<std::uint64_t> content_length;
  /// It came without a length (HTTP), short as it may have been: policies do not repeat it, as
  /// upstream's do not.
  bool streamed = false;

  /// Lives as long as this object is not changed.
  [[nodiscard]] RequestView view() const;
  /// A stream of unknown length: it is never sent twice.
  [[nodiscard]] bool is_unbounded() const noexcept { return body.is_stream() && !content_length; }
};

/// What the application answered.
struct Reply {
  /// An HTTP status (100 and more) or a gRPC code.
  int status = 0;
  std::string status_message;
  /// Serialised google.protobuf.Any, of a gRPC application's error.
  std::vector<std::string> status_details;
  net::Headers headers;
  net::Headers trailers;
  std::string content_type;
  std::string type_url;
  net::Body body;

  [[nodiscard]] bool is_http() const noexcept { return status >= 100; }
  [[nodiscard]] bool from_grpc() const noexcept;
  [[nodiscard]] std::string_view effective_content_type() const noexcept;
};

/// The bytes of a stream that has already ended and is short become the whole body: it then needs
/// no task.
void settle(net::Body& body);

/// All fields as views.
[[nodiscard]] std::vector<Field> fields_of(const net::Headers& headers);

}  // namespace outrigger::runtime::invoke
