// Responses in arbitrary pieces: the pieces must not show in what the parser makes of them, and a
// final head that is accepted can be sent on as one response.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1/serialise.h"
#include "net/http1/transcript.h"

namespace http1 = outrigger::net::http1;

namespace {

void check_forwarding(std::string_view input, std::string_view method) {
  http1::ResponseParser parser;
  parser.start(method);
  const auto event = parser.next(input);
  if (!event || event->kind != http1::Event::Kind::head || parser.head().upgrade) return;
  const http1::ResponseHead& head = parser.head();
  std::string out;
  const http1::StatusLine line{.status = head.status,
                               .reason = head.reason,
                               .framing = head.framing,
                               .content_length = head.content_length};
  http1::append_response_head(out, line, head.headers);
  http1::ResponseParser next_hop(http1::Limits{.head_bytes_max = out.size()});
  next_hop.start(method);
  std::string_view forwarded = out;
  const auto again = next_hop.next(forwarded);
  OUT_ASSERT(again && again->kind == http1::Event::Kind::head && forwarded.empty());
  OUT_ASSERT(next_hop.head().status == head.status && next_hop.head().framing == head.framing);
  OUT_ASSERT(next_hop.head().content_length == head.content_length);
}

}  // namespace

// The first two bytes choose the request's method, the limits and where the input is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  constexpr std::string_view kMethods[] = {"GET", "HEAD", "CONNECT", "POST"};
  const std::vector<std::string_view> methods{kMethods[data[0] & 3], kMethods[data[0] >> 2 & 3]};
  http1::Limits limits;
  if ((data[0] & 16) != 0) {
    limits = {.head_bytes_max = 96,
              .fields_max = 4,
              .trailer_bytes_max = 32,
              .chunk_extension_bytes_max = 8,
              .body_bytes_max = 16,
              .informational_max = 2};
  }
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = http1::response_transcript(std::vector{input}, methods, limits);
  const std::size_t cut = data[1] * input.size() / 256;
  OUT_ASSERT(whole == http1::response_transcript(
                          std::vector{input.substr(0, cut), input.substr(cut)}, methods, limits));
  if (input.size() <= 1024) {
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
    OUT_ASSERT(whole == http1::response_transcript(bytes, methods, limits));
  }
  check_forwarding(input, methods[0]);
  return 0;
}
