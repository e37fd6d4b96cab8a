#include <algorithm>

#include "components/clients/wasm/machine.h"

namespace outrigger::components::wasm {
namespace {

constexpr std::uint32_t kPageBytes = 65'536;

/// Where `bytes` bytes of the memory begin; nullptr, and a trap, if they are not all there.
std::uint8_t* find(Machine& machine, std::uint64_t at, std::uint64_t bytes) {
  auto& memory = machine.state.memory;
  if (at + bytes <= memory.size()) return memory.data() + at;
  machine.trap("out of bounds memory access");
  return nullptr;
}

/// A load of Stored, which becomes a Value in the slot.
template <class Value, class Stored>
void load(Machine& machine, const Instruction& instruction) {
  const std::uint64_t at = static_cast<std::uint32_t>(machine.sp[-1]) + instruction.b;
  const auto* from = find(machine, at, sizeof(Stored));
  if (from == nullptr) return;
  Stored stored;
  std::memcpy(&stored, from, sizeof stored);
  machine.sp[-1] = to_slot(static_cast<Value>(stored));
}
template <class Stored>
void store(Machine& machine, const Instruction& instruction) {
  const auto stored = static_cast<Stored>(machine.pop());
  const std::uint64_t at = machine.pop32() + instruction.b;
  auto* to = find(machine, at, sizeof stored);
  if (to != nullptr) std::memcpy(to, &stored, sizeof stored);
}

void grow(Machine& machine, const Instruction&) {
  auto& state = machine.state;
  const std::uint64_t pages = state.memory.size() / kPageBytes;
  const std::uint64_t wanted = pages + machine.pop32();
  const std::uint64_t most =
      std::min(state.module->memory->max.value_or(kPageBytes), state.allowance.memory_pages_max);
  if (wanted > most) return machine.push(UINT32_MAX);
  machine.charge((wanted - pages) * kPageBytes / 256);
  state.memory.resize(wanted * kPageBytes);
  machine.push(pages);
}

void initialise(Machine& machine, const Instruction& instruction) {
  const std::uint32_t count = machine.pop32();
  const std::uint32_t from = machine.pop32();
  const std::uint32_t to = machine.pop32();
  std::string_view bytes;
  if (!machine.state.dropped_data[instruction.a]) {
    bytes = machine.state.module->data[instruction.a].bytes;
  }
  if (std::uint64_t{from} + count > bytes.size()) {
    return machine.trap("out of bounds memory access");
  }
  machine.charge(count / 256);
  auto* at = find(machine, to, count);
  if (at != nullptr && count > 0) std::memcpy(at, bytes.data() + from, count);
}
void copy(Machine& machine, const Instruction&) {
  const std::uint32_t count = machine.pop32();
  const auto* from = find(machine, machine.pop32(), count);
  auto* to = find(machine, machine.pop32(), count);
  if (from == nullptr || to == nullptr) return;
  machine.charge(count / 256);
  std::memmove(to, from, count);
}
void fill(Machine& machine, const Instruction&) {
  const std::uint32_t count = machine.pop32();
  const auto value = static_cast<std::uint8_t>(machine.pop32());
  auto* to = find(machine, machine.pop32(), count);
  if (to == nullptr) return;
  machine.charge(count / 256);
  std::memset(to, value, count);
}

}  // namespace

void add_memory(Handlers& all) {
  using std::int16_t, std::int32_t, std::int64_t, std::int8_t;
  using std::uint16_t, std::uint32_t, std::uint64_t, std::uint8_t;
  all.of[0x28] = all.of[0x2a] = &load<uint32_t, uint32_t>;
  all.of[0x29] = all.of[0x2b] = &load<uint64_t, uint64_t>;
  all.of[0x2c] = &load<int32_t, int8_t>;
  all.of[0x2d] = &load<uint32_t, uint8_t>;
  all.of[0x2e] = &load<int32_t, int16_t>;
  all.of[0x2f] = &load<uint32_t, uint16_t>;
  all.of[0x30] = &load<int64_t, int8_t>;
  all.of[0x31] = &load<uint64_t, uint8_t>;
  all.of[0x32] = &load<int64_t, int16_t>;
  all.of[0x33] = &load<uint64_t, uint16_t>;
  all.of[0x34] = &load<int64_t, int32_t>;
  all.of[0x35] = &load<uint64_t, uint32_t>;
  all.of[0x36] = all.of[0x38] = all.of[0x3e] = &store<uint32_t>;
  all.of[0x37] = all.of[0x39] = &store<uint64_t>;
  all.of[0x3a] = all.of[0x3c] = &store<uint8_t>;
  all.of[0x3b] = all.of[0x3d] = &store<uint16_t>;
  all.of[0x3f] = [](Machine& m, const Instruction&) { m.push(m.state.memory.size() / kPageBytes); };
  all.of[0x40] = &grow;
  all.of[op::kPrefixed + 8] = &initialise;
  all.of[op::kPrefixed + 9] = [](Machine& m, const Instruction& i) {
    m.state.dropped_data[i.a] = true;
  };
  all.of[op::kPrefixed + 10] = &copy;
  all.of[op::kPrefixed + 11] = &fill;
}

}  // namespace outrigger::components::wasm
