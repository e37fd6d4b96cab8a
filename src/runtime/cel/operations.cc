#include "runtime/cel/operations.h"

#include <cmath>
#include <limits>

#include "runtime/cel/clock.h"

namespace outrigger::cel {
namespace {

using Kind = Value::Kind;

// Nesting of two equal-so-far values; deeper ones count as different.
constexpr int kEqualDepthMax = 200;
constexpr std::int64_t kNanos = 1'000'000'000;
constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

int order(auto a, auto b) noexcept { return a < b ? -1 : a > b ? 1 : 0; }

int compare_real_int(double d, std::int64_t i) noexcept {
  if (d < -kTwoTo63) return -1;
  if (d > kTwoTo63) return 1;
  return order(d, static_cast<double>(i));
}

int compare_real_uint(double d, std::uint64_t u) noexcept {
  if (d < 0) return -1;
  if (d > kTwoTo64) return 1;
  return order(d, static_cast<double>(u));
}

int compare_int_uint(std::int64_t i, std::uint64_t u) noexcept {
  return i < 0 ? -1 : order(static_cast<std::uint64_t>(i), u);
}

bool is_number(const Value& value) noexcept {
  return value.is(Kind::integer) || value.is(Kind::unsigned_integer) || value.is(Kind::real);
}

bool is_nan(const Value& value) noexcept {
  return value.is(Kind::real) && std::isnan(value.as_real());
}

// Two numbers, neither NaN.
int compare_numbers(const Value& left, const Value& right) noexcept {
  if (left.is(Kind::integer)) {
    if (right.is(Kind::integer)) return order(left.as_int(), right.as_int());
    if (right.is(Kind::real)) return -compare_real_int(right.as_real(), left.as_int());
    return compare_int_uint(left.as_int(), right.as_uint());
  }
  if (left.is(Kind::unsigned_integer)) {
    if (right.is(Kind::integer)) return -compare_int_uint(right.as_int(), left.as_uint());
    if (right.is(Kind::real)) return -compare_real_uint(right.as_real(), left.as_uint());
    return order(left.as_uint(), right.as_uint());
  }
  if (right.is(Kind::integer)) return compare_real_int(left.as_real(), right.as_int());
  if (right.is(Kind::real)) return order(left.as_real(), right.as_real());
  return compare_real_uint(left.as_real(), right.as_uint());
}

int compare_times(const Timestamp& left, const Timestamp& right) noexcept {
  const int seconds = order(left.seconds, right.seconds);
  return seconds != 0 ? seconds : order(left.nanos, right.nanos);
}

bool equal_at(const Value& left, const Value& right, Budget& budget, int depth);

bool equal_lists(const Value& left, const Value& right, Budget& budget, int depth) {
  const auto a = left.elements();
  const auto b = right.elements();
  if (a->size() != b->size()) return false;
  for (std::size_t i = 0; i < a->size(); ++i) {
    if (!equal_at((*a)[i], (*b)[i], budget, depth + 1)) return false;
  }
  return true;
}

bool equal_maps(const Value& left, const Value& right, Budget& budget, int depth) {
  const auto a = left.entries();
  const auto b = Value(right.is_raw() ? Value::map(*right.entries()) : right);
  if (a->size() != b.entries()->size()) return false;
  for (const auto& [key, value] : *a) {
    const auto other = find(b, key, budget);
    if (!other || !equal_at(value, *other, budget, depth + 1)) return false;
  }
  return true;
}

// What it costs to open a container.
bool pay_for(const Value& container, Budget& budget) {
  if (container.is_raw()) return budget.spend_bytes(container.view().size());
  if (container.is(Kind::list)) return budget.spend(container.elements()->size());
  if (container.is(Kind::map)) return budget.spend(container.entries()->size());
  return budget.spend();
}

bool equal_at(const Value& left, const Value& right, Budget& budget, int depth) {
  if (depth > kEqualDepthMax || !pay_for(left, budget) || !pay_for(right, budget)) return false;
  if (is_number(left) && is_number(right)) {
    return !is_nan(left) && !is_nan(right) && compare_numbers(left, right) == 0;
  }
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::null: return true;
    case Kind::boolean: return left.as_bool() == right.as_bool();
    case Kind::text:
    case Kind::bytes:
    case Kind::type: return budget.spend_bytes(left.view().size()) && left.view() == right.view();
    case Kind::timestamp: return compare_times(left.as_timestamp(), right.as_timestamp()) == 0;
    case Kind::duration: return left.as_int() == right.as_int();
    case Kind::list: return equal_lists(left, right, budget, depth);
    case Kind::map: return equal_maps(left, right, budget, depth);
    default: return false;
  }
}

}  // namespace

