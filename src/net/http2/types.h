#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "net/headers.h"

namespace outrigger::net::http2 {

/// Why a stream or a connection ended (RFC 9113, section 7).
enum class ErrorCode : std::uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  flow_control_error = 0x3,
  settings_timeout = 0x4,
  stream_closed = 0x5,
  frame_size_error = 0x6,
  refused_stream = 0x7,
  cancel = 0x8,
  compression_error = 0x9,
  connect_error = 0xa,
  enhance_your_calm = 0xb,
  inadequate_security = 0xc,
  http_1_1_required = 0xd,
};

/// "PROTOCOL_ERROR" and so on; "UNKNOWN_ERROR" for a code outside the list.
std::string_view to_string(ErrorCode code) noexcept;
/// How a call has failed whose stream the peer reset, as gRPC has it.
Code code_of_reset(ErrorCode code) noexcept;

using TimePoint = std::chrono::steady_clock::time_point;

/// What a server does with a head above `Settings::header_list_bytes_max`: gRPC servers reset the
/// stream with FRAME_SIZE_ERROR, HTTP servers answer 431. A client always resets.
enum class OversizedHead : std::uint8_t { reset, answer_431 };

struct Settings {
  /// Streams the peer may have open towards us at once; more are refused.
  std::uint32_t concurrent_streams_max = 1000;
  /// How much the peer may send on one stream, and on all, before the application has consumed.
  std::uint32_t stream_window_bytes = 1U << 20;
  std::uint32_t connection_window_bytes = 4U << 20;
  /// The longest frame payload the peer may send: 16,384 to 16,777,215.
  std::uint32_t frame_bytes_max = 16384;
  /// Names, values and 32 bytes for each field (RFC 9113, section 6.5.2).
  std::uint32_t header_list_bytes_max = 64U << 10;
  OversizedHead oversized_head = OversizedHead::reset;
  /// Answers to pings and settings that may wait to be sent before the peer counts as flooding.
  std::uint32_t acks_waiting_max = 1000;
  /// All frames that may wait to be sent by a server before the peer counts as flooding.
  std::uint32_t frames_waiting_max = 50'000;
  /// Streams that end by a reset before they are done: so many at once, and so many a second after
  /// that. More ends the connection with ENHANCE_YOUR_CALM ("rapid reset", CVE-2023-44487, and its
  /// variant that provokes the server's resets, CVE-2025-8671). Servers only.
  std::uint32_t resets_burst = 5000;
  std::uint32_t resets_per_second = 500;
  /// The same for frames that carry nothing: empty DATA, PRIORITY, SETTINGS. Both sides.
  std::uint32_t idle_frames_burst = 10'000;
  std::uint32_t idle_frames_per_second = 1000;
  /// The clock of those limits.
  std::function<TimePoint()> now = [] { return std::chrono::steady_clock::now(); };
};

/// A request without its body. Pseudo-headers have fields of their own and are not in `headers`.
/// Names in a received head are lower-case; several cookie fields have become one.
struct RequestHead {
  std::string method;
  std::string scheme;
  /// From `:authority`, or `host` if there is none (then the field is in `headers` as well).
  std::string authority;
  std::string path;
  Headers headers;
};

struct ResponseHead {
  int status = 0;
  Headers headers;
};

/// A body that is sent while it is being made. Owned by the application; must live until on_closed
/// of its stream, or until it has been let go by Session::reset(). Called from Session::pull()
/// only.
class DataSource {
 public:
  struct Next {
    /// Bytes that take() will be asked for, at most `bytes_max`.
    std::size_t bytes = 0;
    /// Nothing follows these bytes but the trailers.
    bool end = false;
  };
  virtual ~DataSource() = default;
  /// How much can be sent now. No bytes and no end: the stream pauses until Session::resume().
  virtual Next next(std::size_t bytes_max) = 0;
  /// Appends exactly the `bytes` that next() has just promised.
  virtual void take(std::string& out, std::size_t bytes) = 0;
  /// Asked once, after `end`. Without fields the last DATA frame ends the stream.
  virtual Headers trailers() { return {}; }
};

/// What follows a head that is sent.
struct Body {
  enum class Kind : std::uint8_t { none, bytes, source };

  /// The head ends the stream: a request without body, a gRPC response of trailers only.
  static Body none() { return {}; }
  /// A body that is there as a whole; the session keeps it.
  static Body of(std::string bytes, Headers trailers = {}) {
    return {Kind::bytes, std::move(bytes), std::move(trailers), nullptr};
  }
  static Body from(DataSource& source) { return {Kind::source, {}, {}, &source}; }

  Kind kind = Kind::none;
  std::string bytes;
  Headers trailers;
  DataSource* source = nullptr;
};

/// One request and its response. Lives from on_head (server) or request() (client) until on_closed
/// returns. `owner` belongs to the application: it finds its own object there without a look-up.
class Stream {
 public:
  explicit Stream(std::int32_t id) noexcept : id_(id) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] std::int32_t id() const noexcept { return id_; }

  void* owner = nullptr;

 protected:
  ~Stream() = default;
  std::int32_t id_;
};

/// Told what the peer did. Called from Session::feed(), and from pull() (on_closed only), never
/// from another call except Session::abandon(). A callback may call every function of the session
/// but feed(), pull(), abandon() and its destructor.
///
/// For each stream: on_head (a client may get on_informational before), on_data any number of
/// times, on_end once, on_closed once and always last. on_closed without on_end: the message is
/// incomplete, whatever the code says. on_closed can come without on_head on a client.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Servers. `end_stream`: there is no body; on_end follows at once in any case.
  virtual void on_head(Stream&, RequestHead&&, bool end_stream);
  /// Clients. The final response (status 200 or more).
  virtual void on_head(Stream&, ResponseHead&&, bool end_stream);
  /// Clients. A 1xx response.
  virtual void on_informational(Stream&, ResponseHead&&);
  /// Part of the body, a view into what was fed. The peer's window shrinks until consume().
  virtual void on_data(Stream&, std::string_view bytes) = 0;
  /// The peer has sent all it had. Comes after respond() too, if the request ends before the
  /// response.
  virtual void on_end(Stream&, Headers&& trailers) = 0;
  /// The stream is over; `stream` must not be used after this returns. refused_stream: the peer has
  /// not processed the request, it may be sent again on another connection.
  virtual void on_closed(Stream& stream, ErrorCode code) = 0;

  /// The peer takes no new streams above `last_stream`; those are reported closed beside this.
  virtual void on_goaway(std::int32_t last_stream, ErrorCode code, std::string_view debug);
  /// The peer's ping (already answered): keepalive enforcement counts them.
  virtual void on_ping();
  virtual void on_ping_ack(std::uint64_t opaque);
  /// The peer's settings have changed.
  virtual void on_settings();
};

}  // namespace outrigger::net::http2
