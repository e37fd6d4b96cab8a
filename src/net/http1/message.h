#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "net/headers.h"

namespace outrigger::net::http1 {

/// How the end of a body is found (RFC 9112, section 6.3).
enum class Framing : std::uint8_t {
  none,         ///< There is no body.
  length,       ///< Content-Length bytes, perhaps zero.
  chunked,      ///< Transfer-Encoding: chunked.
  until_close,  ///< Responses only: all up to the end of the connection.
};

/// What a peer may send. Exceeding one is an error, never a truncation.
struct Limits {
  /// Start line and fields with all their line ends. The caller's buffer must be able to hold this
  /// much, for a head is consumed whole. Upstream's read-buffer-size defaults to 4 KiB, and Go adds
  /// 4096 bytes of its own to what it is given: 8 KiB is what upstream accepts.
  std::size_t head_bytes_max = 8192;
  /// Of the request target alone; a longer one is 414.
  std::size_t target_bytes_max = 8192;
  std::size_t fields_max = 512;
  /// Of a trailer section with its line ends; it too is consumed whole.
  std::size_t trailer_bytes_max = 8192;
  /// Chunk extensions carry nothing for us; this is how many bytes of them may outweigh the data
  /// they came with, so that a body cannot be all overhead.
  std::size_t chunk_extension_bytes_max = 4096;
  /// Of a body, decoded. 413 is reported by the event that follows `head`.
  std::uint64_t body_bytes_max = std::numeric_limits<std::uint64_t>::max();
  /// 1xx responses before the final one.
  std::size_t informational_max = 16;
};

struct RequestHead {
  std::string method;
  /// Origin-form ("/path?query", still escaped), "*" for OPTIONS, host:port for CONNECT. An
  /// absolute-form target is reduced to origin-form here.
  std::string target;
  /// Of an absolute-form or CONNECT target, else the Host field; "" if HTTP/1.0 had neither. In an
  /// absolute-form request the Host field in `headers` is replaced by this, too.
  std::string authority;
  /// "http" or "https" of an absolute-form target, else "".
  std::string scheme;
  Headers headers;
  std::uint64_t content_length = 0;  ///< Of Framing::length.
  Framing framing = Framing::none;
  std::uint8_t minor_version = 1;
  /// The connection may be used for another request after this one.
  bool keep_alive = true;
  /// The client waits for "100 Continue" before it sends the body. Only if there is a body; an
  /// HTTP/1.0 request has no expectations, and its Expect field is removed.
  bool expect_continue = false;
  /// HTTP/1.1 with an Upgrade field and "upgrade" in Connection.
  bool upgrade = false;
};

struct ResponseHead {
  int status = 0;
  std::string reason;
  Headers headers;
  std::uint64_t content_length = 0;  ///< Of Framing::length.
  Framing framing = Framing::none;
  std::uint8_t minor_version = 1;
  bool keep_alive = true;
  /// 101, or a 2xx to CONNECT: what follows the `end` event is no longer HTTP/1.1.
  bool upgrade = false;
};

/// One step of a parser.
struct Event {
  enum class Kind : std::uint8_t {
    need_more,      ///< Read more bytes, append them to what is unconsumed, call again.
    head,           ///< The head is in the parser's head().
    informational,  ///< Responses only: a 1xx (not 101) in head(); the final response follows.
    body,  ///< `body` is the next piece; it is a view into the caller's input, never empty.
    end,   ///< The message is complete; its trailers are in the parser's trailers().
  };
  Kind kind = Kind::need_more;
  std::string_view body;
};

}  // namespace outrigger::net::http1
