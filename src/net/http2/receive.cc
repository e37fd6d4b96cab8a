#include <nghttp2/nghttp2.h>

#include "net/http2/core.h"

namespace outrigger::net::http2 {
namespace {

// What a field costs beside its text (RFC 9113, section 6.5.2).
constexpr std::size_t kFieldOverhead = 32;
// One allocation each for the usual head of a gRPC call.
constexpr std::size_t kUsualFields = 16;
constexpr std::size_t kUsualFieldBytes = 512;

Core& core_of(void* user) noexcept { return *static_cast<Core*>(user); }

std::string_view view(const std::uint8_t* bytes, std::size_t size) noexcept {
  return {reinterpret_cast<const char*>(bytes), size};
}

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  Core& core = core_of(user);
  if (core.server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    core.begin_request(frame->hd.stream_id);
    return 0;
  }
  core.receiving = core.find(frame->hd.stream_id);
  if (core.receiving != nullptr) {
    core.receiving->fields.clear();
    core.receiving->field_bytes = 0;
  }
  return 0;
}

int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
              std::size_t name_bytes, const std::uint8_t* value, std::size_t value_bytes,
              std::uint8_t, void* user) {
  Core& core = core_of(user);
  if (core.receiving != nullptr) {
    core.field(*core.receiving, view(name, name_bytes), view(value, value_bytes));
  }
  return 0;
}

// Leaving out a field in silence would change the message; nghttp2 resets the stream instead.
int on_invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                      const std::uint8_t*, std::size_t, std::uint8_t, void*) {
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int on_data_chunk(nghttp2_session* session, std::uint8_t, std::int32_t id,
                  const std::uint8_t* bytes, std::size_t size, void* user) {
  Core& core = core_of(user);
  StreamState* stream = core.find(id);
  if (stream == nullptr) {
    nghttp2_session_consume(session, id, size);
    return 0;
  }
  core.data(*stream, view(bytes, size));
  return 0;
}

void on_settings_or_ping(Core& core, const nghttp2_frame* frame) {
  const bool answer = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
  if (frame->hd.type == NGHTTP2_SETTINGS) {
    if (answer) return;
    core.idle_frame();
    core.handler.on_settings();
    return;
  }
  if (!answer) {
    ++core.pings;
    core.handler.on_ping();
    return;
  }
  std::uint64_t opaque = 0;
  for (const std::uint8_t byte : frame->ping.opaque_data) opaque = opaque << 8 | byte;
  core.handler.on_ping_ack(opaque);
}

void on_stream_frame(Core& core, const nghttp2_frame* frame) {
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const bool is_data = frame->hd.type == NGHTTP2_DATA;
  if (is_data && !end && frame->hd.length == frame->data.padlen) core.idle_frame();
  if (is_data && !end) return;
  StreamState* stream = core.find(frame->hd.stream_id);
  if (stream == nullptr) return;
  if (is_data) {
    core.ended(*stream);
  } else {
    core.receiving = nullptr;
    core.headers_complete(*stream, end);
  }
}

int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Core& core = core_of(user);
  switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS: on_stream_frame(core, frame); break;
    case NGHTTP2_PRIORITY: core.idle_frame(); break;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING: on_settings_or_ping(core, frame); break;
    case NGHTTP2_RST_STREAM:
      if (StreamState* stream = core.find(frame->hd.stream_id)) stream->reset_by_peer = true;
      break;
    case NGHTTP2_GOAWAY:
      core.goaway_received(frame->goaway.last_stream_id,
                           static_cast<ErrorCode>(frame->goaway.error_code),
                           view(frame->goaway.opaque_data, frame->goaway.opaque_data_len));
      break;
    default: break;
  }
  return 0;
}

int on_stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  Core& core = core_of(user);
  StreamState* stream = core.find(id);
  if (stream != nullptr) core.closed(*stream, static_cast<ErrorCode>(code));
  return 0;
}

// HTTP/2 lets a client split its cookies; everything behind us expects one field.
void join_cookies(Headers& fields) {
  std::string all;
  for (const Headers::Field field : fields) {
    if (field.name != "cookie") continue;
    if (!all.empty()) all += "; ";
    all += field.value;
  }
  fields.set("cookie", all);
}

}  // namespace

