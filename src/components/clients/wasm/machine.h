#pragma once

#include <bit>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "components/clients/wasm/instance.h"
#include "components/clients/wasm/module.h"

/// The inside of an instance, for the files that run it.
namespace outrigger::components::wasm {

/// A reference: to a function, by its index plus one, or to something of the host's; 0 is null.
using Reference = std::uint64_t;

struct Instance::State {
  std::shared_ptr<const Module> module;
  Allowance allowance;
  std::vector<HostFunction> host;
  std::vector<std::uint8_t> memory;
  std::vector<std::vector<Reference>> tables;
  std::vector<std::uint64_t> globals;
  std::vector<bool> dropped_elements, dropped_data;
  std::unique_ptr<std::uint64_t[]> stack;
  bool running = false;
};

/// Runs code of one instance. Its members are the registers of the interpreter.
class Machine {
 public:
  Machine(Instance& instance, Instance::State& state);
  /// Runs a function over the arguments at `sp`, which its results replace.
  Result<> run(std::uint32_t function);

  /// Ends the run; what is called after it does nothing but return.
  void trap(const char* why) { fail_with(Code::aborted, why); }
  void fail_with(Code code, std::string why) {
    if (!error) error.emplace(code, std::move(why));
  }
  void enter(std::uint32_t function);
  void leave(std::uint32_t arity);
  void branch(const Instruction& to);
  /// Pays for work; now and then looks whether the time is up.
  void charge(std::uint64_t units) {
    if (fuel > units) {
      fuel -= units;
    } else {
      look_at_the_clock();
    }
  }

  std::uint64_t pop() { return *--sp; }
  std::uint32_t pop32() { return static_cast<std::uint32_t>(*--sp); }
  void push(std::uint64_t value) { *sp++ = value; }

  Instance& instance;
  Instance::State& state;
  std::uint64_t* sp;
  std::uint64_t* fp;
  const Instruction* pc = nullptr;
  const Instruction* code = nullptr;
  std::optional<Error> error;

 private:
  struct Frame {
    std::uint64_t* fp;
    const Instruction* pc;
    const Instruction* code;
  };
  void call_host(std::uint32_t function);
  void look_at_the_clock();

  static constexpr std::uint64_t kFuel = 10'000;
  std::uint64_t fuel = kFuel;
  std::vector<Frame> frames_;
  std::uint64_t* const stack_end_;
  const std::chrono::steady_clock::time_point end_;
};

using Handler = void (*)(Machine& machine, const Instruction& instruction);

/// The handlers of operations, by their number; nullptr where there is none.
struct Handlers {
  Handler of[op::kCount] = {};
};
void add_control(Handlers& handlers);
void add_memory(Handlers& handlers);
void add_tables(Handlers& handlers);
void add_integers(Handlers& handlers);
void add_floats(Handlers& handlers);
void add_conversions(Handlers& handlers);

/// @name A value in a slot
/// @{
template <class T>
T from_slot(std::uint64_t slot) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(slot));
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<double>(slot);
  } else {
    return static_cast<T>(slot);
  }
}
template <class T>
std::uint64_t to_slot(T value) {
  if constexpr (std::is_same_v<T, float>) {
    return std::bit_cast<std::uint32_t>(value);
  } else if constexpr (std::is_same_v<T, double>) {
    return std::bit_cast<std::uint64_t>(value);
  } else {
    return static_cast<std::uint64_t>(static_cast<std::make_unsigned_t<T>>(value));
  }
}
template <>
inline std::uint64_t to_slot(bool value) {
  return value ? 1 : 0;
}
/// @}

/// Handlers of plain operations on numbers.
template <class T, auto function>
void unary(Machine& machine, const Instruction&) {
  machine.sp[-1] = to_slot(function(from_slot<T>(machine.sp[-1])));
}
template <class T, auto function>
void binary(Machine& machine, const Instruction&) {
  const T right = from_slot<T>(machine.pop());
  machine.sp[-1] = to_slot(function(from_slot<T>(machine.sp[-1]), right));
}

}  // namespace outrigger::components::wasm
