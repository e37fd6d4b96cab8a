#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

/// As much of the protobuf wire format as the envelopes need: sizes first, so that nested messages
/// are written in one pass. Field numbers are below 16. Private to this folder.
namespace outrigger::runtime::invoke::wire {

inline constexpr std::uint32_t kVarint = 0;
inline constexpr std::uint32_t kBytes = 2;

[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}
/// Of a length-delimited field.
[[nodiscard]] constexpr std::size_t field_size(std::size_t bytes) noexcept {
  return 1 + varint_size(bytes) + bytes;
}
/// The same, where proto3 leaves out an empty value.
[[nodiscard]] constexpr std::size_t text_size(std::size_t bytes) noexcept {
  return bytes == 0 ? 0 : field_size(bytes);
}
[[nodiscard]] constexpr std::size_t number_size(std::uint64_t value) noexcept {
  return value == 0 ? 0 : 1 + varint_size(value);
}

inline void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
/// The head of a length-delimited field whose `bytes` bytes are appended next.
inline void put_head(std::string& out, std::uint32_t field, std::size_t bytes) {
  out.push_back(static_cast<char>(field << 3 | kBytes));
  put_varint(out, bytes);
}
inline void put_text(std::string& out, std::uint32_t field, std::string_view text) {
  if (text.empty()) return;
  put_head(out, field, text.size());
  out.append(text);
}
inline void put_number(std::string& out, std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  out.push_back(static_cast<char>(field << 3 | kVarint));
  put_varint(out, value);
}

/// Goes through the fields of a message. Fixed-width fields are passed over; groups are malformed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}
  /// False at the end, or if the bytes are malformed: then ok() is false.
  [[nodiscard]] bool next() noexcept;
  [[nodiscard]] std::uint32_t field() const noexcept { return field_; }
  /// True if this is field `number` with the wire type of strings and messages.
  [[nodiscard]] bool is_bytes(std::uint32_t number) const noexcept {
    return is_bytes_ && field_ == number;
  }
  [[nodiscard]] bool is_number(std::uint32_t number) const noexcept {
    return !is_bytes_ && field_ == number;
  }
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  bool take_varint(std::uint64_t& value) noexcept;
  bool fail() noexcept {
    ok_ = false;
    return false;
  }

  std::string_view rest_;
  std::string_view bytes_;
  std::uint64_t number_ = 0;
  std::uint32_t field_ = 0;
  bool is_bytes_ = false;
  bool ok_ = true;
};

}  // namespace outrigger::runtime::invoke::wire
