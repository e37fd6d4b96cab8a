#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// JSON without a tree: writing, checking, and reading through views into the text. Numbers stay
/// the bytes they were, so large integers keep their digits. Nothing here throws or recurses.
namespace outrigger::json {

/// Nesting that is accepted; Go's encoding/json has the same limit.
inline constexpr int kDepthMax = 10'000;

/// Whether < > & in strings are written as \u003c and so on, as Go's json.Marshal does.
enum class Html : std::uint8_t { escape, keep };

/// Appends the string in quotes. Ill-formed UTF-8 becomes \ufffd, U+2028 and U+2029 are escaped.
void append_string(std::string& out, std::string_view text, Html html = Html::escape);
[[nodiscard]] std::string quote(std::string_view text, Html html = Html::escape);
/// The shortest form that reads back equal, as Go writes float64; NaN and infinities are null.
void append_double(std::string& out, double value);

/// Whether the text is one JSON value (RFC 8259) with white space around. As in Go, the bytes
/// inside strings need not be UTF-8.
[[nodiscard]] bool is_valid(std::string_view text) noexcept;

/// The value the text begins with (white space before it is skipped), nullopt if there is none.
/// What follows is not looked at, as Go's json.Decoder reads.
[[nodiscard]] std::optional<std::string_view> first_value(std::string_view text) noexcept;

/// Appends the text without white space between tokens, byte for byte otherwise (Go's
/// json.Compact; with Html::escape as json.Marshal embeds a RawMessage). False, with `out` as it
/// was, if the text is not valid.
[[nodiscard]] bool append_compact(std::string& out, std::string_view text, Html html = Html::keep);

enum class Type : std::uint8_t { null, boolean, number, string, array, object, invalid };

/// What a value is, judged by its first byte. For raw values given by the readers, and for text
/// found valid (white space before it is skipped).
[[nodiscard]] Type type_of(std::string_view raw) noexcept;

/// A raw string value without quotes and escapes; nullopt if it is not a string. Lone surrogates
/// and ill-formed UTF-8 become U+FFFD.
[[nodiscard]] std::optional<std::string> string_value(std::string_view raw);
/// The same without a copy if the string has no escapes, else by way of `scratch`.
[[nodiscard]] std::optional<std::string_view> string_view_value(std::string_view raw,
                                                                std::string& scratch);
[[nodiscard]] std::optional<bool> bool_value(std::string_view raw) noexcept;
/// nullopt if it is not a number, has a fraction or exponent, or does not fit.
[[nodiscard]] std::optional<std::int64_t> int_value(std::string_view raw) noexcept;
[[nodiscard]] std::optional<double> double_value(std::string_view raw) noexcept;

/// Reads the members of an object in order, checking as it goes:
///   ObjectReader members(text);
///   while (members.next()) use(members.key(), members.value());
///   if (!members.ok()) ...  // The text is not one valid object.
/// Views of the values live as long as the text; of a key, until the next next().
class ObjectReader {
 public:
  explicit ObjectReader(std::string_view text) noexcept;
  /// False at the end and on an error.
  [[nodiscard]] bool next();
  [[nodiscard]] std::string_view key() const noexcept { return key_; }
  /// Equal but for the case of ASCII letters: how Go's decoder finds a struct's field.
  [[nodiscard]] bool key_is(std::string_view name) const noexcept;
  /// The raw value, valid JSON without white space around.
  [[nodiscard]] std::string_view value() const noexcept { return value_; }
  /// After next() gave false: whether the whole text was an object and valid.
  [[nodiscard]] bool ok() const noexcept { return state_ == State::done; }

 private:
  friend class ArrayReader;
  enum class State : std::uint8_t { first, more, done, failed };
  bool fail() noexcept;

  std::string_view rest_;
  std::string_view key_;
  std::string_view value_;
  std::string scratch_;
  State state_ = State::first;
};

/// The same for the elements of an array.
class ArrayReader {
 public:
  explicit ArrayReader(std::string_view text) noexcept;
  [[nodiscard]] bool next();
  [[nodiscard]] std::string_view value() const noexcept { return value_; }
  [[nodiscard]] bool ok() const noexcept { return state_ == ObjectReader::State::done; }

 private:
  bool fail() noexcept;

  std::string_view rest_;
  std::string_view value_;
  ObjectReader::State state_ = ObjectReader::State::first;
};

/// The raw value of a member, the last one if there are several; nullopt if there is none or the
/// text is not a valid object.
[[nodiscard]] std::optional<std::string_view> member(std::string_view object, std::string_view key);

/// Calls `visit(key, raw_value)` for each member. False if the text is not a valid object, perhaps
/// after some calls.
template <class Visit>
[[nodiscard]] bool for_each_member(std::string_view text, Visit&& visit) {
  ObjectReader members(text);
  while (members.next()) visit(members.key(), members.value());
  return members.ok();
}
template <class Visit>
[[nodiscard]] bool for_each_element(std::string_view text, Visit&& visit) {
  ArrayReader elements(text);
  while (elements.next()) visit(elements.value());
  return elements.ok();
}

/// Appends JSON to a string; sets the commas. The caller keeps begin and end in balance and gives
/// each value in an object a key.
class Writer {
 public:
  explicit Writer(std::string& out, Html html = Html::escape) noexcept : out_(out), html_(html) {}

  Writer& begin_object() { return open('{'); }
  Writer& end_object() { return close('}'); }
  Writer& begin_array() { return open('['); }
  Writer& end_array() { return close(']'); }
  Writer& key(std::string_view name);
  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view(text)); }
  Writer& value(const std::string& text) { return value(std::string_view(text)); }
  Writer& value(bool truth) { return raw(truth ? "true" : "false"); }
  Writer& value(double number);
  Writer& value(std::int64_t number);
  Writer& value(std::uint64_t number);
  Writer& value(int number) { return value(static_cast<std::int64_t>(number)); }
  Writer& value(unsigned number) { return value(static_cast<std::uint64_t>(number)); }
  Writer& null() { return raw("null"); }
  /// Text that is JSON already.
  Writer& raw(std::string_view json);
  /// A key and its value.
  template <class Value>
  Writer& member(std::string_view name, const Value& content) {
    return key(name).value(content);
  }
  Writer& raw_member(std::string_view name, std::string_view json) { return key(name).raw(json); }

 private:
  Writer& open(char bracket);
  Writer& close(char bracket);
  void separate();

  std::string& out_;
  Html html_;
  bool comma_ = false;
};

}  // namespace outrigger::json
