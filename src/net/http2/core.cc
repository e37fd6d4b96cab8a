#include "net/http2/core.h"

#include <nghttp2/nghttp2.h>

namespace outrigger::net::http2 {
namespace {

// Streams kept for reuse after they closed: enough for a busy connection, 30 KB at most.
constexpr std::size_t kSpareStreamsMax = 64;
constexpr std::uint32_t kDefaultWindow = 65535;
// Larger than any limit of ours: nghttp2's own limiter must not speak first.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;

struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

std::unique_ptr<nghttp2_option, OptionDeleter> make_options(const Settings& settings) {
  nghttp2_option* made = nullptr;
  OUT_ASSERT(nghttp2_option_new(&made) == 0);
  std::unique_ptr<nghttp2_option, OptionDeleter> option(made);
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_no_closed_streams(made, 1);
  nghttp2_option_set_max_outbound_ack(made, settings.acks_waiting_max);
  nghttp2_option_set_stream_reset_rate_limit(made, kNoLimit, kNoLimit);
  // Peers written in Go send such values and accept them; a proxy must not be stricter.
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(made, 1);
  const std::size_t frames = settings.header_list_bytes_max / settings.frame_bytes_max + 1;
  nghttp2_option_set_max_continuations(made, std::max<std::size_t>(8, frames * 2));
  // Trailers and long values are ours to limit (the peer's limit is only advice).
  nghttp2_option_set_max_send_header_block_length(made, 16U << 20);
  return option;
}

}  // namespace

bool TokenBucket::take(TimePoint now) {
  const double seconds = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  tokens_ = std::min(burst_, tokens_ + std::max(0.0, seconds) * per_second_);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void StreamState::reuse(std::int32_t id) {
  id_ = id;
  owner = nullptr;
  request.headers.clear();
  request.authority.clear();
  request.method.clear();
  request.path.clear();
  request.scheme.clear();
  fields.clear();
  sent_fields.clear();
  sent_trailers.clear();
  bytes.clear();
  status = 0;
  field_bytes = unconsumed = bytes_sent = 0;
  cookies = 0;
  source = nullptr;
  announced = headed = remote_ended = local_ended = responded = false;
  opened = silenced = reset_by_us = reset_by_peer = oversized = false;
}

const nghttp2_session_callbacks* callbacks() {
  static const nghttp2_session_callbacks* const table = [] {
    nghttp2_session_callbacks* made = nullptr;
    OUT_ASSERT(nghttp2_session_callbacks_new(&made) == 0);
    install_receive_callbacks(made);
    install_send_callbacks(made);
    return made;
  }();
  return table;
}

Core::Core(Handler& handler_in, const Settings& settings_in, bool server_in)
    : handler(handler_in),
      settings(settings_in),
      server(server_in),
      resets_(settings.resets_burst, settings.resets_per_second),
      idle_frames_(settings.idle_frames_burst, settings.idle_frames_per_second) {
  const auto option = make_options(settings);
  const int made = server ? nghttp2_session_server_new2(&session, callbacks(), this, option.get())
                          : nghttp2_session_client_new2(&session, callbacks(), this, option.get());
  OUT_ASSERT(made == 0);
  queue_settings();
}

Core::~Core() {
  nghttp2_session_del(session);
  while (first_ != nullptr) {
    StreamState* stream = first_;
    first_ = stream->next;
    delete stream;
  }
}

void Core::queue_settings() {
  const std::uint32_t frame = std::clamp(settings.frame_bytes_max, 16384U, 16777215U);
  const std::uint32_t window = std::min(settings.stream_window_bytes, 0x7fffffffU);
  std::vector<nghttp2_settings_entry> entries = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, frame},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.header_list_bytes_max},
  };
  if (server) {
    entries.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.concurrent_streams_max});
  } else {
    entries.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  OUT_ASSERT(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size()) ==
             0);
  const auto connection = static_cast<std::int32_t>(
      std::clamp(settings.connection_window_bytes, kDefaultWindow, 0x7fffffffU));
  OUT_ASSERT(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, connection) == 0);
}

