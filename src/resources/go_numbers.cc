#include "resources/go_numbers.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace outrigger {
namespace {

// 0.d1d2d3... times ten to the power of `point`.
struct Decimal {
  bool negative = false;
  std::string digits;
  int point = 0;
};

template <class Float>
Decimal shortest(Float value) {
  std::array<char, 64> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                          std::chars_format::scientific);
  OUT_ASSERT(error == std::errc{});
  Decimal decimal;
  std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  if (text.starts_with('-')) {
    decimal.negative = true;
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  decimal.point = parse_int<int>(text.substr(e + 1)).value_or(0) + 1;
  for (const char c : text.substr(0, e)) {
    if (c != '.') decimal.digits += c;
  }
  return decimal;
}

std::string exponent_form(const Decimal& decimal, std::size_t exponent_digits) {
  std::string out = decimal.negative ? "-" : "";
  out += decimal.digits[0];
  if (decimal.digits.size() > 1) out.append(".").append(decimal.digits, 1);
  const int exponent = decimal.point - 1;
  const std::string number = std::to_string(std::abs(exponent));
  out += exponent < 0 ? "e-" : "e+";
  if (number.size() < exponent_digits) out.append(exponent_digits - number.size(), '0');
  return out + number;
}

std::string plain_form(const Decimal& decimal) {
  std::string out = decimal.negative ? "-" : "";
  const auto digits = static_cast<int>(decimal.digits.size());
  if (decimal.point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-decimal.point), '0').append(decimal.digits);
  } else if (decimal.point >= digits) {
    out += decimal.digits;
    out.append(static_cast<std::size_t>(decimal.point - digits), '0');
  } else {
    out.append(decimal.digits, 0, static_cast<std::size_t>(decimal.point));
    out.append(".").append(decimal.digits, static_cast<std::size_t>(decimal.point));
  }
  return out;
}

}  // namespace

std::string go_general(float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  const Decimal decimal = shortest(value);
  const int exponent = decimal.point - 1;
  // Go decides as if six digits had been asked for.
  if (exponent < -4 || exponent >= 6) {
    return exponent_form(decimal, 2);
  }
  return plain_form(decimal);
}

std::string go_json_number(double value) {
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  const double magnitude = std::abs(value);
  const Decimal decimal = shortest(value);
  if (magnitude < 1e-6 || magnitude >= 1e21) return exponent_form(decimal, 1);
  return plain_form(decimal);
}

void append_go_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const Rune rune = decode_rune(text);
    const std::string_view bytes = text.substr(0, rune.bytes);
    text.remove_prefix(rune.bytes);
    switch (rune.value) {
      case '"': out += "\\\""; continue;
      case '\\': out += "\\\\"; continue;
      case '\n': out += "\\n"; continue;
      case '\r': out += "\\r"; continue;
      case '\t': out += "\\t"; continue;
      case '\b': out += "\\b"; continue;
      case '\f': out += "\\f"; continue;
      case 0x2028: out += "\\u2028"; continue;
      case 0x2029: out += "\\u2029"; continue;
      default: break;
    }
    if (!rune.valid()) {
      out += "\\ufffd";
    } else if (rune.value < 0x20 || rune.value == '<' || rune.value == '>' || rune.value == '&') {
      out += "\\u00";
      out += kHex[rune.value >> 4];
      out += kHex[rune.value & 15];
    } else {
      out += bytes;
    }
  }
  out += '"';
}

}  // namespace outrigger
