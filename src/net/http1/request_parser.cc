#include "net/http1/request_parser.h"

#include <cstring>

#include "net/http1/chars.h"
#include "net/uri.h"

namespace outrigger::net::http1 {
namespace {

std::unexpected<Error> bad(int status, std::string_view what) {
  return bad_message(Side::request, status, what);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
  return text.size() >= prefix.size() && iequals(text.substr(0, prefix.size()), prefix);
}

// The minor version that a request line ends with: `text` begins behind the second space and goes
// on to the end of the head.
Result<std::uint8_t> parse_version(std::string_view text) {
  if (text.starts_with("HTTP/1.1\r\n")) return std::uint8_t{1};
  if (text.starts_with("HTTP/1.0\r\n")) return std::uint8_t{0};
  const std::string_view version = text.substr(0, text.find("\r\n"));
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) &&
      version[6] == '.' && is_digit(version[7])) {
    return bad(505, "HTTP version not supported " + quoted(version));
  }
  return bad(400, "invalid HTTP version " + quoted(version));
}

// RFC 9112, section 6.1: what cannot be decoded is 501, what cannot be delimited is 400.
Result<void> check_transfer_encoding(const Controls& controls, int minor_version) {
  const std::string_view coding = controls.transfer_encoding;
  if (minor_version == 0) return bad(400, "Transfer-Encoding in an HTTP/1.0 request");
  if (controls.content_lengths != 0) {
    return bad(400, "both Transfer-Encoding and Content-Length");
  }
  if (controls.transfer_encodings > 1) return bad(400, "more than one Transfer-Encoding");
  if (iequals(coding, "chunked")) return {};
  const std::size_t comma = coding.rfind(',');
  const std::string_view last =
      trim_blanks(coding.substr(comma == std::string_view::npos ? 0 : comma + 1));
  if (comma != std::string_view::npos && !iequals(last, "chunked")) {
    return bad(400, "chunked is not the final Transfer-Encoding in " + quoted(coding));
  }
  return bad(501, "unsupported Transfer-Encoding " + quoted(coding));
}

}  // namespace

RequestParser::RequestParser(Limits limits) : limits_(limits), body_(Side::request, limits) {}

Result<Event> RequestParser::next(std::string_view& input) {
  if (state_ == State::failed) return bad(400, "bytes after an error");
  Result<Event> event = state_ == State::head ? read_head(input) : body_.next(input);
  if (!event) {
    state_ = State::failed;
  } else if (event->kind == Event::Kind::end) {
    state_ = State::head;
    skipped_line_ = false;
  }
  return event;
}

Result<Event> RequestParser::read_head(std::string_view& input) {
  // RFC 9112, section 2.2: one empty line before a request is ignored; some clients end a body so.
  if (!skipped_line_ && scanner_.size() == 0 && input.starts_with('\r')) {
    if (input.size() == 1) return Event{};
    if (input[1] != '\n') return bad(400, "a bare CR before the request line");
    input.remove_prefix(2);
    skipped_line_ = true;
  }
  if (input.empty()) return Event{};
  // Says no to TLS and other strangers at their first byte, instead of waiting for a line end.
  if (!is_token_char(input.front())) {
    return bad(400, "a request cannot begin with " + quoted(input.substr(0, 1)));
  }
  switch (scanner_.scan(input, limits_.head_bytes_max)) {
    case BlockScanner::State::incomplete: return Event{};
    case BlockScanner::State::too_large:
      if (scanner_.lines() == 0) return bad(414, "request line too long");
      return bad(431,
                 "the head is larger than " + std::to_string(limits_.head_bytes_max) + " bytes");
    case BlockScanner::State::bare_line_feed:
      return bad(400, "a line of the head ends in a bare LF");
    case BlockScanner::State::complete: break;
  }
  OUT_CHECK(parse_head(input.substr(0, scanner_.size())));
  input.remove_prefix(scanner_.size());
  scanner_.reset();
  body_.begin(head_.framing, head_.content_length);
  state_ = State::body;
  return Event{Event::Kind::head, {}};
}

Result<void> RequestParser::parse_head(std::string_view block) {
  head_.headers.clear();
  head_.authority.clear();
  head_.scheme.clear();
  head_.headers.reserve(scanner_.lines(), block.size());
  OUT_TRY(const std::size_t line, parse_request_line(block));
  OUT_TRY(const Controls controls, parse_fields(block.substr(line), Side::request, Section::head,
                                                limits_.fields_max, head_.headers));
  return apply(controls);
}

