#include "net/grpc/timeout.h"

#include "base/strings.h"

namespace outrigger::net::grpc {
namespace {

using std::chrono::nanoseconds;

struct Unit {
  char letter;
  std::int64_t nanoseconds;
};
constexpr Unit kUnits[] = {{'n', 1},
                           {'u', 1'000},
                           {'m', 1'000'000},
                           {'S', 1'000'000'000},
                           {'M', 60'000'000'000},
                           {'H', 3'600'000'000'000}};
constexpr std::int64_t kLargestValue = 99'999'999;

std::unexpected<Error> malformed(std::string why) {
  return fail(Code::internal, "malformed grpc-timeout: " + std::move(why));
}

}  // namespace

Result<nanoseconds> parse_timeout(std::string_view text) {
  if (text.size() < 2) {
    return malformed("transport: timeout string is too short: " + quoted(text));
  }
  if (text.size() > 9) {
    return malformed("transport: timeout string is too long: " + quoted(text));
  }
  const auto* unit = std::ranges::find(kUnits, text.back(), &Unit::letter);
  if (unit == std::end(kUnits)) {
    return malformed("transport: timeout unit is not recognized: " + quoted(text));
  }
  text.remove_suffix(1);
  std::int64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') {
      return malformed("strconv.ParseUint: parsing " + quoted(text) + ": invalid syntax");
    }
    value = value * 10 + (digit - '0');
  }
  if (value > kLongestTimeout.count() / unit->nanoseconds) return kLongestTimeout;
  return nanoseconds(value * unit->nanoseconds);
}

std::string format_timeout(nanoseconds timeout) {
  const std::int64_t left = timeout.count();
  if (left <= 0) return "0n";
  for (const Unit& unit : kUnits) {
    const std::int64_t value = left / unit.nanoseconds + (left % unit.nanoseconds != 0 ? 1 : 0);
    if (value <= kLargestValue || unit.letter == 'H') return std::to_string(value) + unit.letter;
  }
  return "0n";
}

}  // namespace outrigger::net::grpc
