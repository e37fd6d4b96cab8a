#pragma once

#include <cstdint>
#include <optional>

#include "runtime/cel/budget.h"
#include "runtime/cel/functions.h"
#include "runtime/cel/value.h"

/// What operators do with values, as cel-go 0.20 does it. A value of kind error stands for "no
/// such overload", overflow and the like; no operand is one.
namespace outrigger::cel {

[[nodiscard]] Value no_such_overload();

/// Equality across types: numbers by value, lists and maps by content. Never an error.
[[nodiscard]] bool equal(const Value& left, const Value& right, Budget& budget);
/// -1, 0 or 1 as an integer.
[[nodiscard]] Value compare(const Value& left, const Value& right);
/// add, subtract, multiply, divide, modulo.
[[nodiscard]] Value arithmetic(Function function, const Value& left, const Value& right,
                               Budget& budget);
[[nodiscard]] Value negate(const Value& operand);

/// The value under a key of a map, or nullopt; numeric keys are found across types.
[[nodiscard]] std::optional<Value> find(const Value& map, const Value& key, Budget& budget);
/// container[key].
[[nodiscard]] Value index(const Value& container, const Value& key, Budget& budget);
/// map.name, and has(map.name).
[[nodiscard]] Value select(const Value& map, std::string_view name, Budget& budget);
[[nodiscard]] Value has(const Value& map, std::string_view name, Budget& budget);
/// element in container.
[[nodiscard]] Value contains(const Value& container, const Value& element, Budget& budget);
/// Code points of text, bytes, elements or entries.
[[nodiscard]] Value size_of(const Value& operand, Budget& budget);

/// A double that is exactly an integer, as that integer.
[[nodiscard]] std::optional<std::int64_t> lossless_int(double value) noexcept;

}  // namespace outrigger::cel