// The bytes of the request line with its CRLF.
Result<std::size_t> RequestParser::parse_request_line(std::string_view block) {
  const char* const end = block.data() + block.size();
  const char* at = block.data();
  while (is_token_char(*at)) ++at;  // The CRLF that ends the block is no token.
  const std::string_view method(block.data(), static_cast<std::size_t>(at - block.data()));
  if (*at != ' ') {
    return bad(400, "invalid character in the method " + quoted({block.data(), method.size() + 1}));
  }
  const char* const target_start = ++at;
  at = find_control(at, end, 0x21);
  const std::string_view target(target_start, static_cast<std::size_t>(at - target_start));
  if (target.empty()) return bad(400, "more than one space in the request line, or no target");
  if (*at == '\r') return bad(400, "a request line without an HTTP version");
  if (*at != ' ') return bad(400, "a control character in the request target");
  if (target.size() > limits_.target_bytes_max) {
    return bad(414, "the request target is longer than " +
                        std::to_string(limits_.target_bytes_max) + " bytes");
  }
  ++at;
  OUT_TRY(head_.minor_version, parse_version({at, static_cast<std::size_t>(end - at)}));
  head_.method = method;
  OUT_CHECK(take_target(target));
  constexpr std::size_t kVersionBytes = 10;
  return static_cast<std::size_t>(at - block.data()) + kVersionBytes;
}

Result<void> RequestParser::take_target(std::string_view target) {
  if (std::memchr(target.data(), '#', target.size()) != nullptr) {
    return bad(400, "a fragment in the request target");
  }
  if (head_.method == "CONNECT") {
    const auto parts = split_authority(target);
    if (!parts || parts->host.empty() || !parts->port) {
      return bad(400, "CONNECT needs host:port, not " + quoted(target));
    }
    head_.target = target;
    head_.authority = target;
    return {};
  }
  if (target.front() == '/') {
    head_.target = target;
    return {};
  }
  if (target == "*") {
    if (head_.method != "OPTIONS") return bad(400, "the target * is for OPTIONS only");
    head_.target = target;
    return {};
  }
  return take_absolute_target(target);
}

Result<void> RequestParser::take_absolute_target(std::string_view target) {
  std::size_t skip = 0;
  if (starts_with_ignoring_case(target, "http://")) {
    head_.scheme = "http";
    skip = 7;
  } else if (starts_with_ignoring_case(target, "https://")) {
    head_.scheme = "https";
    skip = 8;
  } else {
    return bad(400, "invalid request target " + quoted(target));
  }
  const std::string_view rest = target.substr(skip);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  const auto parts = split_authority(authority);
  if (!parts || parts->host.empty()) {
    return bad(400, "invalid host in the request target " + quoted(target));
  }
  head_.authority = authority;
  const std::string_view path = rest.substr(authority_end);
  if (path.empty()) {
    head_.target = head_.method == "OPTIONS" ? "*" : "/";
  } else {
    head_.target.clear();
    if (path.front() == '?') head_.target = "/";
    head_.target += path;
  }
  return {};
}

Result<void> RequestParser::apply(const Controls& controls) {
  OUT_CHECK(apply_host(controls));
  OUT_CHECK(apply_framing(controls));
  const bool is_1_1 = head_.minor_version == 1;
  head_.keep_alive = !controls.close && (is_1_1 || controls.keep_alive);
  head_.upgrade = is_1_1 && controls.upgrade_option && controls.upgrade_field;
  head_.expect_continue = false;
  // RFC 9110, section 10.1.1: it means nothing in HTTP/1.0, and must not begin to when sent on.
  if (controls.expects != 0 && !is_1_1) head_.headers.remove("Expect");
  if (controls.expects != 0 && is_1_1) {
    if (controls.expects > 1 || !iequals(controls.expect, "100-continue")) {
      return bad(417, "unknown expectation " + quoted(controls.expect));
    }
    head_.expect_continue = head_.framing == Framing::chunked || head_.content_length != 0;
  }
  return {};
}

Result<void> RequestParser::apply_host(const Controls& controls) {
  if (controls.hosts > 1) return bad(400, "more than one Host header");
  if (controls.hosts == 0) {
    if (head_.minor_version == 1) return bad(400, "missing required Host header");
    return {};
  }
  if (!split_authority(controls.host)) {
    return bad(400, "malformed Host header " + quoted(controls.host));
  }
  if (head_.authority.empty()) {
    head_.authority = controls.host;
  } else if (head_.authority != controls.host) {
    // RFC 9112, section 3.2.2: the target wins, and nobody behind us may see another host.
    head_.headers.set("Host", head_.authority);
  }
  return {};
}

Result<void> RequestParser::apply_framing(const Controls& controls) {
  head_.content_length = 0;
  if (controls.transfer_encodings != 0) {
    OUT_CHECK(check_transfer_encoding(controls, head_.minor_version));
    head_.framing = Framing::chunked;
  } else if (controls.content_lengths != 0) {
    head_.framing = Framing::length;
    head_.content_length = controls.content_length;
  } else {
    head_.framing = Framing::none;
  }
  return {};
}

}  // namespace outrigger::net::http1
