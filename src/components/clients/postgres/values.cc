#include "components/clients/postgres/values.h"

#include <limits>

#include "base/hex.h"
#include "base/strings.h"

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;

template <class Unsigned>
void append_big_endian(std::string& out, Unsigned number) {
  for (int shift = 8 * (static_cast<int>(sizeof number) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(number >> shift)));
  }
}

std::uint64_t big_endian(std::string_view bytes) noexcept {
  std::uint64_t number = 0;
  for (const char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

constexpr std::uint32_t kTextType = 25;
constexpr char kJsonbVersion = 1;
/// PostgreSQL counts microseconds from here.
constexpr WallTime kEpoch = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

}  // namespace

std::string from_integer(std::int64_t number) {
  std::string out;
  append_big_endian(out, static_cast<std::uint64_t>(number));
  return out;
}

std::string from_unsigned(std::uint32_t number) {
  std::string out;
  append_big_endian(out, number);
  return out;
}

std::string from_bool(bool truth) { return {truth ? '\1' : '\0'}; }

std::string from_json(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  out.push_back(kJsonbVersion);
  out.append(text);
  return out;
}

std::string from_uuid(std::string_view text) {
  std::string digits(text);
  if (text.size() == 36) {
    if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') return {};
    std::erase(digits, '-');
  }
  if (digits.size() != 32) return {};
  return hex_decode(digits).value_or(std::string());
}

std::string from_texts(std::span<const std::string> texts) {
  std::string out;
  append_big_endian(out, std::uint32_t{texts.empty() ? 0U : 1U});  // Dimensions.
  append_big_endian(out, std::uint32_t{0});                        // No element is NULL.
  append_big_endian(out, kTextType);
  if (texts.empty()) return out;
  append_big_endian(out, static_cast<std::uint32_t>(texts.size()));
  append_big_endian(out, std::uint32_t{1});  // Index of the first.
  for (const std::string& text : texts) {
    append_big_endian(out, static_cast<std::uint32_t>(text.size()));
    out.append(text);
  }
  return out;
}

std::int64_t to_integer(std::string_view bytes) noexcept {
  const std::uint64_t number = big_endian(bytes);
  if (bytes.size() == 8) return static_cast<std::int64_t>(number);
  if (bytes.size() == 4) return static_cast<std::int32_t>(number);
  if (bytes.size() == 2) return static_cast<std::int16_t>(number);
  return 0;
}

std::uint32_t to_unsigned(std::string_view bytes) noexcept {
  return bytes.size() == 4 ? static_cast<std::uint32_t>(big_endian(bytes)) : 0;
}

bool to_bool(std::string_view bytes) noexcept { return bytes.size() == 1 && bytes[0] != 0; }

std::string_view to_json(std::string_view bytes) noexcept {
  if (bytes.starts_with(kJsonbVersion)) bytes.remove_prefix(1);
  return bytes;
}

std::string to_uuid(std::string_view bytes) {
  if (bytes.size() != 16) return {};
  std::string text = hex_encode(bytes);
  for (const std::size_t place : {8, 13, 18, 23}) text.insert(place, 1, '-');
  return text;
}

WallTime to_time(std::string_view bytes) noexcept {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1000;
  constexpr std::int64_t kOffset = kEpoch.time_since_epoch().count() / 1000;
  const std::int64_t micros = to_integer(bytes);
  if (micros >= kMost - kOffset) return WallTime::max();
  if (micros <= -kMost) return WallTime::min();
  return kEpoch + std::chrono::microseconds(micros);
}

}  // namespace outrigger::components::postgres
