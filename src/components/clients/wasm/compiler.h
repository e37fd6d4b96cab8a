#pragma once

#include <optional>
#include <set>
#include <string_view>

#include "components/clients/wasm/module.h"

namespace outrigger::components::wasm {

/// What the code of a function may name.
struct Surroundings {
  const Module& module;  ///< Complete but for its code.
  std::optional<std::uint32_t> data_count;
  std::set<std::uint32_t> declared;  ///< Functions that code may refer to.
  /// How many values may yet be looked at, in all functions. An instruction of three bytes can take
  /// and give thousands: 16 MiB of these would be checked for half a minute. What compilers make
  /// has some three to an instruction; so many are checked in less than a second.
  std::uint64_t& values_left;
};
inline constexpr std::uint64_t kValuesCheckedMax = 1U << 26;

/// Checks the body of a function (its locals and its code) and fills in what the interpreter runs.
/// Code::invalid_argument says what is wrong with it.
Result<> compile_function(const Surroundings& around, Function& function, std::string_view body);

}  // namespace outrigger::components::wasm
