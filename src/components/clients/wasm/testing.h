#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// For tests: modules of WebAssembly, put together by hand.
namespace outrigger::components::wasm {

inline std::string leb(std::uint32_t value) {
  std::string out;
  do {
    const auto low = static_cast<std::uint8_t>(value & 0x7f);
    value >>= 7;
    out += static_cast<char>(value != 0 ? low | 0x80 : low);
  } while (value != 0);
  return out;
}
inline std::string sleb(std::int64_t value) {
  std::string out;
  while (true) {
    const auto low = static_cast<std::uint8_t>(value & 0x7f);
    value >>= 7;
    const bool last = (value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0);
    out += static_cast<char>(last ? low : low | 0x80);
    if (last) return out;
  }
}
inline std::string sized(const std::string& bytes) {
  return leb(static_cast<std::uint32_t>(bytes.size())) + bytes;
}
inline std::string vec(const std::vector<std::string>& items) {
  std::string out = leb(static_cast<std::uint32_t>(items.size()));
  for (const std::string& item : items) out += item;
  return out;
}

struct Binary {
  std::string bytes = std::string("\0asm\1\0\0\0", 8);
  void section(int id, const std::string& content) {
    bytes += static_cast<char>(id);
    bytes += sized(content);
  }
};

}  // namespace outrigger::components::wasm
