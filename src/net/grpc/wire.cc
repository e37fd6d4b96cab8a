#include "net/grpc/wire.h"

namespace outrigger::net::grpc::wire {
namespace {

enum Type : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void append_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  append_varint(out, field << 3 | kVarint);
  append_varint(out, value);
}

void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
  append_varint(out, field << 3 | kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}

void append_text(std::string& out, std::uint32_t field, std::string_view text) {
  if (!text.empty()) append_bytes(out, field, text);
}

std::optional<std::uint64_t> Reader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  ok_ = false;
  return std::nullopt;
}

bool Reader::skip(std::size_t bytes) {
  if (rest_.size() < bytes) {
    ok_ = false;
    return false;
  }
  rest_.remove_prefix(bytes);
  return true;
}

std::optional<Field> Reader::next() {
  while (ok_ && !rest_.empty()) {
    const auto key = varint();
    if (!key) return std::nullopt;
    const auto number = static_cast<std::uint32_t>(*key >> 3);
    switch (*key & 7) {
      case kVarint: {
        const auto value = varint();
        if (!value) return std::nullopt;
        return Field{.number = number, .value = *value};
      }
      case kBytes: {
        const auto size = varint();
        if (!size) return std::nullopt;
        const std::string_view all = rest_;
        if (*size > all.size() || !skip(static_cast<std::size_t>(*size))) {
          ok_ = false;
          return std::nullopt;
        }
        const auto bytes = all.substr(0, static_cast<std::size_t>(*size));
        return Field{.number = number, .bytes = bytes, .is_bytes = true};
      }
      case kFixed64: skip(8); break;
      case kFixed32: skip(4); break;
      default: ok_ = false; break;  // Groups: no message here has ever had one.
    }
  }
  return std::nullopt;
}

}  // namespace outrigger::net::grpc::wire
