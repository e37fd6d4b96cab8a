#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1/request_parser.h"
#include "net/http1/response_parser.h"

/// For tests and fuzzers: what a parser makes of its input, as text. The pieces in which the input
/// comes must not show in it.
namespace outrigger::net::http1 {

namespace transcript_detail {

inline void log_fields(std::string& log, const Headers& headers) {
  for (const Headers::Field field : headers) {
    log.append("  ").append(field.name).append("=").append(field.value).append("\n");
  }
}

inline void log_framing(std::string& log, Framing framing, std::uint64_t length) {
  constexpr std::string_view kNames[] = {"none", "length", "chunked", "until_close"};
  log.append(" ").append(kNames[static_cast<std::size_t>(framing)]);
  if (framing == Framing::length) log.append(":").append(std::to_string(length));
}

inline void log_head(std::string& log, const RequestHead& head) {
  log.append("head ").append(head.method).append(" ").append(head.target);
  log.append(" 1.").append(std::to_string(head.minor_version));
  log.append(" [").append(head.scheme).append("|").append(head.authority).append("]");
  log_framing(log, head.framing, head.content_length);
  log.append(head.keep_alive ? " keep" : " close");
  log.append(head.expect_continue ? " expect" : "").append(head.upgrade ? " upgrade\n" : "\n");
  log_fields(log, head.headers);
}

inline void log_head(std::string& log, const ResponseHead& head) {
  log.append("head ").append(std::to_string(head.status)).append(" ").append(head.reason);
  log.append(" 1.").append(std::to_string(head.minor_version));
  log_framing(log, head.framing, head.content_length);
  log.append(head.keep_alive ? " keep" : " close").append(head.upgrade ? " upgrade\n" : "\n");
  log_fields(log, head.headers);
}

/// Takes events until more bytes are needed (true) or there is an error (false). `after_end` runs
/// behind each message and says whether to go on.
template <class Parser, class AfterEnd>
bool drain(Parser& parser, std::string_view& input, std::string& log, std::string& body,
           AfterEnd after_end) {
  for (;;) {
    const std::size_t before = input.size();
    auto event = parser.next(input);
    if (!event) {
      log.append("body ").append(body).append("\nerror ");
      log.append(std::to_string(event.error().http_status())).append(" ");
      log.append(event.error().message()).append("\n");
      return false;
    }
    switch (event->kind) {
      case Event::Kind::need_more: return true;
      case Event::Kind::informational: log += "informational\n"; [[fallthrough]];
      case Event::Kind::head: log_head(log, parser.head()); break;
      case Event::Kind::body:
        OUT_ASSERT(!event->body.empty() && input.size() < before);
        body.append(event->body);
        break;
      case Event::Kind::end:
        log.append("body ").append(body).append("\nend\n");
        body.clear();
        log_fields(log, parser.trailers());
        if (!after_end()) return true;
        break;
    }
  }
}

}  // namespace transcript_detail

/// Feeds `pieces` one by one. Ends with "idle", "open" (in the middle of a request) or "error ...".
inline std::string request_transcript(std::span<const std::string_view> pieces,
                                      Limits limits = {}) {
  RequestParser parser(limits);
  std::string log;
  std::string body;
  std::string buffer;
  for (const std::string_view piece : pieces) {
    buffer.append(piece);
    std::string_view input = buffer;
    if (!transcript_detail::drain(parser, input, log, body, [] { return true; })) return log;
    buffer.erase(0, buffer.size() - input.size());
  }
  if (!body.empty()) log.append("body ").append(body).append("\n");
  return log + (parser.idle() && buffer.empty() ? "idle\n" : "open\n");
}

/// Feeds `pieces` one by one and then the end of the connection. The responses answer `methods` in
/// turn; those behind the last are answers to the last.
inline std::string response_transcript(std::span<const std::string_view> pieces,
                                       std::span<const std::string_view> methods,
                                       Limits limits = {}) {
  ResponseParser parser(limits);
  std::string log;
  std::string body;
  std::string buffer;
  std::size_t next_method = 0;
  bool upgraded = false;
  const auto start = [&] {
    if (parser.head().upgrade) {
      upgraded = true;
      return false;
    }
    parser.start(methods[std::min(next_method++, methods.size() - 1)]);
    return true;
  };
  start();
  for (const std::string_view piece : pieces) {
    buffer.append(piece);
    std::string_view input = buffer;
    if (upgraded) continue;
    if (!transcript_detail::drain(parser, input, log, body, start)) return log;
    buffer.erase(0, buffer.size() - input.size());
  }
  if (upgraded) return log + "upgraded " + buffer + "\n";
  if (!body.empty()) log.append("body ").append(body).append("\n");
  const auto last = parser.finish(buffer);
  if (last) return log + (last->kind == Event::Kind::end ? "end at close\n" : "idle\n");
  return log + "error " + std::to_string(last.error().http_status()) + " " +
         last.error().message() + "\n";
}

}  // namespace outrigger::net::http1
