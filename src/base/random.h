#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace outrigger {

/// Unpredictable bytes from the kernel, buffered per thread: for ids, tokens and keys.
/// The process ends if the kernel has none to give.
void secure_random(std::span<std::uint8_t> out);
/// `bytes` unpredictable bytes.
[[nodiscard]] std::string secure_random_bytes(std::size_t bytes);

/// A quick number, seeded per thread from the kernel and predictable from its predecessors: for
/// span ids, jitter and picking one of several, never for secrets.
[[nodiscard]] std::uint64_t fast_random() noexcept;
/// Evenly in [0, limit); `limit` must not be 0.
[[nodiscard]] std::uint64_t fast_random_below(std::uint64_t limit) noexcept;
/// Evenly in [0, 1).
[[nodiscard]] double fast_random_unit() noexcept;

}  // namespace outrigger
