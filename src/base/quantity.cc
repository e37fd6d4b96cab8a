#include "base/quantity.h"

#include <limits>
#include <optional>
#include <string>

#include "base/strings.h"

namespace outrigger {
namespace {

__extension__ using Wide = unsigned __int128;

struct Scale {
  int two = 0;  // Value times 2^two times 10^ten.
  int ten = 0;
};

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::optional<Scale> scale_of(std::string_view suffix) {
  constexpr struct {
    std::string_view name;
    Scale scale;
  } kSuffixes[] = {
      {"", {0, 0}},    {"n", {0, -9}},  {"u", {0, -6}},  {"m", {0, -3}},
      {"k", {0, 3}},   {"M", {0, 6}},   {"G", {0, 9}},   {"T", {0, 12}},
      {"P", {0, 15}},  {"E", {0, 18}},  {"Ki", {10, 0}}, {"Mi", {20, 0}},
      {"Gi", {30, 0}}, {"Ti", {40, 0}}, {"Pi", {50, 0}}, {"Ei", {60, 0}},
  };
  for (const auto& known : kSuffixes) {
    if (known.name == suffix) return known.scale;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  const auto exponent = parse_int<int>(suffix.substr(1));
  if (!exponent || *exponent > 1000 || *exponent < -1000) return std::nullopt;
  return Scale{0, *exponent};
}

std::unexpected<Error> not_a_whole_number(std::string_view text) {
  return fail(Code::invalid_argument,
              "cannot get bytes from resource quantity value '" + std::string(text) + "'");
}

/// The value times its scale, if that is whole and fits.
std::optional<std::uint64_t> scaled(Wide value, Scale scale) {
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  if (value == 0) return 0;
  for (; scale.two > 0; --scale.two) {
    if (value >> 126 != 0) return std::nullopt;
    value *= 2;
  }
  for (; scale.ten < 0; ++scale.ten) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  for (; scale.ten > 0; --scale.ten) {
    if (value > kMax) return std::nullopt;
    value *= 10;
  }
  if (value > kMax) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

}  // namespace

Result<std::int64_t> parse_quantity(std::string_view text) {
  const std::string_view all = text;
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const std::size_t number_length = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, number_length);
  const std::string_view suffix = text.substr(number_length);
  const auto letters = std::min(suffix.find_first_not_of("eEinumkKMGTP"), suffix.size());
  std::string_view exponent = suffix.substr(letters);
  if (!exponent.empty() && (exponent[0] == '-' || exponent[0] == '+')) exponent.remove_prefix(1);
  if (number.empty() || number == "." || number.find('.') != number.rfind('.') ||
      exponent.find_first_not_of("0123456789") != std::string_view::npos) {
    return fail(Code::invalid_argument,
                "quantities must match the regular expression "
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  }
  auto scale = scale_of(suffix);
  if (!scale) return fail(Code::invalid_argument, "unable to parse quantity's suffix");
  Wide value = 0;
  bool in_fraction = false;
  for (const char c : number) {
    if (!is_digit(c)) {
      in_fraction = true;
      continue;
    }
    // 36 digits, more than any whole number of 64 bits needs with the smallest suffix.
    if (value >> 119 != 0) return not_a_whole_number(all);
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (in_fraction) --scale->ten;
  }
  const auto whole = scaled(value, *scale);
  if (!whole) return not_a_whole_number(all);
  const auto result = static_cast<std::int64_t>(*whole);
  return negative ? -result : result;
}

}  // namespace outrigger
