#include <cstdint>
#include <string>
#include <string_view>

#include "net/grpc/frame.h"

// Any chunking must give what one chunk gives. The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger::net::grpc;
  if (size == 0) return 0;
  constexpr std::size_t kLimit = 1000;
  const std::string whole(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string at_once, in_pieces;
  const auto run = [](Deframer& deframer, std::string_view chunk, std::string& log) {
    deframer.feed(chunk);
    for (;;) {
      auto frame = deframer.next();
      if (!frame) {
        log += frame.error().message();
        return false;
      }
      if (!*frame) return true;
      log.append((*frame)->compressed ? "c" : "p").append((*frame)->payload).append("|");
      std::string scratch;
      auto message = message_of(**frame, "gzip", Side::server, kLimit, scratch);
      OUT_ASSERT(!message || message->size() <= kLimit);
    }
  };
  Deframer one(kLimit);
  run(one, whole, at_once);
  Deframer many(kLimit);
  const std::size_t piece = data[0] + std::size_t{1};
  for (std::string_view rest = whole; !rest.empty();) {
    const std::string part(rest.substr(0, piece));
    rest.remove_prefix(part.size());
    if (!run(many, part, in_pieces)) break;
  }
  OUT_ASSERT(at_once == in_pieces);
  return 0;
}