StreamState* Core::find(std::int32_t id) const {
  return static_cast<StreamState*>(nghttp2_session_get_stream_user_data(session, id));
}

StreamState& Core::make_stream(std::int32_t id) {
  StreamState* stream = nullptr;
  if (spare_.empty()) {
    stream = new StreamState(id);
  } else {
    stream = spare_.back().release();
    spare_.pop_back();
    stream->reuse(id);
  }
  stream->previous = nullptr;
  stream->next = first_;
  if (first_ != nullptr) first_->previous = stream;
  first_ = stream;
  return *stream;
}

void Core::recycle(StreamState& stream) {
  if (stream.previous != nullptr) stream.previous->next = stream.next;
  if (stream.next != nullptr) stream.next->previous = stream.previous;
  if (first_ == &stream) first_ = stream.next;
  if (receiving == &stream) receiving = nullptr;
  std::erase_if(late_, [&](const Late& late) { return late.stream == &stream; });
  unconsumed -= stream.unconsumed;
  std::unique_ptr<StreamState> owned(&stream);
  if (spare_.size() >= kSpareStreamsMax) return;
  // A large body or head must not stay behind as spare capacity.
  stream.bytes = std::string();
  stream.sent_fields = Headers();
  stream.sent_trailers = Headers();
  stream.fields = Headers();
  spare_.push_back(std::move(owned));
}

void Core::give_up(ErrorCode code) {
  failed_ = true;
  // A GOAWAY by hand: length, type, flags, stream 0, last stream, code.
  const auto last = static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(session));
  const auto number = static_cast<std::uint32_t>(code);
  last_words_.assign({0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0});
  for (const std::uint32_t word : {last, number}) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      last_words_.push_back(static_cast<char>((word >> shift) & 0xff));
    }
  }
}

Result<void> Core::feed(std::string_view bytes) {
  if (abandoned_ || failed_) return fail(Code::unavailable, "HTTP/2 connection is closed");
  std::size_t position = 0;
  std::size_t received = 0;
  while (server && position < bytes.size()) {
    const StreamGuard::Suspect suspect = guard_.scan(bytes, position);
    if (!suspect.found) break;
    OUT_CHECK(receive(bytes.substr(received, suspect.offset - received)));
    received = suspect.offset;
    check_suspect(suspect);
  }
  OUT_CHECK(receive(bytes.substr(received)));
  if (server && nghttp2_session_get_outbound_queue_size(session) > settings.frames_waiting_max) {
    give_up(ErrorCode::enhance_your_calm);
    return fail(Code::unavailable, "HTTP/2 peer makes more frames necessary than it reads");
  }
  return {};
}

Result<void> Core::receive(std::string_view bytes) {
  if (bytes.empty()) return {};
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session, data, bytes.size());
  guard_.processed();
  if (taken == NGHTTP2_ERR_FLOODED) {
    give_up(ErrorCode::enhance_your_calm);
    return fail(Code::unavailable, "HTTP/2 peer floods the connection with frames to answer");
  }
  if (taken < 0) {
    give_up(ErrorCode::protocol_error);
    return fail(Code::unavailable,
                std::string("HTTP/2 connection: ") + nghttp2_strerror(static_cast<int>(taken)));
  }
  return {};
}

void Core::check_suspect(const StreamGuard::Suspect& suspect) {
  if (find(suspect.id) != nullptr) return;  // Open: nghttp2 judges.
  switch (guard_.ending_of(suspect.id)) {
    case StreamGuard::Ending::none: break;
    case StreamGuard::Ending::ended:
      terminate(ErrorCode::stream_closed, "frame on a closed stream");
      break;
    case StreamGuard::Ending::skipped:
      terminate(ErrorCode::protocol_error, "stream id below an older one");
      break;
    case StreamGuard::Ending::reset:
      count_reset();
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, suspect.id, NGHTTP2_STREAM_CLOSED);
      break;
  }
}

