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
};

/// Checks the body of a function (its locals and its code) and fills in what the interpreter runs.
/// Code::invalid_argument says what is wrong with it.
Result<> compile_function(const Surroundings& around, Function& function, std::string_view body);

}  // namespace outrigger::components::wasm