Value no_such_overload() { return Value::error("no such overload"); }

bool equal(const Value& left, const Value& right, Budget& budget) {
  return equal_at(left, right, budget, 0);
}

Value compare(const Value& left, const Value& right) {
  if (is_number(left) && is_number(right)) {
    if (is_nan(left) || is_nan(right)) return Value::error("NaN values cannot be ordered");
    return Value::integer(compare_numbers(left, right));
  }
  if (left.kind() != right.kind()) return no_such_overload();
  switch (left.kind()) {
    case Kind::boolean: return Value::integer(order(left.as_bool(), right.as_bool()));
    case Kind::text:
    case Kind::bytes: return Value::integer(order(left.view().compare(right.view()), 0));
    case Kind::timestamp:
      return Value::integer(compare_times(left.as_timestamp(), right.as_timestamp()));
    case Kind::duration: return Value::integer(order(left.as_int(), right.as_int()));
    default: return no_such_overload();
  }
}

namespace {

Value overflow(std::string_view what) { return Value::error(std::string(what) + " overflow"); }

Value int_arithmetic(Function function, std::int64_t a, std::int64_t b, Kind result) {
  std::int64_t value = 0;
  bool over = false;
  switch (function) {
    case Function::add: over = __builtin_add_overflow(a, b, &value); break;
    case Function::subtract: over = __builtin_sub_overflow(a, b, &value); break;
    case Function::multiply: over = __builtin_mul_overflow(a, b, &value); break;
    default: {
      const bool divides = function == Function::divide;
      if (b == 0) return Value::error(divides ? "division by zero" : "modulus by zero");
      over = a == std::numeric_limits<std::int64_t>::min() && b == -1;
      if (!over) value = divides ? a / b : a % b;
    }
  }
  if (over) return overflow("integer");
  return result == Kind::duration ? Value::duration(value) : Value::integer(value);
}

Value uint_arithmetic(Function function, std::uint64_t a, std::uint64_t b) {
  std::uint64_t value = 0;
  bool over = false;
  switch (function) {
    case Function::add: over = __builtin_add_overflow(a, b, &value); break;
    case Function::subtract: over = __builtin_sub_overflow(a, b, &value); break;
    case Function::multiply: over = __builtin_mul_overflow(a, b, &value); break;
    default: {
      const bool divides = function == Function::divide;
      if (b == 0) return Value::error(divides ? "division by zero" : "modulus by zero");
      value = divides ? a / b : a % b;
    }
  }
  return over ? overflow("unsigned integer") : Value::unsigned_integer(value);
}

Value real_arithmetic(Function function, double a, double b) {
  switch (function) {
    case Function::add: return Value::real(a + b);
    case Function::subtract: return Value::real(a - b);
    case Function::multiply: return Value::real(a * b);
    // IEEE 754: x/0 is an infinity or NaN, no fault.
    case Function::divide: return Value::real(b == 0 ? a * std::copysign(INFINITY, b) : a / b);
    default: return no_such_overload();
  }
}

Value shift(const Timestamp& time, std::int64_t nanos) {
  Timestamp result = time;
  std::int64_t fraction = time.nanos + nanos % kNanos;
  std::int64_t seconds = nanos / kNanos;
  if (fraction < 0) {
    fraction += kNanos;
    --seconds;
  } else if (fraction >= kNanos) {
    fraction -= kNanos;
    ++seconds;
  }
  result.nanos = static_cast<std::int32_t>(fraction);
  if (__builtin_add_overflow(time.seconds, seconds, &result.seconds) ||
      result.seconds < kTimestampMin || result.seconds > kTimestampMax) {
    return overflow("timestamp");
  }
  return Value::timestamp(result);
}

Value difference(const Timestamp& a, const Timestamp& b) {
  std::int64_t nanos = 0;
  if (__builtin_mul_overflow(a.seconds - b.seconds, kNanos, &nanos) ||
      __builtin_add_overflow(nanos, std::int64_t{a.nanos} - b.nanos, &nanos)) {
    return overflow("integer");
  }
  return Value::duration(nanos);
}

Value time_arithmetic(Function function, const Value& left, const Value& right) {
  const bool adds = function == Function::add;
  if (!adds && function != Function::subtract) return no_such_overload();
  if (left.is(Kind::duration)) {
    if (right.is(Kind::duration)) {
      return int_arithmetic(function, left.as_int(), right.as_int(), Kind::duration);
    }
    if (adds && right.is(Kind::timestamp)) return shift(right.as_timestamp(), left.as_int());
    return no_such_overload();
  }
  if (right.is(Kind::duration)) {
    const std::int64_t nanos = right.as_int();
    if (adds) return shift(left.as_timestamp(), nanos);
    if (nanos == std::numeric_limits<std::int64_t>::min()) return overflow("integer");
    return shift(left.as_timestamp(), -nanos);
  }
  if (adds || !right.is(Kind::timestamp)) return no_such_overload();
  return difference(left.as_timestamp(), right.as_timestamp());
}

Value concatenate(const Value& left, const Value& right, Budget& budget) {
  if (left.is(Kind::list)) {
    if (!pay_for(left, budget) || !pay_for(right, budget)) return Value::error("too much work");
    Value::List joined = *left.elements();
    const auto more = right.elements();
    joined.insert(joined.end(), more->begin(), more->end());
    return Value::list(std::move(joined));
  }
  if (!budget.spend_bytes(left.view().size() + right.view().size())) {
    return Value::error("too much work");
  }
  std::string joined(left.view());
  joined += right.view();
  return left.is(Kind::text) ? Value::text(std::move(joined)) : Value::bytes(std::move(joined));
}

}  // namespace