std::size_t Core::pull(std::string& to, std::size_t bytes_max) {
  const std::size_t start = to.size();
  if (abandoned_) return 0;
  report_late();
  out = &to;
  out_full = start + std::max<std::size_t>(bytes_max, 1);
  while (!failed_ && to.size() < out_full) {
    const std::size_t before = to.size();
    const std::uint8_t* frame = nullptr;
    const ssize_t bytes = nghttp2_session_mem_send(session, &frame);
    if (bytes < 0) {
      give_up(ErrorCode::internal_error);
      break;
    }
    to.append(reinterpret_cast<const char*>(frame), static_cast<std::size_t>(bytes));
    if (to.size() == before) break;
  }
  out = nullptr;
  to.append(last_words_);
  last_words_.clear();
  return to.size() - start;
}

bool Core::wants_write() const noexcept {
  if (abandoned_) return false;
  if (!last_words_.empty() || !late_.empty()) return true;
  return !failed_ && nghttp2_session_want_write(session) != 0;
}

bool Core::done() const noexcept {
  if (abandoned_) return true;
  if (wants_write()) return false;
  return failed_ || nghttp2_session_want_read(session) == 0;
}

void Core::abandon(ErrorCode code) {
  if (abandoned_) return;
  abandoned_ = true;
  late_.clear();
  for (StreamState* stream = first_; stream != nullptr; stream = stream->next) {
    report_closed(*stream, code);
  }
}

void Core::report_closed(StreamState& stream, ErrorCode code) {
  if (!stream.announced) return;
  stream.announced = false;
  stream.silenced = true;
  stream.source = nullptr;
  --open;
  handler.on_closed(stream, code);
}

void Core::report_late() {
  // The handler may reset further requests meanwhile.
  while (!late_.empty()) {
    const Late late = late_.back();
    late_.pop_back();
    report_closed(*late.stream, late.code);
  }
}

void Core::resume(StreamState& stream) {
  if (abandoned_ || failed_ || stream.silenced) return;
  // An error says that the stream was not waiting, which is fine.
  nghttp2_session_resume_data(session, stream.id());
}

void Core::consume(StreamState& stream, std::size_t bytes) {
  bytes = std::min(bytes, stream.unconsumed);
  stream.unconsumed -= bytes;
  unconsumed -= bytes;
  if (abandoned_ || failed_ || bytes == 0) return;
  // Fails only out of memory, which ends the process anyway.
  nghttp2_session_consume(session, stream.id(), bytes);
}

void Core::reset(StreamState& stream, ErrorCode code) {
  if (abandoned_ || stream.reset_by_us) return;
  stream.silenced = true;
  stream.reset_by_us = true;
  stream.source = nullptr;
  if (failed_) return;
  const auto number = static_cast<std::uint32_t>(code);
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id(), number);
  // A request behind the peer's stream limit may wait there for long: do not wait with it.
  if (!server && !stream.opened) late_.push_back({&stream, code});
}

void Core::shutdown_notice() {
  if (!abandoned_ && !failed_ && server) nghttp2_submit_shutdown_notice(session);
}

void Core::goaway(ErrorCode code, std::string_view debug) {
  if (abandoned_ || failed_) return;
  const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session);
  nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, last, static_cast<std::uint32_t>(code),
                        reinterpret_cast<const std::uint8_t*>(debug.data()), debug.size());
}

void Core::terminate(ErrorCode code, std::string_view debug) {
  if (abandoned_ || failed_ || std::exchange(terminated_, true)) return;
  // nghttp2 copies debug data as far as a frame has room for it.
  const std::int32_t last = nghttp2_session_get_last_proc_stream_id(session);
  const auto number = static_cast<std::uint32_t>(code);
  if (!debug.empty()) {
    nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, last, number,
                          reinterpret_cast<const std::uint8_t*>(debug.data()), debug.size());
  }
  nghttp2_session_terminate_session2(session, last, number);
}

void Core::ping(std::uint64_t opaque) {
  if (abandoned_ || failed_) return;
  std::uint8_t bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(opaque >> (56 - 8 * i));
  nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, bytes);
}

bool Core::takes_requests() const noexcept {
  return !server && !abandoned_ && !failed_ && nghttp2_session_check_request_allowed(session) != 0;
}

std::uint32_t Core::peer_concurrent_streams_max() const noexcept {
  return nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

}  // namespace outrigger::net::http2
