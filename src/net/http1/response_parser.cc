#include "net/http1/response_parser.h"

#include "net/http1/chars.h"

namespace outrigger::net::http1 {
namespace {

std::unexpected<Error> bad(std::string_view what) { return bad_message(Side::response, 502, what); }

std::unexpected<Error> cut_off(std::string_view where) {
  return fail(Error(Code::unavailable, "the server closed the connection " + std::string(where))
                  .with_http_status(502));
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

}  // namespace

ResponseParser::ResponseParser(Limits limits) : limits_(limits), body_(Side::response, limits) {}

void ResponseParser::start(std::string_view request_method) {
  OUT_ASSERT(state_ == State::idle || state_ == State::failed);
  if (state_ == State::failed) return;
  method_ = request_method == "HEAD"      ? Method::head
            : request_method == "CONNECT" ? Method::connect
                                          : Method::other;
  informational_ = 0;
  scanner_.reset();
  state_ = State::head;
}

Result<Event> ResponseParser::next(std::string_view& input) {
  Result<Event> event = step(input);
  if (!event) {
    state_ = State::failed;
  } else if (event->kind == Event::Kind::end) {
    state_ = State::idle;
  }
  return event;
}

Result<Event> ResponseParser::step(std::string_view& input) {
  switch (state_) {
    case State::idle:
      if (input.empty()) return Event{};
      return bad("bytes before any request " + quoted(input));
    case State::head: return read_head(input);
    case State::body: return body_.next(input);
    case State::failed: break;
  }
  return bad("bytes after an error");
}

Result<Event> ResponseParser::finish(std::string_view unconsumed) {
  const State before = state_;
  if (before == State::idle && unconsumed.empty()) return Event{};
  state_ = State::failed;
  if (before == State::body && body_.ends_at_close() && unconsumed.empty()) {
    state_ = State::idle;
    return Event{Event::Kind::end, {}};
  }
  if (before == State::body) return cut_off("in the middle of a response body");
  if (before == State::idle) return bad("bytes before any request " + quoted(unconsumed));
  if (before == State::failed) return bad("the connection ended after an error");
  if (unconsumed.empty()) return cut_off("before it answered");
  return cut_off("in the middle of a response head");
}

Result<Event> ResponseParser::read_head(std::string_view& input) {
  if (input.empty()) return Event{};
  if (input.front() != 'H')
    return bad("a response cannot begin with " + quoted(input.substr(0, 1)));
  switch (scanner_.scan(input, limits_.head_bytes_max)) {
    case BlockScanner::State::incomplete: return Event{};
    case BlockScanner::State::too_large:
      return bad("the head is larger than " + std::to_string(limits_.head_bytes_max) + " bytes");
    case BlockScanner::State::bare_line_feed:  // Not of this scanner.
    case BlockScanner::State::complete: break;
  }
  const std::size_t size = scanner_.size();
  std::string_view block = input.substr(0, size);
  std::string regular;
  if (scanner_.irregular()) {
    regular = regular_lines(block);
    block = regular;
  }
  head_.headers.clear();
  head_.headers.reserve(scanner_.lines(), block.size());
  OUT_TRY(const std::size_t line, parse_status_line(block));
  OUT_TRY(const Controls controls, parse_fields(block.substr(line), Side::response, Section::head,
                                                limits_.fields_max, head_.headers));
  OUT_CHECK(apply(controls));
  input.remove_prefix(size);
  scanner_.reset();
  if (head_.status < 200 && head_.status != 101) {
    if (++informational_ > limits_.informational_max) return bad("too many 1xx responses");
    return Event{Event::Kind::informational, {}};
  }
  body_.begin(head_.framing, head_.content_length);
  state_ = State::body;
  return Event{Event::Kind::head, {}};
}

// The bytes of the status line with its CRLF. Like Go, takes a line without the space that should
// follow the code when there is no reason, and one with several before the code.
Result<std::size_t> ResponseParser::parse_status_line(std::string_view block) {
  const std::size_t size = block.find("\r\n");
  const std::string_view line = block.substr(0, size);
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const bool version = line.size() > kVersion.size() && line.starts_with("HTTP/") &&
                       is_digit(line[5]) && line[5] != '0' && line[6] == '.' && is_digit(line[7]) &&
                       line[8] == ' ';
  if (!version) return bad("invalid version in the status line " + quoted(line));
  const std::string_view code = line.substr(std::min(line.find_first_not_of(' ', 8), size));
  constexpr std::size_t kDigits = 3;
  if (code.size() < kDigits || !is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2]) ||
      code[0] == '0' || (code.size() > kDigits && code[kDigits] != ' ')) {
    return bad("invalid status code in the status line " + quoted(line));
  }
  if (!is_text(line)) return bad("a control character in the status line " + quoted(line));
  head_.minor_version = line.starts_with("HTTP/1.0") ? 0 : 1;
  head_.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
  head_.reason = code.size() > kDigits ? code.substr(kDigits + 1) : std::string_view();
  return size + 2;
}

// RFC 9112, section 6.3.
Result<void> ResponseParser::apply(const Controls& controls) {
  const bool is_1_1 = head_.minor_version == 1;
  const bool tunnel = method_ == Method::connect && head_.status / 100 == 2;
  if (head_.status == 101 && !controls.upgrade_field) return bad("101 without an Upgrade header");
  head_.upgrade = head_.status == 101 || tunnel;
  head_.keep_alive = !controls.close && (is_1_1 || controls.keep_alive) && !head_.upgrade;
  head_.framing = Framing::none;
  head_.content_length = 0;
  if (controls.content_lengths > 1) {
    head_.headers.set("Content-Length", std::to_string(controls.content_length));
  }
  if (controls.transfer_encodings != 0) {
    OUT_CHECK(apply_transfer_encoding(controls));
  }
  if (method_ == Method::head || tunnel || head_.status / 100 == 1 || head_.status == 204 ||
      head_.status == 304) {
    head_.framing = Framing::none;
    return {};
  }
  if (controls.transfer_encodings != 0) return {};
  if (controls.content_lengths != 0) {
    head_.framing = Framing::length;
    head_.content_length = controls.content_length;
    return {};
  }
  head_.framing = Framing::until_close;
  head_.keep_alive = false;
  return {};
}

Result<void> ResponseParser::apply_transfer_encoding(const Controls& controls) {
  if (head_.minor_version == 0) return bad("Transfer-Encoding in an HTTP/1.0 response");
  if (controls.transfer_encodings > 1 || !iequals(controls.transfer_encoding, "chunked")) {
    return bad("unsupported Transfer-Encoding " + quoted(controls.transfer_encoding));
  }
  if (controls.content_lengths != 0) {
    head_.headers.remove("Content-Length");
    head_.keep_alive = false;
  }
  head_.framing = Framing::chunked;
  return {};
}

}  // namespace outrigger::net::http1
