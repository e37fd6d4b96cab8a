#pragma once

#include <expected>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

/// Errors as values: `Result<T>` is a value or an `Error`. Exceptions do not cross a folder's
/// boundary; whoever calls a throwing library catches at the call.
namespace outrigger {

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Code::not_found, "no key " + name);` in a function that returns a Result.
[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected(Error(code, std::move(message)));
}

/// The same with the error code that API clients see (facts/errors.tsv, "ERR_...").
[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string_view tag,
                                                 std::string message) {
  return std::unexpected(Error(code, tag, std::move(message)));
}

[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
  return std::unexpected(std::move(error));
}

/// Logs the broken promise and ends the process. Reached through OUT_ASSERT only.
[[noreturn]] void assertion_failed(const char* expression,
                                   std::source_location where = std::source_location::current());

}  // namespace outrigger

/// Our own mistakes, checked in release too. The world's mistakes are an Error instead.
#define OUT_ASSERT(expression) \
  (static_cast<bool>(expression) ? void(0) : ::outrigger::assertion_failed(#expression))

#define OUT_CONCAT_2(a, b) a##b
#define OUT_CONCAT(a, b) OUT_CONCAT_2(a, b)

#define OUT_TRY_IMPL(leave, name, declaration, ...)            \
  auto name = (__VA_ARGS__);                                   \
  if (!name) leave ::std::unexpected(std::move(name).error()); \
  declaration = std::move(*name)

/// `OUT_TRY(auto x, f());` declares x from the value of f() or returns its error.
#define OUT_TRY(declaration, ...) \
  OUT_TRY_IMPL(return, OUT_CONCAT(out_try_, __COUNTER__), declaration, __VA_ARGS__)
/// `OUT_CO_TRY(auto x, co_await f());`: the same inside a coroutine.
#define OUT_CO_TRY(declaration, ...) \
  OUT_TRY_IMPL(co_return, OUT_CONCAT(out_try_, __COUNTER__), declaration, __VA_ARGS__)

#define OUT_CHECK_IMPL(leave, name, ...) \
  auto name = (__VA_ARGS__);             \
  if (!name) leave ::std::unexpected(std::move(name).error())

/// `OUT_CHECK(f());` returns the error of a call whose value does not matter.
#define OUT_CHECK(...) OUT_CHECK_IMPL(return, OUT_CONCAT(out_check_, __COUNTER__), __VA_ARGS__)
/// `OUT_CO_CHECK(co_await f());`: the same inside a coroutine.
#define OUT_CO_CHECK(...) \
  OUT_CHECK_IMPL(co_return, OUT_CONCAT(out_check_, __COUNTER__), __VA_ARGS__)
