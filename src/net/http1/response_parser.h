#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "net/http1/body_decoder.h"
#include "net/http1/message.h"

namespace outrigger::net::http1 {

/// Splits the bytes of a server's connection into responses. As strict as RequestParser, save for
/// habits of real servers that Go's client takes: heads whose lines end in a bare LF or are folded,
/// versions above 1.1 (read as 1.1), Content-Length fields that agree (they count as one), and
/// Content-Length beside Transfer-Encoding (ignored and removed; the connection is then not kept).
/// No I/O; any thread, one at a time.
///
/// Per request sent: start(), then next() until `end`. Errors have HTTP status 502 and are final.
class ResponseParser {
 public:
  explicit ResponseParser(Limits limits = {});

  /// The next response answers a request with this method, which decides whether it has a body.
  /// Only when idle.
  void start(std::string_view request_method);

  /// The next event; what it took is cut off the front of `input`. When it says need_more, the rest
  /// of `input` must begin the input of the next call. Bytes while idle are an error: a response
  /// nobody asked for must never become the answer to the next request.
  Result<Event> next(std::string_view& input);

  /// The connection ended with `unconsumed` left: `end` if that completes a Framing::until_close
  /// body, need_more if idle and nothing is left, else Code::unavailable with HTTP status 502.
  Result<Event> finish(std::string_view unconsumed);

  /// The response of the last `head` or `informational` event; yours to move from.
  [[nodiscard]] ResponseHead& head() noexcept { return head_; }
  /// Of the last `end` event; yours to move from. Only a chunked body has any.
  [[nodiscard]] Headers& trailers() noexcept { return body_.trailers(); }
  /// No response is due.
  [[nodiscard]] bool idle() const noexcept { return state_ == State::idle; }
  /// A response is due but not one byte of its (final) head has been consumed.
  [[nodiscard]] bool awaiting_head() const noexcept { return state_ == State::head; }

 private:
  enum class State : std::uint8_t { idle, head, body, failed };
  enum class Method : std::uint8_t { other, head, connect };

  Result<Event> step(std::string_view& input);
  Result<Event> read_head(std::string_view& input);
  Result<std::size_t> parse_status_line(std::string_view block);
  Result<void> apply(const Controls& controls);
  Result<void> apply_transfer_encoding(const Controls& controls);

  Limits limits_;
  State state_ = State::idle;
  Method method_ = Method::other;
  std::size_t informational_ = 0;
  BlockScanner scanner_{BlockScanner::Ends::crlf_or_lf};
  ResponseHead head_;
  BodyDecoder body_;
};

}  // namespace outrigger::net::http1
