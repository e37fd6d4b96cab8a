#include <nghttp2/nghttp2.h>

#include "base/strings.h"
#include "net/http2/core.h"

namespace outrigger::net::http2 {
namespace {

Core& core_of(void* user) noexcept { return *static_cast<Core*>(user); }

std::uint8_t* raw(std::string_view text) noexcept {
  // nghttp2_nv is not const-correct; nothing is written through it.
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

constexpr std::uint8_t kNoCopy = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;

nghttp2_nv pair(std::string_view name, std::string_view value, std::uint8_t flags) {
  return {raw(name), raw(value), name.size(), value.size(), flags};
}

enum class NameKind : std::uint8_t { invalid, lower, mixed };

// A token of RFC 9110, section 5.6.2.
constexpr auto kNameKinds = [] {
  std::array<NameKind, 256> kinds{};
  for (int c = 'a'; c <= 'z'; ++c) kinds[static_cast<std::size_t>(c)] = NameKind::lower;
  for (int c = '0'; c <= '9'; ++c) kinds[static_cast<std::size_t>(c)] = NameKind::lower;
  for (int c = 'A'; c <= 'Z'; ++c) kinds[static_cast<std::size_t>(c)] = NameKind::mixed;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    kinds[static_cast<std::uint8_t>(c)] = NameKind::lower;
  }
  return kinds;
}();

NameKind name_kind(std::string_view name) noexcept {
  if (name.empty()) return NameKind::invalid;
  NameKind whole = NameKind::lower;
  for (const char c : name) {
    const NameKind kind = kNameKinds[static_cast<std::uint8_t>(c)];
    if (kind == NameKind::invalid) return kind;
    if (kind == NameKind::mixed) whole = kind;
  }
  return whole;
}

bool valid_value(std::string_view value) noexcept {
  for (const char c : value) {
    const auto byte = static_cast<std::uint8_t>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
  }
  return true;
}

// Fields that speak of one HTTP/1.1 connection (RFC 9113, section 8.2.2).
bool connection_specific(const Headers::Field& field) noexcept {
  switch (field.name.size()) {
    case 2: return iequals(field.name, "te") && !iequals(trim(field.value), "trailers");
    case 4: return iequals(field.name, "host");
    case 7: return iequals(field.name, "upgrade");
    case 10: return iequals(field.name, "connection") || iequals(field.name, "keep-alive");
    case 14: return iequals(field.name, "http2-settings");
    case 16: return iequals(field.name, "proxy-connection");
    case 17: return iequals(field.name, "transfer-encoding");
    default: return false;
  }
}

// Collects a header block. The array is kept between calls: one thread runs one loop, and a block
// is submitted before the next is begun.
class Block {
 public:
  Block() { pairs().clear(); }
  void pseudo(std::string_view name, std::string_view value, std::uint8_t flags = kNoCopy) {
    pairs().push_back(pair(name, value, flags));
  }
  // `flags` kNoCopy: the text outlives the sending. Otherwise nghttp2 copies it.
  Result<void> fields(const Headers& headers, std::uint8_t flags) {
    for (const Headers::Field field : headers) {
      if (connection_specific(field)) continue;
      const NameKind kind = name_kind(field.name);
      if (kind == NameKind::invalid || !valid_value(field.value)) {
        return fail(Code::invalid_argument,
                    "header field " + std::string(field.name) + " cannot be sent over HTTP/2");
      }
      // A copied name is lower-cased by nghttp2.
      const auto copied = static_cast<std::uint8_t>(flags & ~NGHTTP2_NV_FLAG_NO_COPY_NAME);
      pairs().push_back(
          pair(field.name, trim(field.value), kind == NameKind::mixed ? copied : flags));
    }
    return {};
  }
  const nghttp2_nv* data() { return pairs().data(); }
  std::size_t size() { return pairs().size(); }

