#pragma once

#include <cstdint>
#include <optional>

#include "components/clients/wasm/module.h"

namespace outrigger::components::wasm {

/// An operation on numbers alone: its operands, all of one type, and its result.
struct Signature {
  unsigned operands = 1;
  ValueType operand = ValueType::i32;
  ValueType result = ValueType::i32;
};
/// By the number of Instruction::op; nullopt for other operations.
std::optional<Signature> signature_of(std::uint16_t op) noexcept;

/// A load or a store of memory.
struct Access {
  ValueType type = ValueType::i32;
  unsigned bytes_log2 = 0;
  bool is_store = false;
};
std::optional<Access> access_of(std::uint16_t op) noexcept;

}  // namespace outrigger::components::wasm
