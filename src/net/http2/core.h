#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http2/guard.h"
#include "net/http2/types.h"

struct nghttp2_session;
struct nghttp2_session_callbacks;
struct nghttp2_option;

/// The inside of Session: what the nghttp2 callbacks work on. Private to this folder.
namespace outrigger::net::http2 {

/// So many at once, so many a second after that.
class TokenBucket {
 public:
  TokenBucket(std::uint32_t burst, std::uint32_t per_second)
      : burst_(burst), per_second_(per_second), tokens_(burst) {}
  /// False if there is none left.
  bool take(TimePoint now);

 private:
  double burst_;
  double per_second_;
  double tokens_;
  TimePoint last_{};
};

/// Everything about one stream. nghttp2 holds a pointer to it as the stream's user data; fields
/// and strings that are being sent stay here until the stream closes, so they are not copied.
struct StreamState final : Stream {
  using Stream::Stream;
  void reuse(std::int32_t id);
  void numbered(std::int32_t id) noexcept { id_ = id; }

  StreamState* previous = nullptr;
  StreamState* next = nullptr;

  /// Received on a server, being sent on a client.
  RequestHead request;
  int status = 0;
  /// The header block being received.
  Headers fields;
  std::size_t field_bytes = 0;
  unsigned cookies = 0;
  std::size_t unconsumed = 0;

  Headers sent_fields;
  Headers sent_trailers;
  std::string bytes;
  std::size_t bytes_sent = 0;
  DataSource* source = nullptr;
  char status_text[3] = {};

  /// The handler knows this stream and has not been told that it is closed.
  bool announced = false;
  /// The final head has been received.
  bool headed = false;
  bool remote_ended = false;
  bool local_ended = false;
  bool responded = false;
  /// Client: the request head has been sent.
  bool opened = false;
  /// Nothing but on_closed may be reported any more.
  bool silenced = false;
  bool reset_by_us = false;
  bool reset_by_peer = false;
  bool oversized = false;
};

class Core {
 public:
  Core(Handler& handler, const Settings& settings, bool server);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // What Session promises.
  Result<void> upgrade(std::string_view http2_settings, RequestHead head, std::string_view body);
  Result<void> feed(std::string_view bytes);
  std::size_t pull(std::string& out, std::size_t bytes_max);
  [[nodiscard]] bool wants_write() const noexcept;
  [[nodiscard]] bool done() const noexcept;
  void abandon(ErrorCode code);
  Result<Stream*> request(RequestHead head, Body body);
  Result<void> respond(StreamState& stream, int status, Headers headers, Body body);
  Result<void> inform(StreamState& stream, int status, const Headers& headers);
  void resume(StreamState& stream);
  void consume(StreamState& stream, std::size_t bytes);
  void reset(StreamState& stream, ErrorCode code);
  void shutdown_notice();
  void goaway(ErrorCode code, std::string_view debug);
  void terminate(ErrorCode code, std::string_view debug);
  void ping(std::uint64_t opaque);
  [[nodiscard]] bool takes_requests() const noexcept;
  [[nodiscard]] std::uint32_t peer_concurrent_streams_max() const noexcept;

  // What the peer did (receive.cc).
  void begin_request(std::int32_t id);
  void field(StreamState& stream, std::string_view name, std::string_view value);
  void headers_complete(StreamState& stream, bool end_stream);
  void data(StreamState& stream, std::string_view bytes);
  void ended(StreamState& stream);
  void closed(StreamState& stream, ErrorCode code);
  void goaway_received(std::int32_t last_stream, ErrorCode code, std::string_view debug);
  void idle_frame();
  void count_reset();
  void frame_ended_stream(StreamState& stream);

  // For the callbacks of nghttp2.
  [[nodiscard]] StreamState* find(std::int32_t id) const;

  Handler& handler;
  const Settings settings;
  const bool server;
  nghttp2_session* session = nullptr;
  /// The stream whose header block is being received: blocks do not interleave.
  StreamState* receiving = nullptr;
  /// Where pull() collects, and at which size it stops.
  std::string* out = nullptr;
  std::size_t out_full = 0;
  std::size_t open = 0;
  std::size_t unconsumed = 0;
  std::uint64_t pings = 0;
  std::uint64_t data_sent = 0;

 private:
  void queue_settings();
  void request_complete(StreamState& stream, bool end_stream);
  void response_complete(StreamState& stream, bool end_stream);
  void oversized(StreamState& stream);
  StreamState& make_stream(std::int32_t id);
  void recycle(StreamState& stream);
  void report_closed(StreamState& stream, ErrorCode code);
  void report_late();
  Result<void> receive(std::string_view bytes);
  void check_suspect(const StreamGuard::Suspect& suspect);
  /// Nothing can be asked of nghttp2 any more.
  void give_up(ErrorCode code);

  struct Late {
    StreamState* stream;
    ErrorCode code;
  };

  StreamGuard guard_;
  TokenBucket resets_;
  TokenBucket idle_frames_;
  StreamState* first_ = nullptr;
  std::vector<std::unique_ptr<StreamState>> spare_;
  /// Requests that ended before they were sent: reported by the next pull().
  std::vector<Late> late_;
  /// A GOAWAY written by hand, once nghttp2 cannot go on.
  std::string last_words_;
  bool failed_ = false;
  bool abandoned_ = false;
  bool terminated_ = false;
};

/// One set of callbacks serves all sessions.
const nghttp2_session_callbacks* callbacks();
void install_receive_callbacks(nghttp2_session_callbacks* table);
void install_send_callbacks(nghttp2_session_callbacks* table);

}  // namespace outrigger::net::http2
