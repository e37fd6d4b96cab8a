#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

/// Small text functions with Go's meaning where upstream's behaviour depends on it.
namespace outrigger {

/// The parts between separators; an empty text has one empty part. Views into `text`.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);
/// The same with each part trimmed and empty parts left out: what CSV flags and metadata mean.
[[nodiscard]] std::vector<std::string_view> split_list(std::string_view text, char separator = ',');
/// The text before and after the first separator; nullopt if there is none.
[[nodiscard]] std::optional<std::pair<std::string_view, std::string_view>> cut(
    std::string_view text, std::string_view separator) noexcept;
/// Without white space (space, \t \n \v \f \r) at both ends.
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;
[[nodiscard]] std::string join(const std::vector<std::string>& parts, std::string_view separator);
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from,
                                      std::string_view to);

/// ASCII only, as in header names; other bytes stay.
[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
[[nodiscard]] constexpr char to_upper(char c) noexcept {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
}
[[nodiscard]] std::string to_lower(std::string_view text);
[[nodiscard]] std::string to_upper(std::string_view text);
/// Equal but for the case of ASCII letters.
[[nodiscard]] bool equals_fold(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool starts_with_fold(std::string_view text, std::string_view prefix) noexcept;

/// Go's strconv.ParseBool: 1 t T TRUE true True and 0 f F FALSE false False, nothing else.
[[nodiscard]] std::optional<bool> parse_bool(std::string_view text) noexcept;
/// y yes true t on 1 in any case, with white space around: what upstream accepts in environment
/// variables and component metadata. Everything else is false.
[[nodiscard]] bool is_truthy(std::string_view text) noexcept;

/// The whole text as a decimal number (a leading + is allowed, as in Go's Atoi); nullopt if it is
/// not one or does not fit.
template <class Integer>
[[nodiscard]] std::optional<Integer> parse_int(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  Integer value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}
/// The whole text as a floating-point number; nullopt if it is not one.
[[nodiscard]] std::optional<double> parse_double(std::string_view text) noexcept;

/// Appends the decimal form.
void append_int(std::string& out, std::int64_t value);
void append_uint(std::string& out, std::uint64_t value);

/// Go's strconv.Quote (%q): double quotes, \n \t \" \\ \xNN \uNNNN; printable runes stay.
void append_quoted(std::string& out, std::string_view text);
[[nodiscard]] std::string quoted(std::string_view text);

/// One UTF-8 sequence: the code point and how many bytes it takes. Ill-formed input (overlong
/// forms, surrogates, above U+10FFFF, cut off) gives {0xFFFD, 1}. `text` must not be empty.
struct Rune {
  char32_t value;
  std::size_t bytes;
  [[nodiscard]] bool valid() const noexcept { return value != 0xFFFD || bytes == 3; }
};
[[nodiscard]] Rune decode_rune(std::string_view text) noexcept;
void append_rune(std::string& out, char32_t rune);
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;
/// The text with U+FFFD for each byte that is no part of UTF-8.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace outrigger
