#include <algorithm>

#include "components/clients/wasm/machine.h"

namespace outrigger::components::wasm {
namespace {

constexpr const char* kOutside = "out of bounds table access";

void get(Machine& machine, const Instruction& instruction) {
  const auto& table = machine.state.tables[instruction.a];
  const std::uint32_t index = machine.pop32();
  if (index >= table.size()) return machine.trap(kOutside);
  machine.push(table[index]);
}
void set(Machine& machine, const Instruction& instruction) {
  auto& table = machine.state.tables[instruction.a];
  const Reference value = machine.pop();
  const std::uint32_t index = machine.pop32();
  if (index >= table.size()) return machine.trap(kOutside);
  table[index] = value;
}

void initialise(Machine& machine, const Instruction& instruction) {
  auto& table = machine.state.tables[instruction.b];
  const std::uint32_t count = machine.pop32();
  const std::uint32_t from = machine.pop32();
  const std::uint32_t to = machine.pop32();
  const auto& items = machine.state.module->elements[instruction.a].items;
  const std::size_t have = machine.state.dropped_elements[instruction.a] ? 0 : items.size();
  if (std::uint64_t{from} + count > have || std::uint64_t{to} + count > table.size()) {
    return machine.trap(kOutside);
  }
  machine.charge(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const Constant& item = items[from + i];
    table[to + i] = item.from == Constant::From::function ? item.bits + 1 : item.bits;
  }
}
void copy(Machine& machine, const Instruction& instruction) {
  auto& into = machine.state.tables[instruction.a];
  const auto& out = machine.state.tables[instruction.b];
  const std::uint32_t count = machine.pop32();
  const std::uint32_t from = machine.pop32();
  const std::uint32_t to = machine.pop32();
  if (std::uint64_t{from} + count > out.size() || std::uint64_t{to} + count > into.size()) {
    return machine.trap(kOutside);
  }
  machine.charge(count / 32);
  if (count > 0) std::memmove(into.data() + to, out.data() + from, count * sizeof(Reference));
}
void grow(Machine& machine, const Instruction& instruction) {
  auto& table = machine.state.tables[instruction.a];
  const std::uint64_t count = machine.pop32();
  const Reference value = machine.pop();
  const Limits& limits = machine.state.module->tables[instruction.a].limits;
  const std::uint64_t most =
      std::min(limits.max.value_or(UINT32_MAX), machine.state.allowance.table_entries_max);
  const std::size_t before = table.size();
  if (before + count > most) return machine.push(UINT32_MAX);
  machine.charge(count / 32);
  table.resize(before + count, value);
  machine.push(before);
}
void fill(Machine& machine, const Instruction& instruction) {
  auto& table = machine.state.tables[instruction.a];
  const std::uint32_t count = machine.pop32();
  const Reference value = machine.pop();
  const std::uint32_t to = machine.pop32();
  if (std::uint64_t{to} + count > table.size()) return machine.trap(kOutside);
  machine.charge(count / 32);
  std::fill_n(table.begin() + to, count, value);
}

}  // namespace

void add_tables(Handlers& all) {
  all.of[0x25] = &get;
  all.of[0x26] = &set;
  all.of[0xd0] = [](Machine& m, const Instruction&) { m.push(0); };
  all.of[0xd1] = [](Machine& m, const Instruction&) { m.sp[-1] = m.sp[-1] == 0 ? 1 : 0; };
  all.of[0xd2] = [](Machine& m, const Instruction& i) { m.push(std::uint64_t{i.a} + 1); };
  all.of[op::kPrefixed + 12] = &initialise;
  all.of[op::kPrefixed + 13] = [](Machine& m, const Instruction& i) {
    m.state.dropped_elements[i.a] = true;
  };
  all.of[op::kPrefixed + 14] = &copy;
  all.of[op::kPrefixed + 15] = &grow;
  all.of[op::kPrefixed + 16] = [](Machine& m, const Instruction& i) {
    m.push(m.state.tables[i.a].size());
  };
  all.of[op::kPrefixed + 17] = &fill;
}

}  // namespace outrigger::components::wasm
