#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace outrigger::cel {

/// A point in time with the zone offset it was written with, which CEL keeps.
struct Timestamp {
  std::int64_t seconds = 0;  ///< Since the Unix epoch.
  std::int32_t nanos = 0;    ///< 0 to 999,999,999.
  std::int32_t offset_seconds = 0;
};

/// A value of the Common Expression Language. Immutable; a copy shares its content.
/// JSON objects and arrays stay text until somebody looks into them, so that building the value
/// of an event costs little.
class Value {
 public:
  enum class Kind : std::uint8_t {
    null,
    boolean,
    integer,
    unsigned_integer,
    real,
    text,
    bytes,
    timestamp,
    duration,
    type,
    list,
    map,
    /// Inside an evaluation an error is a value, for && and || may absorb it.
    error,
  };
  using List = std::vector<Value>;
  using Entries = std::vector<std::pair<Value, Value>>;

  Value() = default;  ///< null
  static Value boolean(bool value);
  static Value integer(std::int64_t value);
  static Value unsigned_integer(std::uint64_t value);
  static Value real(double value);
  static Value text(std::string value);
  static Value bytes(std::string value);
  static Value timestamp(Timestamp value);
  static Value duration(std::int64_t nanos);
  /// A type, by its CEL name: "int", "map", "google.protobuf.Timestamp".
  static Value type(std::string name);
  static Value list(List elements);
  /// Keys occur once; only null, boolean, numbers but `real`, text and duration are ever found.
  static Value map(Entries entries);
  static Value error(std::string message);

  /// The value of a JSON text; numbers become `real`, as they do upstream. An error if it is not
  /// JSON.
  static Result<Value> from_json(std::string_view text);
  /// The same without a copy. The text must be valid JSON without white space around and outlive
  /// the value and all that was taken out of it.
  static Value borrow_json(std::string_view text);
  /// A string or bytes value without a copy; the same promise as to lifetime.
  static Value borrow_text(std::string_view text);
  static Value borrow_bytes(std::string_view bytes);

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  [[nodiscard]] bool is(Kind kind) const noexcept { return kind_ == kind; }
  [[nodiscard]] bool is_error() const noexcept { return kind_ == Kind::error; }
  [[nodiscard]] bool is_true() const noexcept { return is(Kind::boolean) && as_bool(); }
  [[nodiscard]] bool is_false() const noexcept { return is(Kind::boolean) && !as_bool(); }
  /// CEL's name of the value's type: "bool", "int", "null_type", ...
  [[nodiscard]] std::string_view type_name() const noexcept;

  /// The kind must be right.
  [[nodiscard]] bool as_bool() const noexcept { return *std::get_if<bool>(&data_); }
  [[nodiscard]] std::int64_t as_int() const noexcept { return *std::get_if<std::int64_t>(&data_); }
  [[nodiscard]] std::uint64_t as_uint() const noexcept {
    return *std::get_if<std::uint64_t>(&data_);
  }
  [[nodiscard]] double as_real() const noexcept { return *std::get_if<double>(&data_); }
  [[nodiscard]] const Timestamp& as_timestamp() const noexcept {
    return *std::get_if<Timestamp>(&data_);
  }
  /// The content of text, bytes, a type's name, an error's message, or of a raw container.
  [[nodiscard]] std::string_view view() const noexcept { return std::get_if<Slice>(&data_)->view; }

  /// A list or map that is still JSON text.
  [[nodiscard]] bool is_raw() const noexcept {
    return (is(Kind::list) || is(Kind::map)) && std::holds_alternative<Slice>(data_);
  }
  /// The elements of a list, the entries of a map; decodes one level of a raw one. A key that
  /// occurs twice in JSON counts once, with its last value.
  [[nodiscard]] std::shared_ptr<const List> elements() const;
  [[nodiscard]] std::shared_ptr<const Entries> entries() const;
  /// The member of a raw map, or nullopt; decodes nothing else.
  [[nodiscard]] std::optional<Value> raw_member(std::string_view key) const;
  /// The element of a raw list, or nullopt.
  [[nodiscard]] std::optional<Value> raw_element(std::int64_t index) const;

 private:
  /// Part of a text: kept alive by `owner`, or by the caller's promise if that is null.
  struct Slice {
    std::shared_ptr<const std::string> owner;
    std::string_view view;
  };
  using Data = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, Timestamp,
                            Slice, std::shared_ptr<const List>, std::shared_ptr<const Entries>>;

  Value(Kind kind, Data data) : kind_(kind), data_(std::move(data)) {}
  static Value owned(Kind kind, std::string content);
  static Value from_checked_json(const std::shared_ptr<const std::string>& owner,
                                 std::string_view text);

  Kind kind_ = Kind::null;
  Data data_;
};

}  // namespace outrigger::cel
