#include <cstdint>
#include <string>
#include <string_view>

#include "net/grpc/frame.h"
#include "net/grpc/frame_meter.h"

namespace {

/// Why a meter refuses the bytes in pieces of that size; "" if it does not.
std::string refusal(outrigger::net::grpc::FrameMeter meter, std::string_view bytes,
                    std::size_t piece) {
  while (!bytes.empty()) {
    const std::string part(bytes.substr(0, piece));
    bytes.remove_prefix(part.size());
    auto fed = meter.feed(part);
    if (fed) continue;
    OUT_ASSERT(meter.sound_bytes() <= part.size());
    return fed.error().message();
  }
  return "";
}

}  // namespace

// A meter refuses what a reader refuses for its size or its flags. Any chunking must give what one
// chunk gives. The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger::net::grpc;
  if (size == 0) return 0;
  constexpr std::size_t kLimit = 1000;
  const std::string whole(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string at_once, in_pieces, refused;
  bool grows = false;
  const auto run = [&](Deframer& deframer, std::string_view chunk, std::string& log) {
    deframer.feed(chunk);
    for (;;) {
      auto frame = deframer.next();
      if (!frame) {
        refused = frame.error().message();
        log += refused;
        return false;
      }
      if (!*frame) return true;
      log.append((*frame)->compressed ? "c" : "p").append((*frame)->payload).append("|");
      std::string scratch;
      auto message = message_of(**frame, "gzip", Side::server, kLimit, scratch);
      OUT_ASSERT(!message || message->size() <= kLimit);
      if (!message) grows |= message.error().code() == outrigger::Code::resource_exhausted;
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
  for (const std::size_t bytes : {piece, whole.size()}) {
    OUT_ASSERT(refusal(FrameMeter(kLimit, ""), whole, bytes) == refused);
    const bool metered = !refusal(FrameMeter(kLimit, "gzip"), whole, bytes).empty();
    OUT_ASSERT(metered || (refused.empty() && !grows));
  }
  return 0;
}
