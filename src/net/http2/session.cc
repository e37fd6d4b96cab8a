#include "net/http2/session.h"

#include "net/http2/core.h"

namespace outrigger::net::http2 {
namespace {

// Every stream the session hands out is one of its own.
StreamState& state_of(Stream& stream) noexcept { return static_cast<StreamState&>(stream); }

}  // namespace

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::no_error: return "NO_ERROR";
    case ErrorCode::protocol_error: return "PROTOCOL_ERROR";
    case ErrorCode::internal_error: return "INTERNAL_ERROR";
    case ErrorCode::flow_control_error: return "FLOW_CONTROL_ERROR";
    case ErrorCode::settings_timeout: return "SETTINGS_TIMEOUT";
    case ErrorCode::stream_closed: return "STREAM_CLOSED";
    case ErrorCode::frame_size_error: return "FRAME_SIZE_ERROR";
    case ErrorCode::refused_stream: return "REFUSED_STREAM";
    case ErrorCode::cancel: return "CANCEL";
    case ErrorCode::compression_error: return "COMPRESSION_ERROR";
    case ErrorCode::connect_error: return "CONNECT_ERROR";
    case ErrorCode::enhance_your_calm: return "ENHANCE_YOUR_CALM";
    case ErrorCode::inadequate_security: return "INADEQUATE_SECURITY";
    case ErrorCode::http_1_1_required: return "HTTP_1_1_REQUIRED";
  }
  return "UNKNOWN_ERROR";
}

Code code_of_reset(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::flow_control_error:
    case ErrorCode::enhance_your_calm: return Code::resource_exhausted;
    case ErrorCode::refused_stream: return Code::unavailable;
    case ErrorCode::cancel: return Code::cancelled;
    case ErrorCode::inadequate_security: return Code::permission_denied;
    default: return code <= ErrorCode::http_1_1_required ? Code::internal : Code::unknown;
  }
}

void Handler::on_head(Stream&, RequestHead&&, bool) {}
void Handler::on_head(Stream&, ResponseHead&&, bool) {}
void Handler::on_informational(Stream&, ResponseHead&&) {}
void Handler::on_goaway(std::int32_t, ErrorCode, std::string_view) {}
void Handler::on_ping() {}
void Handler::on_ping_ack(std::uint64_t) {}
void Handler::on_settings() {}

Session::Session(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::server(Handler& handler, const Settings& settings) {
  return Session(std::make_unique<Core>(handler, settings, true));
}

Session Session::client(Handler& handler, const Settings& settings) {
  return Session(std::make_unique<Core>(handler, settings, false));
}

Result<void> Session::upgrade(std::string_view http2_settings, RequestHead head,
                              std::string_view body) {
  return core_->upgrade(http2_settings, std::move(head), body);
}

Result<void> Session::feed(std::string_view bytes) { return core_->feed(bytes); }

std::size_t Session::pull(std::string& out, std::size_t bytes_max) {
  return core_->pull(out, bytes_max);
}

bool Session::wants_write() const noexcept { return core_->wants_write(); }
bool Session::done() const noexcept { return core_->done(); }
void Session::abandon(ErrorCode code) { core_->abandon(code); }

Result<Stream*> Session::request(RequestHead head, Body body) {
  return core_->request(std::move(head), std::move(body));
}

Result<void> Session::respond(Stream& stream, int status, Headers headers, Body body) {
  return core_->respond(state_of(stream), status, std::move(headers), std::move(body));
}

Result<void> Session::inform(Stream& stream, int status, const Headers& headers) {
  return core_->inform(state_of(stream), status, headers);
}

void Session::resume(Stream& stream) { core_->resume(state_of(stream)); }

void Session::consume(Stream& stream, std::size_t bytes) {
  core_->consume(state_of(stream), bytes);
}

void Session::reset(Stream& stream, ErrorCode code) { core_->reset(state_of(stream), code); }
void Session::shutdown_notice() { core_->shutdown_notice(); }

void Session::goaway(ErrorCode code, std::string_view debug) { core_->goaway(code, debug); }

void Session::terminate(ErrorCode code, std::string_view debug) { core_->terminate(code, debug); }

void Session::ping(std::uint64_t opaque) { core_->ping(opaque); }

std::size_t Session::open_streams() const noexcept { return core_->open; }
bool Session::takes_requests() const noexcept { return core_->takes_requests(); }

std::uint32_t Session::peer_concurrent_streams_max() const noexcept {
  return core_->peer_concurrent_streams_max();
}

std::uint64_t Session::pings_received() const noexcept { return core_->pings; }
std::uint64_t Session::data_sent() const noexcept { return core_->data_sent; }
std::size_t Session::unconsumed_bytes() const noexcept { return core_->unconsumed; }

}  // namespace outrigger::net::http2
