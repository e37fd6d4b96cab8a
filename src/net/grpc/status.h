#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/result.h"
#include "net/headers.h"

namespace outrigger::net::grpc {

/// How a call ended.
struct Status {
  Code code = Code::ok;
  std::string message;
  /// A serialised google.rpc.Status with everything beyond code and message, or "". Raw bytes: kept
  /// as they came, so that a proxy loses nothing.
  std::string details_bin;

  [[nodiscard]] bool ok() const noexcept { return code == Code::ok; }
};

/// With details: the google.rpc messages in upstream's order, BadRequest (one each violation), Help
/// (one each link), ResourceInfo, and ErrorInfo last.
Status to_status(const Error& error);
/// `status` must not be ok. Details of the four kinds above are taken over, others are dropped; an
/// ErrorInfo's reason is not made a tag.
Error to_error(Status status);

/// The serialised google.rpc.Status of an error with details; "" if it has none.
std::string encode_details(Code code, std::string_view message, const ErrorDetails* details);
/// Reads such bytes. Code::internal if they are not a google.rpc.Status.
Result<ErrorDetails> decode_details(std::string_view details_bin);

/// The trailers that end a call: grpc-status, grpc-message (always, as grpc-go sends it), and
/// grpc-status-details-bin if there are details.
void append_status(Headers& trailers, const Status& status);
/// Reads them. No grpc-status is Code::unknown with an empty message; a malformed one Code::unknown
/// with grpc-go's message; a number outside the list Code::unknown with the message that came;
/// details of another code Code::internal.
Status status_of(const Headers& trailers);

/// `grpc-message` in its percent coding; what is not UTF-8 becomes U+FFFD. A broken escape is
/// left as it is.
std::string encode_message(std::string_view message);
std::string decode_message(std::string_view text);

/// The table of the gRPC specification for answers that do not come from a gRPC server.
Code code_of_http_status(int http_status) noexcept;
/// For such an answer: neither a gRPC content type nor a status. `reason` is the phrase of the HTTP
/// status ("Not Found"), `content_type` the field's value or "" if there is none.
Status status_of_non_grpc(int http_status, std::string_view reason, std::string_view content_type);

}  // namespace outrigger::net::grpc
