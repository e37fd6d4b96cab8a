#include "net/http1/fields.h"

#include <cstring>

#include "net/http1/chars.h"

namespace outrigger::net::http1 {
namespace {

constexpr std::uint64_t kContentLengthMax = 0x7fffffffffffffff;

bool parse_length(std::string_view text, std::uint64_t& length) noexcept {
  if (text.empty()) return false;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (kContentLengthMax - digit) / 10) return false;
    value = value * 10 + digit;
  }
  length = value;
  return true;
}

void note_connection(std::string_view value, Controls& controls) noexcept {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view option = trim_blanks(value.substr(0, comma));
    controls.close |= iequals(option, "close");
    controls.keep_alive |= iequals(option, "keep-alive");
    controls.upgrade_option |= iequals(option, "upgrade");
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
  }
}

Result<void> note_length(std::string_view value, Side side, Controls& controls) {
  std::uint64_t length = 0;
  if (!parse_length(value, length)) {
    return bad_message(side, 400, "invalid Content-Length " + quoted(value));
  }
  if (controls.content_lengths++ == 0) {
    controls.content_length = length;
    return {};
  }
  // A server that repeats itself is harmless; a client that does is probing.
  if (side == Side::request) return bad_message(side, 400, "more than one Content-Length");
  if (length == controls.content_length) return {};
  return bad_message(side, 400, "Content-Length fields that differ");
}

Result<void> note_field(std::string_view name, std::string_view value, Side side,
                        Controls& controls) {
  switch (name.size()) {
    case 4:
      if (iequals(name, "host") && controls.hosts++ == 0) controls.host = value;
      break;
    case 6:
      if (iequals(name, "expect") && controls.expects++ == 0) controls.expect = value;
      break;
    case 7: controls.upgrade_field |= iequals(name, "upgrade"); break;
    case 10:
      if (iequals(name, "connection")) note_connection(value, controls);
      break;
    case 14:
      if (iequals(name, "content-length")) return note_length(value, side, controls);
      break;
    case 17:
      if (iequals(name, "transfer-encoding") && controls.transfer_encodings++ == 0) {
        controls.transfer_encoding = value;
      }
      break;
    default: break;
  }
  return {};
}

std::unexpected<Error> bad_name(std::string_view line, std::size_t length, Side side) {
  const char stop = line[length];
  if (length == 0 && is_blank(stop)) {
    return bad_message(side, 400, "a folded header line (obs-fold), or space before a name");
  }
  const std::string_view name = line.substr(0, length);
  if (is_blank(stop))
    return bad_message(side, 400, "space in or after header name " + quoted(name));
  if (length == 0 && stop == ':') return bad_message(side, 400, "an empty header name");
  if (stop == '\r') return bad_message(side, 400, "a header line without a colon " + quoted(name));
  return bad_message(side, 400,
                     "an invalid character in header name " + quoted(line.substr(0, length + 1)));
}

}  // namespace

std::unexpected<Error> bad_message(Side side, int status, std::string_view what) {
  if (side == Side::response) {
    return fail(Error(Code::internal, "malformed HTTP response: " + std::string(what))
                    .with_http_status(502));
  }
  const Code code = status == 431 || status == 413 ? Code::resource_exhausted
                    : status == 501                ? Code::unimplemented
                                                   : Code::invalid_argument;
  return fail(Error(code, "malformed HTTP request: " + std::string(what)).with_http_status(status));
}

std::string quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  constexpr std::size_t kShown = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out.append("\\x").append({kDigits[byte >> 4], kDigits[byte & 15]});
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += text.size() > kShown ? "...\"" : "\"";
  return out;
}

BlockScanner::State BlockScanner::scan(std::string_view input, std::size_t bytes_max) noexcept {
  OUT_ASSERT(input.size() >= scanned_);
  const std::string_view window = input.substr(0, bytes_max);
  while (scanned_ < window.size()) {
    const void* found = std::memchr(window.data() + scanned_, '\n', window.size() - scanned_);
    if (found == nullptr) {
      scanned_ = window.size();
      break;
    }
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - window.data());
    const bool bare = at == line_start_ || window[at - 1] != '\r';
    if (bare && ends_ == Ends::crlf) return State::bare_line_feed;
    irregular_ |= bare || is_blank(window[line_start_]);
    scanned_ = at + 1;
    if (at - line_start_ == (bare ? 0 : 1)) return State::complete;
    line_start_ = at + 1;
    ++lines_;
  }
  return scanned_ >= bytes_max ? State::too_large : State::incomplete;
}

std::string regular_lines(std::string_view block) {
  std::string out;
  out.reserve(block.size() + block.size() / 8);
  std::size_t lines = 0;
  while (!block.empty()) {
    const std::size_t size = block.find('\n');
    std::string_view line = block.substr(0, size);
    block.remove_prefix(size + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    // What follows the start line has nothing to be joined to, and is left to the parser to refuse.
    if (lines++ > 1 && !line.empty() && is_blank(line.front())) {
      out.resize(out.size() - 2);
      while (is_blank(out.back())) out.pop_back();
      out.append(" ").append(trim_blanks(line)).append("\r\n");
    } else {
      out.append(line).append("\r\n");
    }
  }
  return out;
}

Result<Controls> parse_fields(std::string_view block, Side side, Section section,
                              std::size_t fields_max, Headers& headers) {
  Controls controls;
  const char* at = block.data();
  const char* const end = at + block.size();
  std::size_t fields = 0;
  // The scanner promised a CRLF at the end, which is no name and no text: the scans stop there.
  while (*at != '\r') {
    const char* const line = at;
    while (is_token_char(*at)) ++at;
    const std::string_view name(line, static_cast<std::size_t>(at - line));
    if (name.empty() || *at != ':') {
      return bad_name({line, static_cast<std::size_t>(end - line)}, name.size(), side);
    }
    ++at;
    while (is_blank(*at)) ++at;
    const char* const value_start = at;
    at = find_non_text(at, end);
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n') {
      return bad_message(side, 400, "a control character in the value of " + quoted(name));
    }
    const char* value_end = at;
    while (value_end != value_start && is_blank(value_end[-1])) --value_end;
    at += 2;
    const std::string_view value(value_start, static_cast<std::size_t>(value_end - value_start));
    if (++fields > fields_max) {
      return bad_message(side, 431, "more than " + std::to_string(fields_max) + " header fields");
    }
    if (section == Section::trailers) {
      if (is_forbidden_trailer(name)) {
        return bad_message(side, 400, "field " + quoted(name) + " is not allowed in trailers");
      }
    } else {
      OUT_CHECK(note_field(name, value, side, controls));
    }
    headers.add(name, value);
  }
  if (end - at != 2 || at[1] != '\n') return bad_message(side, 400, "a bare CR in the header");
  return controls;
}

bool is_forbidden_trailer(std::string_view name) noexcept {
  constexpr std::string_view kNames[] = {"content-length", "transfer-encoding", "host",
                                         "connection",     "trailer",           "te",
                                         "expect",         "upgrade",           "content-encoding",
                                         "content-type",   "authorization"};
  for (const std::string_view forbidden : kNames) {
    if (iequals(name, forbidden)) return true;
  }
  return false;
}

}  // namespace outrigger::net::http1
