#include "components/clients/wasm/reader.h"

#include "base/strings.h"

namespace outrigger::components::wasm {

bool is_value_type(std::uint8_t byte) noexcept {
  return (byte >= 0x7c && byte <= 0x7f) || byte == 0x70 || byte == 0x6f;
}

void Reader::fail(std::string_view why) {
  if (!ok()) return;
  error_ = std::string(why);
  at_ = bytes_.size();
}

std::uint8_t Reader::byte() {
  if (at_ == bytes_.size()) {
    fail("unexpected end");
    return 0;
  }
  return static_cast<std::uint8_t>(bytes_[at_++]);
}

std::uint32_t Reader::u32() {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const std::uint8_t next = byte();
    if (shift == 28 && next > 0x0f) {
      fail(next >= 0x80 ? "integer representation too long" : "integer too large");
      return 0;
    }
    value |= static_cast<std::uint32_t>(next & 0x7f) << shift;
    if (next < 0x80) break;
  }
  return ok() ? value : 0;
}

std::int64_t Reader::signed_leb(unsigned bits) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < bits; shift += 7) {
    const std::uint8_t next = byte();
    if (!ok()) return 0;
    value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
    const unsigned left = bits - shift;
    if (left < 7) {
      // The bits above are all the sign's.
      const auto rest = static_cast<std::uint8_t>((next & 0x7f) >> (left - 1));
      const auto all = static_cast<std::uint8_t>(0x7f >> (left - 1));
      if (next >= 0x80 || (rest != 0 && rest != all)) {
        fail(next >= 0x80 ? "integer representation too long" : "integer too large");
        return 0;
      }
    }
    if (next >= 0x80) continue;
    const unsigned used = shift + 7;
    if (used < 64 && (next & 0x40) != 0) value |= ~std::uint64_t{0} << used;
    return static_cast<std::int64_t>(value);
  }
  fail("integer representation too long");
  return 0;
}

std::uint64_t Reader::fixed(unsigned count) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i) value |= static_cast<std::uint64_t>(byte()) << (8 * i);
  return value;
}

std::string_view Reader::take(std::size_t count) {
  if (count > left()) {
    fail("unexpected end");
    return {};
  }
  const auto taken = bytes_.substr(at_, count);
  at_ += count;
  return taken;
}

std::string Reader::name() {
  const std::string_view text = take(u32());
  if (!is_utf8(text)) fail("malformed UTF-8 encoding");
  return std::string(text);
}

std::uint32_t Reader::count() {
  const std::uint32_t value = u32();
  if (value > left()) {
    fail("unexpected end: more things than bytes");
    return 0;
  }
  return value;
}

ValueType Reader::value_type() {
  const std::uint8_t type = byte();
  if (ok() && !is_value_type(type)) {
    fail(type == 0x7b ? "SIMD is not supported" : "malformed value type");
  }
  return static_cast<ValueType>(type);
}

ValueType Reader::reference_type() {
  const std::uint8_t type = byte();
  if (ok() && type != 0x70 && type != 0x6f) fail("malformed reference type");
  return static_cast<ValueType>(type);
}

Limits Reader::limits(std::uint32_t most) {
  Limits limits;
  const std::uint8_t flags = byte();
  if (flags > 1) fail("malformed limits flags: shared and 64-bit memories are not supported");
  limits.min = u32();
  if (flags == 1) limits.max = u32();
  if (limits.min > most || (limits.max && *limits.max > most)) {
    fail("memory size must be at most 65536 pages (4GiB)");
  }
  if (limits.max && *limits.max < limits.min) {
    fail("size minimum must not be greater than maximum");
  }
  return limits;
}

}  // namespace outrigger::components::wasm