 private:
  static std::vector<nghttp2_nv>& pairs() {
    thread_local std::vector<nghttp2_nv> collected;
    return collected;
  }
};

Result<void> check(const Headers& headers) {
  for (const Headers::Field field : headers) {
    if (name_kind(field.name) == NameKind::invalid || !valid_value(field.value)) {
      return fail(Code::invalid_argument,
                  "trailer field " + std::string(field.name) + " cannot be sent over HTTP/2");
    }
  }
  return {};
}

enum class Trailers : std::uint8_t { none, submitted, refused };

Trailers submit_trailers(Core& core, StreamState& stream) {
  Block block;
  if (!block.fields(stream.sent_trailers, kNoCopy)) return Trailers::refused;
  if (block.size() == 0) return Trailers::none;
  const int submitted =
      nghttp2_submit_trailer(core.session, stream.id(), block.data(), block.size());
  return submitted == 0 ? Trailers::submitted : Trailers::refused;
}

ssize_t on_read(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t bytes_max,
                std::uint32_t* flags, nghttp2_data_source*, void* user) {
  Core& core = core_of(user);
  StreamState* stream = core.find(id);
  if (stream == nullptr || stream->reset_by_us) return NGHTTP2_ERR_DEFERRED;
  DataSource::Next next;
  if (stream->source != nullptr) {
    next = stream->source->next(bytes_max);
    OUT_ASSERT(next.bytes <= bytes_max);
  } else {
    const std::size_t left = stream->bytes.size() - stream->bytes_sent;
    next = {.bytes = std::min(left, bytes_max), .end = left <= bytes_max};
  }
  if (next.bytes == 0 && !next.end) return NGHTTP2_ERR_DEFERRED;
  *flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (next.end) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->source != nullptr) stream->sent_trailers = stream->source->trailers();
    switch (submit_trailers(core, *stream)) {
      case Trailers::none: break;
      case Trailers::submitted: *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM; break;
      case Trailers::refused:
        // Better an error than a message that looks complete.
        core.reset(*stream, ErrorCode::internal_error);
        return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(next.bytes);
}

int on_send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                 std::size_t bytes, nghttp2_data_source*, void* user) {
  constexpr std::size_t kFrameHeadBytes = 9;
  Core& core = core_of(user);
  std::string& out = *core.out;
  StreamState* stream = core.find(frame->hd.stream_id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  out.append(reinterpret_cast<const char*>(head), kFrameHeadBytes);
  const std::size_t before = out.size();
  if (stream->source != nullptr) {
    if (bytes > 0) stream->source->take(out, bytes);
  } else {
    out.append(stream->bytes, stream->bytes_sent, bytes);
    stream->bytes_sent += bytes;
  }
  OUT_ASSERT(out.size() - before == bytes);
  core.data_sent += bytes;
  // Written as a whole; nghttp2 only stops behind it.
  return out.size() >= core.out_full ? NGHTTP2_ERR_PAUSE : 0;
}

int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  const bool is_head = frame->hd.type == NGHTTP2_HEADERS;
  if (!is_head && frame->hd.type != NGHTTP2_DATA) return 0;
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  Core& core = core_of(user);
  if (!end && (core.server || !is_head)) return 0;
  StreamState* stream = core.find(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  stream->opened = true;
  if (end) core.frame_ended_stream(*stream);
  return 0;
}

}  // namespace

void install_send_callbacks(nghttp2_session_callbacks* table) {
  nghttp2_session_callbacks_set_send_data_callback(table, on_send_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(table, on_frame_sent);
}

void Core::frame_ended_stream(StreamState& stream) {
  stream.local_ended = true;
  if (!server || stream.remote_ended || stream.reset_by_us) return;
  // The response is complete, so the rest of the request is of no use to anyone.
  stream.silenced = true;
  stream.reset_by_us = true;
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream.id(), NGHTTP2_NO_ERROR);
}

Result<Stream*> Core::request(RequestHead head, Body body) {
  if (!takes_requests()) {
    return fail(Code::unavailable, "HTTP/2 connection takes no more requests");
  }
  OUT_CHECK(check(body.trailers));
  if (head.authority.empty()) head.authority = head.headers.value("host");
  for (const std::string* text : {&head.method, &head.scheme, &head.authority, &head.path}) {
    if (!valid_value(*text)) {
      return fail(Code::invalid_argument, "request line cannot be sent over HTTP/2");
    }
  }
  StreamState& stream = make_stream(0);
  stream.request = std::move(head);
  stream.bytes = std::move(body.bytes);
  stream.source = body.source;
  stream.sent_trailers = std::move(body.trailers);
  Block block;
  const RequestHead& sent = stream.request;
  block.pseudo(":method", sent.method);
  if (!sent.scheme.empty()) block.pseudo(":scheme", sent.scheme);
  if (!sent.path.empty()) block.pseudo(":path", sent.path);
  if (!sent.authority.empty()) block.pseudo(":authority", sent.authority);
  if (auto valid = block.fields(sent.headers, kNoCopy); !valid) {
    recycle(stream);
    return fail(std::move(valid).error());
  }
  nghttp2_data_provider provider{.source = {}, .read_callback = on_read};
  const std::int32_t id =
      nghttp2_submit_request(session, nullptr, block.data(), block.size(),
                             body.kind == Body::Kind::none ? nullptr : &provider, &stream);
  if (id < 0) {
    recycle(stream);
    return fail(Code::unavailable, std::string("HTTP/2 request: ") + nghttp2_strerror(id));
  }
  stream.numbered(id);
  stream.announced = true;
  ++open;
  return &stream;
}

Result<void> Core::respond(StreamState& stream, int status, Headers headers, Body body) {
  if (abandoned_ || failed_ || stream.reset_by_us) {
    return fail(Code::unavailable, "HTTP/2 stream is closed");
  }
  OUT_ASSERT(server && !stream.responded && status >= 200 && status <= 999);
  OUT_CHECK(check(body.trailers));
  stream.sent_fields = std::move(headers);
  stream.status_text[0] = static_cast<char>('0' + status / 100);
  stream.status_text[1] = static_cast<char>('0' + status / 10 % 10);
  stream.status_text[2] = static_cast<char>('0' + status % 10);
  Block block;
  block.pseudo(":status", std::string_view(stream.status_text, sizeof stream.status_text));
  OUT_CHECK(block.fields(stream.sent_fields, kNoCopy));
  stream.responded = true;
  stream.bytes = std::move(body.bytes);
  stream.source = body.source;
  stream.sent_trailers = std::move(body.trailers);
  nghttp2_data_provider provider{.source = {}, .read_callback = on_read};
  const int submitted =
      nghttp2_submit_response(session, stream.id(), block.data(), block.size(),
                              body.kind == Body::Kind::none ? nullptr : &provider);
  if (submitted != 0) {
    return fail(Code::internal, std::string("HTTP/2 response: ") + nghttp2_strerror(submitted));
  }
  return {};
}

Result<void> Core::inform(StreamState& stream, int status, const Headers& headers) {
  if (abandoned_ || failed_ || stream.reset_by_us) {
    return fail(Code::unavailable, "HTTP/2 stream is closed");
  }
  OUT_ASSERT(server && !stream.responded && status >= 100 && status <= 199);
  const std::string text = std::to_string(status);
  Block block;
  block.pseudo(":status", text, NGHTTP2_NV_FLAG_NO_COPY_NAME);
  OUT_CHECK(block.fields(headers, NGHTTP2_NV_FLAG_NONE));

  const int submitted = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, stream.id(), nullptr,
                                               block.data(), block.size(), nullptr);
  if (submitted != 0) {
    return fail(Code::internal, std::string("HTTP/2 response: ") + nghttp2_strerror(submitted));
  }
  return {};
}

}  // namespace outrigger::net::http2
