#include "runtime/invoke/wire.h"

namespace outrigger::runtime::invoke::wire {

bool Reader::take_varint(std::uint64_t& value) noexcept {
  value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return fail();
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return fail();
}

bool Reader::next() noexcept {
  while (ok_ && !rest_.empty()) {
    std::uint64_t key = 0;
    if (!take_varint(key)) return false;
    if (key >> 3 == 0 || key >> 32 != 0) return fail();
    field_ = static_cast<std::uint32_t>(key >> 3);
    switch (key & 7) {
      case kVarint: is_bytes_ = false; return take_varint(number_);
      case kBytes: {
        std::uint64_t size = 0;
        if (!take_varint(size)) return false;
        if (size > rest_.size()) return fail();
        bytes_ = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(static_cast<std::size_t>(size));
        is_bytes_ = true;
        return true;
      }
      case 1:
      case 5: {
        const std::size_t size = (key & 7) == 1 ? 8 : 4;
        if (size > rest_.size()) return fail();
        rest_.remove_prefix(size);
        break;
      }
      default: return fail();
    }
  }
  return false;
}

}  // namespace outrigger::runtime::invoke::wire
