#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "net/http1/body_decoder.h"
#include "net/http1/message.h"

namespace outrigger::net::http1 {

/// Splits the bytes of a client's connection into requests: strict RFC 9112, one reading only, so
/// that no hop can see other boundaries than we do. No I/O; any thread, one at a time.
///
///     for (;;) {
///       auto event = parser.next(unconsumed);       // Each message: head, body*, end.
///       if (!event) ...                             // Answer error.http_status(), close.
///       if (event->kind == Event::Kind::need_more) break;  // Read more behind `unconsumed`.
///     }
///
/// After `end` the next call begins the next request (pipelining). Errors carry the HTTP status to
/// answer with (400, 413, 414, 417, 431, 501, 505) and are final: the connection must be closed
/// after the answer. Rejected are, among others: bare LF or CR, obs-fold, blanks before a colon,
/// Content-Length repeated or together with Transfer-Encoding, any coding but one "chunked".
class RequestParser {
 public:
  explicit RequestParser(Limits limits = {});

  /// The next event; what it took is cut off the front of `input`. When it says need_more, the rest
  /// of `input` must begin the input of the next call.
  Result<Event> next(std::string_view& input);

  /// The request of the last `head` event; yours to move from. Valid until the next one.
  [[nodiscard]] RequestHead& head() noexcept { return head_; }
  /// Of the last `end` event; yours to move from. Only a chunked body has any.
  [[nodiscard]] Headers& trailers() noexcept { return body_.trailers(); }
  /// Between requests: if there is no unconsumed input either, the client may go in peace.
  [[nodiscard]] bool idle() const noexcept { return state_ == State::head; }

 private:
  enum class State : std::uint8_t { head, body, failed };

  Result<Event> read_head(std::string_view& input);
  Result<void> parse_head(std::string_view block);
  Result<std::size_t> parse_request_line(std::string_view block);
  Result<void> take_target(std::string_view target);
  Result<void> take_absolute_target(std::string_view target);
  Result<void> apply(const Controls& controls);
  Result<void> apply_host(const Controls& controls);
  Result<void> apply_framing(const Controls& controls);

  Limits limits_;
  State state_ = State::head;
  bool skipped_line_ = false;
  BlockScanner scanner_;
  RequestHead head_;
  BodyDecoder body_;
};

}  // namespace outrigger::net::http1
