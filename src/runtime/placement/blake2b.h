#pragma once

#include <cstdint>
#include <string_view>

namespace outrigger::runtime::placement {

/// The first eight bytes, little-endian, of the BLAKE2b-512 digest (RFC 7693, no key).
std::uint64_t blake2b_512_prefix(std::string_view bytes) noexcept;

}  // namespace outrigger::runtime::placement
