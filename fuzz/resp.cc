#include <cstdint>
#include <string>
#include <string_view>

#include "components/clients/redis/reply_parser.h"

namespace {

using namespace outrigger::components::redis;

void describe(const Reply& reply, std::string& log) {
  log += std::to_string(static_cast<int>(reply.type)) + ":" + std::to_string(reply.integer) + ":" +
         std::to_string(reply.real) + ":" + reply.text + "[";
  for (const auto& item : reply.items) describe(item, log);
  log += "]";
}

bool run(ReplyParser& parser, std::string_view chunk, std::string& log) {
  parser.feed(chunk);
  for (;;) {
    auto reply = parser.next();
    if (!reply) {
      log += "error";
      return false;
    }
    if (!*reply) return true;
    describe(**reply, log);
  }
}

}  // namespace

// Any chunking must give what one chunk gives. The first byte is the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string whole(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string at_once, in_pieces;
  ReplyParser one;
  run(one, whole, at_once);
  ReplyParser many;
  const std::size_t piece = data[0] + std::size_t{1};
  for (std::string_view rest = whole; !rest.empty();) {
    const std::string part(rest.substr(0, piece));
    rest.remove_prefix(part.size());
    if (!run(many, part, in_pieces)) break;
  }
  OUT_ASSERT(at_once == in_pieces);
  return 0;
}
