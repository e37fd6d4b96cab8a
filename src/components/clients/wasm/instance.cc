#include "components/clients/wasm/instance.h"

#include <algorithm>

#include "components/clients/wasm/machine.h"

namespace outrigger::components::wasm {
namespace {

constexpr std::uint64_t kPageBytes = 65'536;

Error outside() { return {Code::out_of_range, "out of bounds memory access"}; }

}  // namespace

Instance::Instance(std::unique_ptr<State> state) : state_(std::move(state)) {}
Instance::~Instance() = default;

const Module& Instance::module() const noexcept { return *state_->module; }

std::size_t Instance::bytes() const noexcept {
  std::size_t bytes = state_->memory.capacity();
  for (const auto& table : state_->tables) bytes += table.capacity() * sizeof(Reference);
  return bytes;
}

namespace {

std::uint64_t value_of(const Constant& constant) {
  return constant.from == Constant::From::function ? constant.bits + 1 : constant.bits;
}

Result<std::vector<HostFunction>> resolve(const Module& module, Resolver& resolver) {
  std::vector<HostFunction> found;
  for (const ImportedFunction& import : module.imports) {
    auto function = resolver.find(import, module.types[import.type]);
    if (!function) {
      return fail(Code::invalid_argument, "unknown import " + import.module + "." + import.name);
    }
    found.push_back(std::move(function));
  }
  return found;
}

}  // namespace

Result<std::unique_ptr<Instance>> Instance::make(std::shared_ptr<const Module> module,
                                                 Resolver& resolver, Allowance allowance) {
  auto state = std::make_unique<State>();
  state->allowance = allowance;
  OUT_TRY(state->host, resolve(*module, resolver));
  if (module->memory && module->memory->min > allowance.memory_pages_max) {
    return fail(Code::resource_exhausted, "the guest wants more memory than it may have");
  }
  if (module->memory) state->memory.resize(module->memory->min * kPageBytes);
  for (const TableType& table : module->tables) {
    if (table.limits.min > allowance.table_entries_max) {
      return fail(Code::resource_exhausted, "the guest wants a larger table than it may have");
    }
    state->tables.emplace_back(table.limits.min);
  }
  for (const Global& global : module->globals) state->globals.push_back(value_of(global.initial));
  state->dropped_elements.resize(module->elements.size());
  state->dropped_data.resize(module->data.size());
  state->stack = std::make_unique_for_overwrite<std::uint64_t[]>(allowance.stack_slots_max);
  state->module = module;
  for (std::size_t i = 0; i < module->elements.size(); ++i) {
    const ElementSegment& segment = module->elements[i];
    state->dropped_elements[i] = segment.mode != ElementSegment::Mode::passive;
    if (segment.mode != ElementSegment::Mode::active) continue;
    auto& table = state->tables[segment.table];
    const std::uint64_t at = segment.offset.bits;
    if (at + segment.items.size() > table.size()) {
      return fail(Code::invalid_argument, "out of bounds table access");
    }
    std::ranges::transform(segment.items, table.begin() + static_cast<std::ptrdiff_t>(at),
                           value_of);
  }
  for (std::size_t i = 0; i < module->data.size(); ++i) {
    const DataSegment& segment = module->data[i];
    state->dropped_data[i] = segment.active;
    if (!segment.active) continue;
    const std::uint64_t at = segment.offset.bits;
    if (at + segment.bytes.size() > state->memory.size()) {
      return fail(Code::invalid_argument, "out of bounds memory access");
    }
    std::ranges::copy(segment.bytes, state->memory.begin() + static_cast<std::ptrdiff_t>(at));
  }
  std::unique_ptr<Instance> instance(new Instance(std::move(state)));
  if (module->start) {
    Machine machine(*instance, *instance->state_);
    OUT_CHECK(machine.run(*module->start));
  }
  return instance;
}

Result<std::vector<std::uint64_t>> Instance::call(std::string_view name,
                                                  std::vector<std::uint64_t> arguments) {
  const Export* found = state_->module->find_export(name, Kind::function);
  if (found == nullptr) {
    return fail(Code::not_found, "the guest exports no function " + std::string(name));
  }
  const FunctionType& type = state_->module->type_of_function(found->index);
  const bool fits =
      type.params.size() == arguments.size() &&
      std::max(type.params.size(), type.results.size()) < state_->allowance.stack_slots_max;
  if (!fits) return fail(Code::invalid_argument, "wrong number of arguments");
  OUT_ASSERT(!state_->running);
  state_->running = true;
  Machine machine(*this, *state_);
  for (const std::uint64_t argument : arguments) machine.push(argument);
  auto ran = machine.run(found->index);
  state_->running = false;
  if (!ran) return std::unexpected(std::move(ran).error());
  const std::uint64_t* const results = state_->stack.get();
  return std::vector<std::uint64_t>(results, results + type.results.size());
}

Result<std::span<std::uint8_t>> Instance::memory(std::uint32_t at, std::uint32_t bytes) {
  auto& memory = state_->memory;
  if (std::uint64_t{at} + bytes > memory.size()) return std::unexpected(outside());
  return std::span<std::uint8_t>(memory).subspan(at, bytes);
}

Result<std::string> Instance::read(std::uint32_t at, std::uint32_t bytes) {
  OUT_TRY(const auto part, memory(at, bytes));
  return std::string(part.begin(), part.end());
}

Result<std::string> Instance::read_text(std::uint32_t at) {
  const auto& memory = state_->memory;
  if (at >= memory.size()) return std::unexpected(outside());
  const auto begin = memory.begin() + static_cast<std::ptrdiff_t>(at);
  const auto end = std::find(begin, memory.end(), std::uint8_t{0});
  if (end == memory.end()) return std::unexpected(outside());
  return std::string(begin, end);
}

Result<> Instance::write(std::uint32_t at, std::string_view bytes) {
  if (bytes.size() > state_->memory.size()) return std::unexpected(outside());
  OUT_TRY(const auto part, memory(at, static_cast<std::uint32_t>(bytes.size())));
  std::ranges::copy(bytes, part.begin());
  return {};
}

Result<> Instance::write_number(std::uint32_t at, std::uint64_t value, unsigned bytes) {
  OUT_TRY(const auto part, memory(at, bytes));
  for (unsigned i = 0; i < bytes; ++i) part[i] = static_cast<std::uint8_t>(value >> (8 * i));
  return {};
}

Result<std::uint64_t> Instance::read_number(std::uint32_t at, unsigned bytes) {
  OUT_TRY(const auto part, memory(at, bytes));
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= std::uint64_t{part[i]} << (8 * i);
  return value;
}

std::optional<std::uint64_t> Instance::global(std::string_view name) const {
  const Export* found = state_->module->find_export(name, Kind::global);
  if (found == nullptr) return std::nullopt;
  return state_->globals[found->index];
}

}  // namespace outrigger::components::wasm
