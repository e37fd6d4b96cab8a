#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/headers.h"
#include "net/pipe.h"

/// The HTTP messages that handlers and clients exchange, whatever version is on the wire.
namespace outrigger::net {

/// A message body: all of it in `whole`, or a stream. Most bodies are whole: a connection makes a
/// stream only for a body that had not fully arrived with its head.
struct Body {
  std::string whole;
  std::shared_ptr<Pipe> stream;
  /// Trailers of a whole body; a stream carries its own.
  Headers trailers;

  Body() = default;
  Body(std::string bytes) : whole(std::move(bytes)) {}  // NOLINT: a string is a body.
  Body(const char* bytes) : whole(bytes) {}             // NOLINT: and so is a literal.
  explicit Body(std::shared_ptr<Pipe> pipe) : stream(std::move(pipe)) {}

  [[nodiscard]] bool is_stream() const noexcept { return stream != nullptr; }
  /// The whole body and its trailers. Code::resource_exhausted above the limit.
  Task<Result<std::string>> read_all(std::size_t limit_bytes);
};

/// Who is at the other end of a connection.
struct Peer {
  std::string address;  ///< "127.0.0.1:4711", or "@" and the path of a Unix socket.
  bool tls = false;
  std::string alpn;
  std::string certificate_der;  ///< The peer's leaf certificate; empty without client TLS.
  std::string identity;         ///< What TlsOptions::identify says of it.
};

enum class HttpVersion : std::uint8_t { http10, http11, http2 };

struct Request {
  std::string method;
  std::string scheme;     ///< "http" or "https".
  std::string authority;  ///< Host header or :authority.
  std::string target;     ///< Path and query, undecoded: "/v1.0/state/a?x=1".
  HttpVersion version = HttpVersion::http11;
  Headers headers;  ///< Without Host, connection headers of HTTP/1.1 included.
  Body body;
  /// The length that the sender declared; nullopt if it declared none.
  std::optional<std::uint64_t> content_length;
  /// Set for requests that a server received; lives as long as the connection.
  const Peer* peer = nullptr;
};

struct Response {
  int status = 200;
  Headers headers;
  Body body;
  /// For a streamed body whose length is known; otherwise it is sent chunked (or as HTTP/2 DATA).
  std::optional<std::uint64_t> content_length;
  /// What the response tells of, for those it passes on its way out (logs, metrics). Not sent.
  std::shared_ptr<const Error> error;
};

}  // namespace outrigger::net
