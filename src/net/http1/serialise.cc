#include "net/http1/serialise.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "net/http1/chars.h"
#include "net/http1/fields.h"
#include "net/uri.h"

namespace outrigger::net::http1 {
namespace {

struct Phrase {
  int status;
  std::string_view text;
};

// In Go's words, which clients of upstream have seen; sorted.
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {102, "Processing"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {414, "Request URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {510, "Not Extended"},
    {511, "Network Authentication Required"},
};

// True for the fields that the connection writes, not the message.
bool belongs_to_connection(std::string_view name) noexcept {
  switch (name.size()) {
    case 10: return iequals(name, "connection") || iequals(name, "keep-alive");
    case 14: return iequals(name, "content-length");
    case 16: return iequals(name, "proxy-connection");
    case 17: return iequals(name, "transfer-encoding");
    default: return false;
  }
}

void append_number(std::string& out, std::uint64_t number, int base = 10) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof(digits), number, base).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

// Control characters of a value become spaces; its outer blanks go, for they are no part of it.
void append_neutral_field(std::string& out, std::string_view name, std::string_view value) {
  if (is_text(value)) return append_field(out, name, value);
  std::string neutral(value);
  char* const end = neutral.data() + neutral.size();
  for (char* at = neutral.data(); at != end; ++at) {
    at += find_non_text(at, end) - at;
    if (at == end) break;
    *at = ' ';
  }
  append_field(out, name, trim_blanks(neutral));
}

void append_framing(std::string& out, Framing framing, std::uint64_t length) {
  if (framing == Framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing == Framing::length) {
    out += "Content-Length: ";
    append_number(out, length);
    out += "\r\n";
  }
}

std::size_t estimate(const Headers& headers) {
  std::size_t bytes = 128;
  for (const Headers::Field field : headers) bytes += field.name.size() + field.value.size() + 4;
  return bytes;
}

std::unexpected<Error> unsendable(std::string_view what, std::string_view value) {
  return fail(Code::invalid_argument,
              "cannot send an HTTP request: invalid " + std::string(what) + " " + quoted(value));
}

Result<void> check_request(const RequestLine& line, const Headers& headers) {
  if (!is_token(line.method)) return unsendable("method", line.method);
  const char* const target_end = line.target.data() + line.target.size();
  if (line.target.empty() || find_control(line.target.data(), target_end, 0x21) != target_end ||
      line.target.find('#') != std::string_view::npos) {
    return unsendable("target", line.target);
  }
  if (!split_authority(line.authority)) return unsendable("host", line.authority);
  if (line.framing == Framing::until_close) return unsendable("framing", "until-close");
  if (!is_text(line.connection)) return unsendable("Connection header", line.connection);
  for (const Headers::Field field : headers) {
    if (!is_token(field.name)) return unsendable("header name", field.name);
    if (!is_text(field.value)) return unsendable("value of header", field.name);
  }
  return {};
}

}  // namespace

Result<void> append_request_head(std::string& out, const RequestLine& line,
                                 const Headers& headers) {
  OUT_CHECK(check_request(line, headers));
  out.reserve(out.size() + estimate(headers) + line.target.size() + line.authority.size());
  out.append(line.method).append(" ").append(line.target).append(" HTTP/1.1\r\n");
  append_field(out, "Host", line.authority);
  for (const Headers::Field field : headers) {
    if (belongs_to_connection(field.name) || iequals(field.name, "host")) continue;
    append_field(out, field.name, field.value);
  }
  append_framing(out, line.framing, line.content_length);
  if (!line.connection.empty()) append_field(out, "Connection", line.connection);
  out += "\r\n";
  return {};
}

void append_response_head(std::string& out, const StatusLine& line, const Headers& headers) {
  OUT_ASSERT(line.status >= 100 && line.status <= 999);
  out.reserve(out.size() + estimate(headers));
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(line.status));
  out += ' ';
  const std::string_view reason = line.reason.empty() ? reason_phrase(line.status) : line.reason;
  if (is_text(reason)) out += reason;
  out += "\r\n";
  for (const Headers::Field field : headers) {
    if (belongs_to_connection(field.name) || !is_token(field.name)) continue;
    append_neutral_field(out, field.name, field.value);
  }
  if (line.status >= 200 && line.status != 204) {
    append_framing(out, line.framing, line.content_length);
  }
  if (!line.connection.empty()) append_neutral_field(out, "Connection", line.connection);
  out += "\r\n";
}

void append_chunk_begin(std::string& out, std::size_t bytes) {
  OUT_ASSERT(bytes != 0);
  append_number(out, bytes, 16);
  out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  append_chunk_begin(out, data.size());
  out.append(data).append(kChunkEnd);
}

void append_last_chunk(std::string& out, const Headers& trailers) {
  out += "0\r\n";
  for (const Headers::Field field : trailers) {
    if (is_forbidden_trailer(field.name) || !is_token(field.name)) continue;
    append_neutral_field(out, field.name, field.value);
  }
  out += "\r\n";
}

std::string_view reason_phrase(int status) noexcept {
  const auto* found = std::ranges::lower_bound(kPhrases, status, {}, &Phrase::status);
  return found != std::end(kPhrases) && found->status == status ? found->text : std::string_view();
}

}  // namespace outrigger::net::http1
