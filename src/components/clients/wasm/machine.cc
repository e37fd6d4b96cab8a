#include "components/clients/wasm/machine.h"

#include <algorithm>

namespace outrigger::components::wasm {
namespace {

// A host function may copy a megabyte.
constexpr std::uint64_t kHostCall = 1'000;

const Handlers& handlers() {
  static const Handlers kAll = [] {
    Handlers made;
    add_control(made);
    add_memory(made);
    add_tables(made);
    add_integers(made);
    add_floats(made);
    add_conversions(made);
    return made;
  }();
  return kAll;
}

void go_if_zero(Machine& machine, const Instruction& instruction) {
  if (machine.pop32() == 0) machine.pc = machine.code + instruction.a;
}
void branch_if(Machine& machine, const Instruction& instruction) {
  if (machine.pop32() != 0) machine.branch(instruction);
}
void branch_table(Machine& machine, const Instruction& instruction) {
  // The branches themselves follow.
  machine.pc += std::min(machine.pop32(), instruction.a);
}
void select(Machine& machine, const Instruction&) {
  const bool first = machine.pop32() != 0;
  const std::uint64_t second = machine.pop();
  if (!first) machine.sp[-1] = second;
}
void call_indirect(Machine& machine, const Instruction& instruction) {
  const auto& table = machine.state.tables[instruction.b];
  const std::uint32_t index = machine.pop32();
  if (index >= table.size()) return machine.trap("undefined element");
  if (table[index] == 0) return machine.trap("uninitialized element");
  const auto function = static_cast<std::uint32_t>(table[index] - 1);
  const Module& module = *machine.state.module;
  if (module.type_of_function(function) != module.types[instruction.a]) {
    return machine.trap("indirect call type mismatch");
  }
  machine.enter(function);
}

}  // namespace

void add_control(Handlers& all) {
  all.of[0x00] = [](Machine& m, const Instruction&) { m.trap("unreachable"); };
  all.of[op::kGo] = [](Machine& m, const Instruction& i) { m.pc = m.code + i.a; };
  all.of[op::kGoIfZero] = &go_if_zero;
  all.of[op::kBranch] = [](Machine& m, const Instruction& i) { m.branch(i); };
  all.of[op::kBranchIf] = &branch_if;
  all.of[op::kBranchTable] = &branch_table;
  all.of[op::kReturn] = [](Machine& m, const Instruction& i) { m.leave(i.arity); };
  all.of[0x10] = [](Machine& m, const Instruction& i) { m.enter(i.a); };
  all.of[0x11] = &call_indirect;
  all.of[0x1a] = [](Machine& m, const Instruction&) { --m.sp; };
  all.of[0x1b] = &select;
  all.of[0x20] = [](Machine& m, const Instruction& i) { m.push(m.fp[i.a]); };
  all.of[0x21] = [](Machine& m, const Instruction& i) { m.fp[i.a] = m.pop(); };
  all.of[0x22] = [](Machine& m, const Instruction& i) { m.fp[i.a] = m.sp[-1]; };
  all.of[0x23] = [](Machine& m, const Instruction& i) { m.push(m.state.globals[i.a]); };
  all.of[0x24] = [](Machine& m, const Instruction& i) { m.state.globals[i.a] = m.pop(); };
  for (const std::size_t constant : {0x41, 0x42, 0x43, 0x44}) {
    all.of[constant] = [](Machine& m, const Instruction& i) { m.push(i.b); };
  }
}

Machine::Machine(Instance& of, Instance::State& its)
    : instance(of),
      state(its),
      sp(its.stack.get()),
      fp(sp),
      stack_end_(sp + its.allowance.stack_slots_max),
      end_(std::chrono::steady_clock::now() + its.allowance.time_max) {}

void Machine::look_at_the_clock() {
  fuel = kFuel;
  if (std::chrono::steady_clock::now() >= end_) {
    fail_with(Code::deadline_exceeded, "the guest takes too long");
  }
}

void Machine::branch(const Instruction& to) {
  charge(1);
  std::uint64_t* const at = fp + to.b;
  if (to.arity > 0) std::memmove(at, sp - to.arity, to.arity * sizeof *sp);
  sp = at + to.arity;
  pc = code + to.a;
}

void Machine::leave(std::uint32_t arity) {
  if (arity > 0) std::memmove(fp, sp - arity, arity * sizeof *sp);
  sp = fp + arity;
  const Frame frame = frames_.back();
  frames_.pop_back();
  fp = frame.fp;
  pc = frame.pc;
  code = frame.code;
}

void Machine::enter(std::uint32_t index) {
  charge(1);
  const Module& module = *state.module;
  if (index < module.imports.size()) return call_host(index);
  const Function& function = module.functions[index - module.imports.size()];
  const std::size_t params = module.types[function.type].params.size();
  std::uint64_t* const base = sp - params;
  const bool room = static_cast<std::size_t>(stack_end_ - base) > function.stack_max &&
                    frames_.size() < state.allowance.frames_max;
  if (!room) return trap("call stack exhausted");
  frames_.push_back({.fp = fp, .pc = pc, .code = code});
  fp = base;
  std::fill(sp, base + function.locals, 0);
  sp = base + function.locals;
  code = function.code.data();
  pc = code;
  charge(function.locals / 64);
}

void Machine::call_host(std::uint32_t index) {
  const FunctionType& type = state.module->type_of_function(index);
  const std::size_t slots = std::max(type.params.size(), type.results.size());
  std::uint64_t* const base = sp - type.params.size();
  if (static_cast<std::size_t>(stack_end_ - base) <= slots) {
    return trap("call stack exhausted");
  }
  auto called = state.host[index](instance, {base, slots});
  if (!called) {
    error = std::move(called).error();
    return;
  }
  sp = base + type.results.size();
  // What the host does takes longer than any operation.
  charge(kHostCall);
}

Result<> Machine::run(std::uint32_t function) {
  const Handlers& all = handlers();
  enter(function);
  // The last leave() takes the last frame; a host function has none.
  while (!error && !frames_.empty()) {
    const Instruction& instruction = *pc++;
    all.of[instruction.op](*this, instruction);
  }
  if (error) return std::unexpected(*std::move(error));
  return {};
}

}  // namespace outrigger::components::wasm