void install_receive_callbacks(nghttp2_session_callbacks* table) {
  nghttp2_session_callbacks_set_on_begin_headers_callback(table, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(table, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(table, on_invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(table, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(table, on_stream_close);
}

Result<void> Core::upgrade(std::string_view http2_settings, RequestHead head,
                           std::string_view body) {
  OUT_ASSERT(server && first_ == nullptr);
  constexpr std::int32_t kUpgradedStream = 1;
  StreamState& stream = make_stream(kUpgradedStream);
  const int upgraded = nghttp2_session_upgrade2(
      session, reinterpret_cast<const std::uint8_t*>(http2_settings.data()), http2_settings.size(),
      head.method == "HEAD" ? 1 : 0, nullptr);
  if (upgraded != 0) {
    recycle(stream);
    return fail(Code::invalid_argument,
                std::string("HTTP2-Settings: ") + nghttp2_strerror(upgraded));
  }
  nghttp2_session_set_stream_user_data(session, kUpgradedStream, &stream);
  guard_.opened(kUpgradedStream);
  stream.headed = true;
  stream.announced = true;
  ++open;
  handler.on_head(stream, std::move(head), body.empty());
  // This body came over HTTP/1.1 and has used no window, so none of it is to be consumed.
  if (!body.empty() && !stream.silenced) handler.on_data(stream, body);
  ended(stream);
  return {};
}

void Core::begin_request(std::int32_t id) {
  StreamState& stream = make_stream(id);
  nghttp2_session_set_stream_user_data(session, id, &stream);
  receiving = &stream;
}

void Core::field(StreamState& stream, std::string_view name, std::string_view value) {
  stream.field_bytes += name.size() + value.size() + kFieldOverhead;
  if (stream.silenced || stream.oversized) return;
  if (stream.field_bytes > settings.header_list_bytes_max) {
    stream.oversized = true;
    stream.fields = Headers();
    return;
  }
  if (name.starts_with(':')) {
    if (!server) {
      // nghttp2 has seen to it that :status is three digits and the only one.
      stream.status = 0;
      for (const char digit : value) stream.status = stream.status * 10 + (digit - '0');
    } else if (name == ":method") {
      stream.request.method = value;
    } else if (name == ":path") {
      stream.request.path = value;
    } else if (name == ":scheme") {
      stream.request.scheme = value;
    } else if (name == ":authority") {
      stream.request.authority = value;
    }
    return;
  }
  if (stream.fields.empty()) stream.fields.reserve(kUsualFields, kUsualFieldBytes);
  if (name == "cookie") ++stream.cookies;
  stream.fields.add(name, value);
}

void Core::headers_complete(StreamState& stream, bool end_stream) {
  if (stream.oversized && !stream.silenced) {
    if (end_stream) stream.remote_ended = true;
    oversized(stream);
    return;
  }
  if (!stream.headed && server) {
    request_complete(stream, end_stream);
  } else if (!stream.headed) {
    response_complete(stream, end_stream);
  }
  if (end_stream) ended(stream);
}

void Core::request_complete(StreamState& stream, bool end_stream) {
  stream.headed = true;
  if (stream.cookies > 1) join_cookies(stream.fields);
  RequestHead head = std::move(stream.request);
  head.headers = std::exchange(stream.fields, Headers());
  if (head.authority.empty()) head.authority = head.headers.value("host");
  stream.announced = true;
  ++open;
  handler.on_head(stream, std::move(head), end_stream);
}

void Core::response_complete(StreamState& stream, bool end_stream) {
  ResponseHead head{.status = stream.status, .headers = std::exchange(stream.fields, Headers())};
  stream.headed = head.status >= 200;
  if (stream.silenced) return;
  if (stream.headed) {
    handler.on_head(stream, std::move(head), end_stream);
  } else {
    handler.on_informational(stream, std::move(head));
  }
}

void Core::oversized(StreamState& stream) {
  const bool answer =
      server && !stream.headed && settings.oversized_head == OversizedHead::answer_431;
  if (answer && respond(stream, 431, Headers(), Body::none())) {
    stream.silenced = true;
  } else {
    reset(stream, ErrorCode::frame_size_error);
  }
}

void Core::data(StreamState& stream, std::string_view bytes) {
  if (stream.silenced || !stream.announced) {
    nghttp2_session_consume(session, stream.id(), bytes.size());
    return;
  }
  stream.unconsumed += bytes.size();
  unconsumed += bytes.size();
  handler.on_data(stream, bytes);
}

void Core::ended(StreamState& stream) {
  stream.remote_ended = true;
  if (stream.silenced || !stream.announced) return;
  handler.on_end(stream, std::exchange(stream.fields, Headers()));
}

void Core::closed(StreamState& stream, ErrorCode code) {
  if (server && !stream.reset_by_us) {
    // Resets that the peer sends, and those that its offences make nghttp2 send.
    if (code != ErrorCode::no_error || stream.reset_by_peer) count_reset();
    if (stream.reset_by_peer) {
      guard_.closed(stream.id(), StreamGuard::Ending::reset);
    } else if (stream.remote_ended) {
      guard_.closed(stream.id(), StreamGuard::Ending::ended);
    }
  }
  // Nothing is left for the handler to return: done twice, it would outgrow what the peer has sent
  // until nghttp2 calls that an offence of the peer.
  const std::size_t returned = std::exchange(stream.unconsumed, 0);
  unconsumed -= returned;
  if (returned > 0) nghttp2_session_consume_connection(session, returned);
  report_closed(stream, code);
  recycle(stream);
}

void Core::goaway_received(std::int32_t last_stream, ErrorCode code, std::string_view debug) {
  handler.on_goaway(last_stream, code, debug);
  if (server) return;
  // nghttp2 ends the sent ones above `last_stream`; those still waiting would wait on.
  for (StreamState* stream = first_; stream != nullptr; stream = stream->next) {
    if (!stream->opened) report_closed(*stream, ErrorCode::refused_stream);
  }
}

void Core::count_reset() {
  if (!resets_.take(settings.now())) {
    terminate(ErrorCode::enhance_your_calm, "too many streams are reset");
  }
}

void Core::idle_frame() {
  if (!idle_frames_.take(settings.now())) {
    terminate(ErrorCode::enhance_your_calm, "too many frames without content");
  }
}

}  // namespace outrigger::net::http2
