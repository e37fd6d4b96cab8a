#pragma once

#include <functional>
#include <string>

#include "components/clients/wasm/instance.h"

namespace outrigger::components::wasm {

/// How a guest ended itself by proc_exit: the message of an error of Code::aborted.
inline constexpr std::string_view kExitMessage = "the guest has ended itself with status ";

/// The part of WASI (preview 1) that a guest without files has: clocks, random numbers, output.
/// Everything else answers "not supported"; there are no files, no arguments, no environment.
struct Wasi {
  /// Clocks that advance a millisecond each time, and random numbers that are always the same.
  bool strict_sandbox = false;
  /// What the guest writes to its standard output (1) and error (2).
  std::function<void(int stream, std::string_view text)> output;

  /// The function of that name; nullptr for one that cannot be WASI's.
  HostFunction find(std::string_view name, const FunctionType& type);

 private:
  Result<std::uint32_t> call(std::string_view name, Instance& instance,
                             std::span<const std::uint64_t> arguments);
  Result<std::uint32_t> write(Instance& instance, std::span<const std::uint64_t> arguments);
  Result<std::uint32_t> random(Instance& instance, std::uint32_t at, std::uint32_t bytes);
  std::uint64_t time(std::uint64_t clock);
  std::uint64_t ticks_ = 0;
  std::uint64_t seed_ = 1;
};

}  // namespace outrigger::components::wasm
