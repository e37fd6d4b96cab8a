#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/headers.h"
#include "net/http1/message.h"

/// Heads and chunks as bytes, appended to a buffer. Content-Length, Transfer-Encoding, Connection,
/// Keep-Alive, Proxy-Connection and (in requests) Host fields of `headers` are never written: they
/// belong to the connection, and follow from the other members. So a head that came in by one
/// connection can go out by another as it is.
///
/// Nothing in a field can end it early (header injection). As Go does, a request with a bad field
/// is an error, while in a response and in trailers a field with an invalid name is left out, and
/// each control character in a value (also CR, LF and NUL) becomes a space.
namespace outrigger::net::http1 {

/// Views; they need to live during the call only.
struct RequestLine {
  std::string_view method;
  std::string_view target;     ///< As RequestHead::target.
  std::string_view authority;  ///< The Host field, which is always written.
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  ///< For Framing::length; 0 is written too.
  /// The Connection field: "close", "Upgrade", ...; none if empty.
  std::string_view connection;
};

/// Error (Code::invalid_argument, nothing appended) if method, target, authority or a field cannot
/// be sent, or if the framing is until_close.
Result<void> append_request_head(std::string& out, const RequestLine& line, const Headers& headers);

struct StatusLine {
  int status = 200;         ///< 100 to 999.
  std::string_view reason;  ///< Empty: the usual phrase of the status.
  /// For 1xx and 204, where neither length nor chunked is allowed, no framing field is written. In
  /// answers to HEAD and in 304 the fields say what GET would get; write no body.
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  ///< For Framing::length.
  std::string_view connection;       ///< As in RequestLine.
};

/// Always HTTP/1.1 in the status line, also to an HTTP/1.0 client (RFC 9110, section 2.5), who must
/// not be sent chunks, and who needs `connection` "keep-alive" if the connection is to stay. Fields
/// like Date are the caller's.
void append_response_head(std::string& out, const StatusLine& line, const Headers& headers);

/// The whole answer to `Expect: 100-continue`.
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// The line before `bytes` (not 0) of chunk data; behind the data goes kChunkEnd.
void append_chunk_begin(std::string& out, std::size_t bytes);
inline constexpr std::string_view kChunkEnd = "\r\n";
/// One whole chunk; nothing if `data` is empty, for an empty chunk would end the body.
void append_chunk(std::string& out, std::string_view data);
/// The end of a chunked body without trailers.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
/// The end of a chunked body; fields that may not be trailers are left out.
void append_last_chunk(std::string& out, const Headers& trailers);

/// "Not Found" for 404; "" if the code has no registered phrase.
std::string_view reason_phrase(int status) noexcept;

}  // namespace outrigger::net::http1
