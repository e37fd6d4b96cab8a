#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "components/clients/wasm/module.h"

namespace outrigger::components::wasm {

class Instance;

/// A function that a guest may import. `slots` has its arguments, and takes its results; there are
/// as many as of whichever is more. i32 and f32 stand in the lower half of a slot. An error ends
/// the guest's call with it.
using HostFunction = std::function<Result<>(Instance& instance, std::span<std::uint64_t> slots)>;

/// Finds what a guest imports; nullptr: there is no such function.
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual HostFunction find(const ImportedFunction& import, const FunctionType& type) = 0;
};

/// What a guest may take.
struct Allowance {
  std::uint32_t memory_pages_max = 1024;  ///< 64 MiB.
  std::uint32_t table_entries_max = 1U << 20;
  std::uint32_t stack_slots_max = 256 * 1024;  ///< 2 MiB.
  std::uint32_t frames_max = 16 * 1024;
  /// Of one call().
  std::chrono::nanoseconds time_max = std::chrono::seconds(10);
};

/// One guest: a module with memory, globals and tables of its own. Used by one thread at a time.
/// Whatever a guest does ends within its allowance, in a result or an error: Code::aborted for a
/// trap, Code::deadline_exceeded; what make() cannot give it is Code::resource_exhausted.
class Instance {
 public:
  /// Code::invalid_argument for imports that nobody offers or segments that do not fit; a trap of
  /// the module's start function.
  static Result<std::unique_ptr<Instance>> make(std::shared_ptr<const Module> module,
                                                Resolver& resolver, Allowance allowance);
  ~Instance();

  /// Calls an exported function; its results. Not from within a HostFunction.
  Result<std::vector<std::uint64_t>> call(std::string_view name,
                                          std::vector<std::uint64_t> arguments);

  /// @name For host functions
  /// @{
  /// That part of the memory; Code::out_of_range if it is not all there. Valid until the guest runs
  /// again.
  Result<std::span<std::uint8_t>> memory(std::uint32_t at, std::uint32_t bytes);
  Result<std::string> read(std::uint32_t at, std::uint32_t bytes);
  /// What stands there up to a zero.
  Result<std::string> read_text(std::uint32_t at);
  Result<> write(std::uint32_t at, std::string_view bytes);
  /// A value in little-endian order.
  Result<> write_number(std::uint32_t at, std::uint64_t value, unsigned bytes);
  Result<std::uint64_t> read_number(std::uint32_t at, unsigned bytes);
  /// @}

  [[nodiscard]] std::optional<std::uint64_t> global(std::string_view name) const;
  /// What its memory and its tables take by now. They never become smaller.
  [[nodiscard]] std::size_t bytes() const noexcept;
  [[nodiscard]] const Module& module() const noexcept;

 private:
  friend class Machine;
  struct State;
  explicit Instance(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace outrigger::components::wasm
