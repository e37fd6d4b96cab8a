#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/cel/evaluator.h"
#include "runtime/cel/value.h"

/// The Common Expression Language, for routing rules and for the trip conditions of circuit
/// breakers: what cel-go 0.20 with its standard library accepts and answers.
namespace outrigger::cel {

/// Work one evaluation may do, in units of budget.h: a few tens of milliseconds at the worst.
inline constexpr std::int64_t kWorkUnitsMax = 1'000'000;

/// A compiled expression. Immutable; any thread may evaluate it.
class Program {
 public:
  Program(Program&&) noexcept;
  Program& operator=(Program&&) noexcept;
  ~Program();

  /// The truth of the expression with `event` as its variable of that name.
  /// Code::invalid_argument if the evaluation fails (a field that is not there, an overflow, ...)
  /// or gives something else than a bool; Code::resource_exhausted if it takes too much work.
  [[nodiscard]] Result<bool> matches(const Value& event) const;
  /// The same with other variables. A variable that is used but not bound is an error.
  [[nodiscard]] Result<bool> matches(std::span<const Binding> bindings) const;
  /// Whatever it evaluates to.
  [[nodiscard]] Result<Value> evaluate(std::span<const Binding> bindings) const;

  [[nodiscard]] const std::string& source() const noexcept;

 private:
  friend Result<Program> compile(std::string_view source);
  struct Impl;
  explicit Program(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

/// Parses and checks an expression; Code::invalid_argument with the place and the reason.
Result<Program> compile(std::string_view source);

}  // namespace outrigger::cel
