#include <cmath>
#include <limits>

#include "components/clients/wasm/machine.h"

namespace outrigger::components::wasm {
namespace {

/// The unsigned type of the same size.
template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T, bool remainder>
void divide(Machine& machine, const Instruction&) {
  const T right = from_slot<T>(machine.pop());
  const T left = from_slot<T>(machine.sp[-1]);
  if (right == 0) return machine.trap("integer divide by zero");
  T result = 0;
  const bool overflows =
      std::is_signed_v<T> && right == static_cast<T>(-1) && left == std::numeric_limits<T>::min();
  if (overflows) {
    if (!remainder) return machine.trap("integer overflow");
  } else {
    result = remainder ? left % right : left / right;
  }
  machine.sp[-1] = to_slot(result);
}

/// The operations on integers of one width, from their first of each group on.
template <class U>
void add_integer(Handlers& all, std::size_t compare, std::size_t count) {
  using S = std::make_signed_t<U>;
  constexpr U kMask = sizeof(U) * 8 - 1;
  all.of[compare] = &unary<U, [](U a) { return a == 0; }>;
  all.of[compare + 1] = &binary<U, [](U a, U b) { return a == b; }>;
  all.of[compare + 2] = &binary<U, [](U a, U b) { return a != b; }>;
  all.of[compare + 3] = &binary<S, [](S a, S b) { return a < b; }>;
  all.of[compare + 4] = &binary<U, [](U a, U b) { return a < b; }>;
  all.of[compare + 5] = &binary<S, [](S a, S b) { return a > b; }>;
  all.of[compare + 6] = &binary<U, [](U a, U b) { return a > b; }>;
  all.of[compare + 7] = &binary<S, [](S a, S b) { return a <= b; }>;
  all.of[compare + 8] = &binary<U, [](U a, U b) { return a <= b; }>;
  all.of[compare + 9] = &binary<S, [](S a, S b) { return a >= b; }>;
  all.of[compare + 10] = &binary<U, [](U a, U b) { return a >= b; }>;
  all.of[count] = &unary<U, [](U a) { return static_cast<U>(std::countl_zero(a)); }>;
  all.of[count + 1] = &unary<U, [](U a) { return static_cast<U>(std::countr_zero(a)); }>;
  all.of[count + 2] = &unary<U, [](U a) { return static_cast<U>(std::popcount(a)); }>;
  all.of[count + 3] = &binary<U, [](U a, U b) { return a + b; }>;
  all.of[count + 4] = &binary<U, [](U a, U b) { return a - b; }>;
  all.of[count + 5] = &binary<U, [](U a, U b) { return a * b; }>;
  all.of[count + 6] = &divide<S, false>;
  all.of[count + 7] = &divide<U, false>;
  all.of[count + 8] = &divide<S, true>;
  all.of[count + 9] = &divide<U, true>;
  all.of[count + 10] = &binary<U, [](U a, U b) { return a & b; }>;
  all.of[count + 11] = &binary<U, [](U a, U b) { return a | b; }>;
  all.of[count + 12] = &binary<U, [](U a, U b) { return a ^ b; }>;
  all.of[count + 13] = &binary<U, [](U a, U b) { return a << (b & kMask); }>;
  all.of[count + 14] =
      &binary<U, [](U a, U b) { return static_cast<U>(static_cast<S>(a) >> (b & kMask)); }>;
  all.of[count + 15] = &binary<U, [](U a, U b) { return a >> (b & kMask); }>;
  all.of[count + 16] =
      &binary<U, [](U a, U b) { return std::rotl(a, static_cast<int>(b & kMask)); }>;
  all.of[count + 17] =
      &binary<U, [](U a, U b) { return std::rotr(a, static_cast<int>(b & kMask)); }>;
}

template <class F>
F minimum(F a, F b) {
  if (std::isnan(a) || std::isnan(b)) return a + b;
  if (a == 0 && b == 0) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}
template <class F>
F maximum(F a, F b) {
  if (std::isnan(a) || std::isnan(b)) return a + b;
  if (a == 0 && b == 0) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}
/// A NaN that comes out of an operation is a quiet one.
template <class F>
F quiet(F given, F result) {
  return std::isnan(given) ? given + given : result;
}

/// Signs are bits: also of a NaN, which no arithmetic may touch.
template <class F>
constexpr Bits<F> kSign = Bits<F>{1} << (sizeof(F) * 8 - 1);

template <class F>
void add_float(Handlers& all, std::size_t compare, std::size_t unary_first, std::size_t first) {
  using B = Bits<F>;
  all.of[compare] = &binary<F, [](F a, F b) { return a == b; }>;
  all.of[compare + 1] = &binary<F, [](F a, F b) { return a != b; }>;
  all.of[compare + 2] = &binary<F, [](F a, F b) { return a < b; }>;
  all.of[compare + 3] = &binary<F, [](F a, F b) { return a > b; }>;
  all.of[compare + 4] = &binary<F, [](F a, F b) { return a <= b; }>;
  all.of[compare + 5] = &binary<F, [](F a, F b) { return a >= b; }>;
  all.of[unary_first] = &unary<B, [](B a) { return static_cast<B>(a & ~kSign<F>); }>;
  all.of[unary_first + 1] = &unary<B, [](B a) { return static_cast<B>(a ^ kSign<F>); }>;
  all.of[unary_first + 2] = &unary<F, [](F a) { return quiet(a, std::ceil(a)); }>;
  all.of[unary_first + 3] = &unary<F, [](F a) { return quiet(a, std::floor(a)); }>;
  all.of[unary_first + 4] = &unary<F, [](F a) { return quiet(a, std::trunc(a)); }>;
  all.of[unary_first + 5] = &unary<F, [](F a) { return quiet(a, std::nearbyint(a)); }>;
  all.of[unary_first + 6] = &unary<F, [](F a) { return std::sqrt(a); }>;
  all.of[first] = &binary<F, [](F a, F b) { return a + b; }>;
  all.of[first + 1] = &binary<F, [](F a, F b) { return a - b; }>;
  all.of[first + 2] = &binary<F, [](F a, F b) { return a * b; }>;
  all.of[first + 3] = &binary<F, [](F a, F b) { return a / b; }>;
  all.of[first + 4] = &binary<F, [](F a, F b) { return minimum(a, b); }>;
  all.of[first + 5] = &binary<F, [](F a, F b) { return maximum(a, b); }>;
  all.of[first + 6] =
      &binary<B, [](B a, B b) { return static_cast<B>((a & ~kSign<F>) | (b & kSign<F>)); }>;
}

/// Whether a whole number fits; all bounds are exact as doubles.
template <class To>
bool fits(double whole) {
  if constexpr (std::is_same_v<To, std::int32_t>) {
    return whole >= -2147483648.0 && whole <= 2147483647.0;
  } else if constexpr (std::is_same_v<To, std::uint32_t>) {
    return whole >= 0.0 && whole <= 4294967295.0;
  } else if constexpr (std::is_same_v<To, std::int64_t>) {
    return whole >= -9223372036854775808.0 && whole < 9223372036854775808.0;
  } else {
    return whole >= 0.0 && whole < 18446744073709551616.0;
  }
}

template <class From, class To>
void truncate(Machine& machine, const Instruction&) {
  const double whole = std::trunc(static_cast<double>(from_slot<From>(machine.sp[-1])));
  if (std::isnan(whole)) return machine.trap("invalid conversion to integer");
  if (!fits<To>(whole)) return machine.trap("integer overflow");
  machine.sp[-1] = to_slot(static_cast<To>(whole));
}
template <class From, class To>
To saturate(From value) {
  const double whole = std::trunc(static_cast<double>(value));
  if (std::isnan(whole)) return 0;
  if (fits<To>(whole)) return static_cast<To>(whole);
  return whole < 0 ? std::numeric_limits<To>::min() : std::numeric_limits<To>::max();
}

template <class From, class To>
constexpr Handler kCast = &unary<From, [](From value) { return static_cast<To>(value); }>;

}  // namespace

void add_integers(Handlers& all) {
  add_integer<std::uint32_t>(all, 0x45, 0x67);
  add_integer<std::uint64_t>(all, 0x50, 0x79);
}

void add_floats(Handlers& all) {
  add_float<float>(all, 0x5b, 0x8b, 0x92);
  add_float<double>(all, 0x61, 0x99, 0xa0);
}

void add_conversions(Handlers& all) {
  using std::int32_t, std::int64_t, std::uint32_t, std::uint64_t;
  all.of[0xa7] = kCast<uint64_t, uint32_t>;
  all.of[0xa8] = &truncate<float, int32_t>;
  all.of[0xa9] = &truncate<float, uint32_t>;
  all.of[0xaa] = &truncate<double, int32_t>;
  all.of[0xab] = &truncate<double, uint32_t>;
  all.of[0xac] = kCast<int32_t, int64_t>;
  all.of[0xad] = kCast<uint32_t, uint64_t>;
  all.of[0xae] = &truncate<float, int64_t>;
  all.of[0xaf] = &truncate<float, uint64_t>;
  all.of[0xb0] = &truncate<double, int64_t>;
  all.of[0xb1] = &truncate<double, uint64_t>;
  all.of[0xb2] = kCast<int32_t, float>;
  all.of[0xb3] = kCast<uint32_t, float>;
  all.of[0xb4] = kCast<int64_t, float>;
  all.of[0xb5] = kCast<uint64_t, float>;
  all.of[0xb6] = kCast<double, float>;
  all.of[0xb7] = kCast<int32_t, double>;
  all.of[0xb8] = kCast<uint32_t, double>;
  all.of[0xb9] = kCast<int64_t, double>;
  all.of[0xba] = kCast<uint64_t, double>;
  all.of[0xbb] = kCast<float, double>;
  for (const std::size_t same_bits : {0xbc, 0xbd, 0xbe, 0xbf}) {
    all.of[same_bits] = [](Machine&, const Instruction&) {};
  }
  all.of[0xc0] = kCast<std::int8_t, int32_t>;
  all.of[0xc1] = kCast<std::int16_t, int32_t>;
  all.of[0xc2] = kCast<std::int8_t, int64_t>;
  all.of[0xc3] = kCast<std::int16_t, int64_t>;
  all.of[0xc4] = kCast<int32_t, int64_t>;
  all.of[op::kPrefixed] = &unary<float, &saturate<float, int32_t>>;
  all.of[op::kPrefixed + 1] = &unary<float, &saturate<float, uint32_t>>;
  all.of[op::kPrefixed + 2] = &unary<double, &saturate<double, int32_t>>;
  all.of[op::kPrefixed + 3] = &unary<double, &saturate<double, uint32_t>>;
  all.of[op::kPrefixed + 4] = &unary<float, &saturate<float, int64_t>>;
  all.of[op::kPrefixed + 5] = &unary<float, &saturate<float, uint64_t>>;
  all.of[op::kPrefixed + 6] = &unary<double, &saturate<double, int64_t>>;
  all.of[op::kPrefixed + 7] = &unary<double, &saturate<double, uint64_t>>;
}

}  // namespace outrigger::components::wasm
