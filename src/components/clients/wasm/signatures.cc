#include "components/clients/wasm/signatures.h"

#include <algorithm>
#include <iterator>

namespace outrigger::components::wasm {
namespace {

using enum ValueType;

struct Range {
  std::uint16_t last;
  Signature signature;
};
// In order; the first begins at 0x45.
constexpr std::uint16_t kFirst = 0x45;
constexpr Range kRanges[] = {
    {0x45, {1, i32, i32}}, {0x4f, {2, i32, i32}}, {0x50, {1, i64, i32}}, {0x5a, {2, i64, i32}},
    {0x60, {2, f32, i32}}, {0x66, {2, f64, i32}}, {0x69, {1, i32, i32}}, {0x78, {2, i32, i32}},
    {0x7b, {1, i64, i64}}, {0x8a, {2, i64, i64}}, {0x91, {1, f32, f32}}, {0x98, {2, f32, f32}},
    {0x9f, {1, f64, f64}}, {0xa6, {2, f64, f64}}, {0xa7, {1, i64, i32}}, {0xa9, {1, f32, i32}},
    {0xab, {1, f64, i32}}, {0xad, {1, i32, i64}}, {0xaf, {1, f32, i64}}, {0xb1, {1, f64, i64}},
    {0xb3, {1, i32, f32}}, {0xb5, {1, i64, f32}}, {0xb6, {1, f64, f32}}, {0xb8, {1, i32, f64}},
    {0xba, {1, i64, f64}}, {0xbb, {1, f32, f64}}, {0xbc, {1, f32, i32}}, {0xbd, {1, f64, i64}},
    {0xbe, {1, i32, f32}}, {0xbf, {1, i64, f64}}, {0xc1, {1, i32, i32}}, {0xc4, {1, i64, i64}},
};
constexpr Signature kSaturating[] = {{1, f32, i32}, {1, f32, i32}, {1, f64, i32}, {1, f64, i32},
                                     {1, f32, i64}, {1, f32, i64}, {1, f64, i64}, {1, f64, i64}};

constexpr std::uint16_t kFirstAccess = 0x28;
constexpr Access kAccesses[] = {
    {i32, 2, false}, {i64, 3, false}, {f32, 2, false}, {f64, 3, false}, {i32, 0, false},
    {i32, 0, false}, {i32, 1, false}, {i32, 1, false}, {i64, 0, false}, {i64, 0, false},
    {i64, 1, false}, {i64, 1, false}, {i64, 2, false}, {i64, 2, false}, {i32, 2, true},
    {i64, 3, true},  {f32, 2, true},  {f64, 3, true},  {i32, 0, true},  {i32, 1, true},
    {i64, 0, true},  {i64, 1, true},  {i64, 2, true},
};

}  // namespace

std::optional<Signature> signature_of(std::uint16_t op) noexcept {
  if (op >= op::kPrefixed && op < op::kPrefixed + std::size(kSaturating)) {
    return kSaturating[op - op::kPrefixed];
  }
  const auto* found = std::ranges::lower_bound(kRanges, op, {}, &Range::last);
  if (op < kFirst || found == std::end(kRanges)) return std::nullopt;
  return found->signature;
}

std::optional<Access> access_of(std::uint16_t op) noexcept {
  if (op < kFirstAccess || op >= kFirstAccess + std::size(kAccesses)) return std::nullopt;
  return kAccesses[op - kFirstAccess];
}

}  // namespace outrigger::components::wasm
