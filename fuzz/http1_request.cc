// Requests in arbitrary pieces: the pieces must not show in what the parser makes of them, and
// every head that is accepted can be sent on and is then read the same.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/http1/serialise.h"
#include "net/http1/transcript.h"

namespace http1 = outrigger::net::http1;

namespace {

// What is sent on must be one request and nothing else.
void check_forwarding(std::string_view input, http1::Limits limits) {
  http1::RequestParser parser(limits);
  const auto event = parser.next(input);
  if (!event || event->kind != http1::Event::Kind::head) return;
  const http1::RequestHead& head = parser.head();
  std::string out;
  const http1::RequestLine line{.method = head.method,
                                .target = head.target,
                                .authority = head.authority,
                                .framing = head.framing,
                                .content_length = head.content_length};
  OUT_ASSERT(http1::append_request_head(out, line, head.headers).has_value());
  http1::RequestParser next_hop(http1::Limits{.head_bytes_max = out.size()});
  std::string_view forwarded = out;
  const auto again = next_hop.next(forwarded);
  OUT_ASSERT(again && again->kind == http1::Event::Kind::head && forwarded.empty());
  OUT_ASSERT(next_hop.head().method == head.method && next_hop.head().target == head.target);
  OUT_ASSERT(next_hop.head().authority == head.authority);
  OUT_ASSERT(next_hop.head().framing == head.framing);
  OUT_ASSERT(next_hop.head().content_length == head.content_length);
}

}  // namespace

// The first two bytes choose the limits and where the input is cut.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  http1::Limits limits;
  if ((data[0] & 1) != 0) {
    limits = {.head_bytes_max = 96,
              .target_bytes_max = 24,
              .fields_max = 4,
              .trailer_bytes_max = 32,
              .chunk_extension_bytes_max = 8,
              .body_bytes_max = 16};
  }
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = http1::request_transcript(std::vector{input}, limits);
  const std::size_t cut = data[1] * input.size() / 256;
  OUT_ASSERT(whole == http1::request_transcript(
                          std::vector{input.substr(0, cut), input.substr(cut)}, limits));
  if (input.size() <= 1024) {
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < input.size(); ++i) bytes.push_back(input.substr(i, 1));
    OUT_ASSERT(whole == http1::request_transcript(bytes, limits));
  }
  check_forwarding(input, limits);
  return 0;
}
