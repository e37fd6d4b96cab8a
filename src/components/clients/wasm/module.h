#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// WebAssembly 2.0 without SIMD: modules are read, checked, and turned into code for the
/// interpreter of instance.h. There is no library for it in our distribution, and an interpreter
/// keeps the limits that a guest must not pass: of time, of memory, of its stack.
namespace outrigger::components::wasm {

enum class ValueType : std::uint8_t {
  unknown = 0,  ///< Of what cannot be reached: fits everything.
  i32 = 0x7f,
  i64 = 0x7e,
  f32 = 0x7d,
  f64 = 0x7c,
  funcref = 0x70,
  externref = 0x6f,
};

struct FunctionType {
  std::vector<ValueType> params, results;
  bool operator==(const FunctionType&) const = default;
};

struct Limits {
  std::uint32_t min = 0;
  std::optional<std::uint32_t> max;
};
struct TableType {
  ValueType element = ValueType::funcref;
  Limits limits;
};
struct GlobalType {
  ValueType type = ValueType::i32;
  bool is_mutable = false;
};

enum class Kind : std::uint8_t { function = 0, table = 1, memory = 2, global = 3 };

struct ImportedFunction {
  std::string module, name;
  std::uint32_t type = 0;
};

/// An initial value: a constant, another global's value, or a reference to a function.
struct Constant {
  enum class From : std::uint8_t { value, global, function };
  From from = From::value;
  ValueType type = ValueType::i32;
  std::uint64_t bits = 0;  ///< The value, or the index.
};

struct Global {
  GlobalType type;
  Constant initial;
};
struct Export {
  std::string name;
  Kind kind = Kind::function;
  std::uint32_t index = 0;
};
struct ElementSegment {
  enum class Mode : std::uint8_t { active, passive, declared };
  Mode mode = Mode::active;
  ValueType type = ValueType::funcref;
  std::uint32_t table = 0;
  Constant offset;
  std::vector<Constant> items;
};
struct DataSegment {
  bool active = true;
  Constant offset;
  std::string bytes;
};

/// One instruction of the interpreter: an operation of WebAssembly (those behind 0xfc from 0x100
/// on) or one of Op's own, branches resolved.
struct Instruction {
  std::uint16_t op = 0;
  std::uint16_t arity = 0;  ///< Of a branch: how many values it takes along.
  std::uint32_t a = 0;      ///< An index, or where a branch leads.
  std::uint64_t b = 0;      ///< A constant, an offset, or the height that a branch leaves.
};
namespace op {
inline constexpr std::uint16_t kBranch = 0x0c, kBranchIf = 0x0d, kBranchTable = 0x0e,
                               kReturn = 0x0f;
inline constexpr std::uint16_t kGo = 0x02, kGoIfZero = 0x04;  ///< No value is moved.
inline constexpr std::uint16_t kPrefixed = 0x100;
inline constexpr std::uint16_t kCount = 0x112;
}  // namespace op

struct Function {
  std::uint32_t type = 0;
  std::uint32_t locals = 0;     ///< With the parameters.
  std::uint32_t stack_max = 0;  ///< Slots of locals and operands.
  std::vector<Instruction> code;
};

struct Module {
  std::vector<FunctionType> types;
  std::vector<ImportedFunction> imports;
  std::vector<Function>
      functions;  ///< Without those that are imported, which have the first indices.
  std::vector<TableType> tables;
  std::optional<Limits> memory;  ///< In pages of 64 KiB.
  std::vector<Global> globals;
  std::vector<Export> exports;
  std::optional<std::uint32_t> start;
  std::vector<ElementSegment> elements;
  std::vector<DataSegment> data;

  [[nodiscard]] const FunctionType& type_of_function(std::uint32_t index) const;
  [[nodiscard]] std::uint32_t function_count() const noexcept {
    return static_cast<std::uint32_t>(imports.size() + functions.size());
  }
  [[nodiscard]] const Export* find_export(std::string_view name, Kind kind) const noexcept;
};

/// Bytes of a module that are read at most.
inline constexpr std::size_t kModuleBytesMax = 16U << 20;

/// Reads and checks a module in the binary format. Code::invalid_argument says what is wrong with
/// it. It takes about a second at most, whatever the bytes are: what would take more is refused.
/// Only functions can be imported, and a memory, which is then the instance's own.
Result<std::shared_ptr<const Module>> parse_module(std::string_view bytes);

}  // namespace outrigger::components::wasm