Value arithmetic(Function function, const Value& left, const Value& right, Budget& budget) {
  if (left.is(Kind::timestamp) || left.is(Kind::duration)) {
    return time_arithmetic(function, left, right);
  }
  if (left.kind() != right.kind()) return no_such_overload();
  switch (left.kind()) {
    case Kind::integer:
      return int_arithmetic(function, left.as_int(), right.as_int(), Kind::integer);
    case Kind::unsigned_integer: return uint_arithmetic(function, left.as_uint(), right.as_uint());
    case Kind::real: return real_arithmetic(function, left.as_real(), right.as_real());
    case Kind::text:
    case Kind::bytes:
    case Kind::list:
      if (function == Function::add) return concatenate(left, right, budget);
      return no_such_overload();
    default: return no_such_overload();
  }
}

Value negate(const Value& operand) {
  if (operand.is(Kind::real)) return Value::real(-operand.as_real());
  if (!operand.is(Kind::integer) && !operand.is(Kind::duration)) return no_such_overload();
  return int_arithmetic(Function::subtract, 0, operand.as_int(), operand.kind());
}

std::optional<std::int64_t> lossless_int(double value) noexcept {
  if (!(value > -kTwoTo63 && value < kTwoTo63) || value != std::trunc(value)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

namespace {

// Whether a map's key is the one looked for. Keys are never doubles; a double finds an integer.
bool same_key(const Value& key, const Value& wanted) noexcept {
  if (is_number(key) && is_number(wanted)) {
    if (is_nan(wanted) || key.is(Kind::real)) return false;
    if (wanted.is(Kind::real) && wanted.as_real() != std::trunc(wanted.as_real())) return false;
    return compare_numbers(key, wanted) == 0;
  }
  if (key.kind() != wanted.kind()) return false;
  if (key.is(Kind::null)) return true;
  if (key.is(Kind::boolean)) return key.as_bool() == wanted.as_bool();
  if (key.is(Kind::duration)) return key.as_int() == wanted.as_int();
  return key.is(Kind::text) && key.view() == wanted.view();
}

Value no_such_key(const Value& key) {
  if (!key.is(Kind::text)) return Value::error("no such key");
  return Value::error("no such key: " + std::string(key.view()));
}

// The index a value means, or nullopt if it can be none.
std::optional<std::int64_t> list_index(const Value& key) noexcept {
  switch (key.kind()) {
    case Kind::integer: return key.as_int();
    case Kind::real: return lossless_int(key.as_real());
    case Kind::unsigned_integer:
      if (key.as_uint() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return std::nullopt;
      }
      return static_cast<std::int64_t>(key.as_uint());
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<Value> find(const Value& map, const Value& key, Budget& budget) {
  if (!pay_for(map, budget)) return std::nullopt;
  if (map.is_raw()) {
    return key.is(Kind::text) ? map.raw_member(key.view()) : std::nullopt;
  }
  for (const auto& [candidate, value] : *map.entries()) {
    if (same_key(candidate, key)) return value;
  }
  return std::nullopt;
}

Value index(const Value& container, const Value& key, Budget& budget) {
  if (container.is(Kind::map)) {
    auto found = find(container, key, budget);
    return found ? *std::move(found) : no_such_key(key);
  }
  if (!container.is(Kind::list)) return no_such_key(key);
  const auto at = list_index(key);
  if (!at) return Value::error("unsupported index in list");
  std::optional<Value> found;
  if (container.is_raw()) {
    if (pay_for(container, budget)) found = container.raw_element(*at);
  } else if (const auto& list = *container.elements();
             *at >= 0 && *at < static_cast<std::int64_t>(list.size())) {
    found = list[static_cast<std::size_t>(*at)];
  }
  return found ? *std::move(found) : Value::error("index out of bounds: " + std::to_string(*at));
}

Value select(const Value& map, std::string_view name, Budget& budget) {
  const Value key = Value::borrow_text(name);
  if (!map.is(Kind::map)) return no_such_key(key);
  auto found = find(map, key, budget);
  return found ? *std::move(found) : no_such_key(key);
}

Value has(const Value& map, std::string_view name, Budget& budget) {
  if (map.is(Kind::list)) return Value::error("unsupported index type 'string' in list");
  if (!map.is(Kind::map)) return Value::boolean(false);
  return Value::boolean(find(map, Value::borrow_text(name), budget).has_value());
}

Value contains(const Value& container, const Value& element, Budget& budget) {
  if (container.is(Kind::map)) return Value::boolean(find(container, element, budget).has_value());
  if (!container.is(Kind::list)) return no_such_overload();
  if (!pay_for(container, budget)) return Value::error("too much work");
  const auto list = container.elements();
  for (const Value& candidate : *list) {
    if (equal(element, candidate, budget)) return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value size_of(const Value& operand, Budget& budget) {
  std::size_t size = 0;
  switch (operand.kind()) {
    case Kind::text:
      budget.spend_bytes(operand.view().size());
      size = static_cast<std::size_t>(std::ranges::count_if(
          operand.view(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
      break;
    case Kind::bytes: size = operand.view().size(); break;
    case Kind::list:
    case Kind::map:
      if (!pay_for(operand, budget)) return Value::error("too much work");
      size = operand.is(Kind::list) ? operand.elements()->size() : operand.entries()->size();
      break;
    default: return no_such_overload();
  }
  return Value::integer(static_cast<std::int64_t>(size));
}

}  // namespace outrigger::cel
