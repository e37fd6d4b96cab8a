#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "components/clients/wasm/module.h"

namespace outrigger::components::wasm {

/// Takes apart the binary format. After the first error everything reads as zero, and ok() is
/// false: so a loop over what it reads must look at ok().
class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept : bytes_(bytes) {}

  std::uint8_t byte();
  std::uint32_t u32();
  std::int32_t s32() { return static_cast<std::int32_t>(signed_leb(32)); }
  std::int64_t s33() { return signed_leb(33); }
  std::int64_t s64() { return signed_leb(64); }
  /// So many bytes in little-endian order.
  std::uint64_t fixed(unsigned count);
  std::string_view take(std::size_t count);
  /// A length and then UTF-8.
  std::string name();
  /// A number of things that are each at least a byte long.
  std::uint32_t count();
  ValueType value_type();
  ValueType reference_type();
  Limits limits(std::uint32_t most);

  void fail(std::string_view why);
  [[nodiscard]] bool ok() const noexcept { return error_.empty(); }
  [[nodiscard]] const std::string& error() const noexcept { return error_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == bytes_.size(); }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }

 private:
  std::int64_t signed_leb(unsigned bits);
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::string error_;
};

/// Whether the byte is one of ValueType's.
bool is_value_type(std::uint8_t byte) noexcept;

}  // namespace outrigger::components::wasm
