#pragma once

#include <cstddef>
#include <cstdint>

namespace outrigger::cel {

/// The work one evaluation may do. A unit is one node evaluated, one element looked at or
/// kBytesPerUnit bytes scanned: some 10 to 50 ns each.
class Budget {
 public:
  static constexpr std::size_t kBytesPerUnit = 16;

  explicit Budget(std::int64_t units) noexcept : left_(units) {}
  /// False once all is spent.
  bool spend(std::size_t units = 1) noexcept {
    left_ -= static_cast<std::int64_t>(units);
    return left_ >= 0;
  }
  bool spend_bytes(std::size_t bytes) noexcept { return spend(bytes / kBytesPerUnit + 1); }
  [[nodiscard]] bool exhausted() const noexcept { return left_ < 0; }

 private:
  std::int64_t left_;
};

}  // namespace outrigger::cel
