#include "components/clients/wasm/module.h"

#include <algorithm>
#include <set>

#include "components/clients/wasm/compiler.h"
#include "components/clients/wasm/reader.h"

namespace outrigger::components::wasm {
namespace {

constexpr std::uint32_t kPagesMax = 65'536;
constexpr std::uint32_t kValuesMax = 1'000;  // Parameters, or results, of a function.

/// Reads the sections of one module, in their order.
class Sections {
 public:
  explicit Sections(Reader reader) : reader_(std::move(reader)) {}

  bool read() {
    if (reader_.take(4) != std::string_view("\0asm", 4)) reader_.fail("magic header not detected");
    if (reader_.fixed(4) != 1) reader_.fail("unknown binary version");
    int last = 0;
    while (reader_.ok() && !reader_.at_end()) {
      const std::uint8_t id = reader_.byte();
      const std::string_view body = reader_.take(reader_.u32());
      if (!reader_.ok()) return false;
      Reader section(body);
      if (id == 0) {
        [[maybe_unused]] const auto name = section.name();
      } else {
        // The count of data stands before the code.
        const int place = id == 12 ? 19 : id * 2;
        if (id > 12 || place <= last) section.fail("unexpected content after last section");
        last = place;
        if (section.ok()) read_section(id, section);
        if (section.ok() && !section.at_end()) section.fail("section size mismatch");
      }
      if (!section.ok()) reader_.fail(section.error());
    }
    check_whole();
    return reader_.ok();
  }
  [[nodiscard]] const std::string& error() const { return reader_.error(); }
  Module module;

 private:
  void read_section(std::uint8_t id, Reader& in) {
    switch (id) {
      case 1: return types(in);
      case 2: return imports(in);
      case 3: return functions(in);
      case 4: return tables(in);
      case 5: return memories(in);
      case 6: return globals(in);
      case 7: return exports(in);
      case 8: return start(in);
      case 9: return elements(in);
      case 10: return code(in);
      case 11: return data(in);
      default: data_count_ = in.u32(); return;
    }
  }

  static std::vector<ValueType> values(Reader& in) {
    std::vector<ValueType> list;
    const std::uint32_t count = in.count();
    if (count > kValuesMax) in.fail("a function has more than 1000 parameters or results");
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) list.push_back(in.value_type());
    return list;
  }
  void types(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      if (in.byte() != 0x60) in.fail("malformed function type");
      FunctionType type;
      type.params = values(in);
      type.results = values(in);
      module.types.push_back(std::move(type));
    }
  }
  std::uint32_t type_index(Reader& in) {
    const std::uint32_t index = in.u32();
    if (index >= module.types.size()) in.fail("unknown type");
    return in.ok() ? index : 0;
  }
  void imports(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      ImportedFunction import;
      import.module = in.name();
      import.name = in.name();
      const std::uint8_t kind = in.byte();
      if (kind == 2 && !module.memory) {
        // One of the instance's own: it has no other to share it with.
        module.memory = in.limits(kPagesMax);
        continue;
      }
      if (kind != 0 && in.ok()) {
        in.fail(kind > 3 ? "malformed import kind"
                         : "only functions and a memory can be imported, not " + import.module +
                               "." + import.name);
      }
      import.type = type_index(in);
      module.imports.push_back(std::move(import));
    }
  }
  void functions(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      module.functions.emplace_back().type = type_index(in);
    }
  }
  void tables(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      TableType table;
      table.element = in.reference_type();
      table.limits = in.limits(UINT32_MAX);
      module.tables.push_back(table);
    }
  }
  void memories(Reader& in) {
    const std::uint32_t count = in.count();
    if (count > (module.memory ? 0 : 1)) in.fail("multiple memories");
    if (count == 1) module.memory = in.limits(kPagesMax);
  }
  void globals(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      Global global;
      global.type.type = in.value_type();
      const std::uint8_t flag = in.byte();
      if (flag > 1) in.fail("malformed mutability");
      global.type.is_mutable = flag == 1;
      global.initial = constant(in, global.type.type);
      module.globals.push_back(global);
    }
  }
  void exports(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
      Export one;
      one.name = in.name();
      const std::uint8_t kind = in.byte();
      if (kind > 3) in.fail("malformed export kind");
      one.kind = static_cast<Kind>(kind);
      one.index = in.u32();
      if (one.kind == Kind::function) module_refs_.push_back(one.index);
      module.exports.push_back(std::move(one));
    }
  }
  void start(Reader& in) { module.start = in.u32(); }

  Constant constant(Reader& in, ValueType wanted);
  void element(Reader& in);
  void elements(Reader& in) {
    for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) element(in);
  }
  void code(Reader& in) {
    const std::uint32_t count = in.count();
    if (count != module.functions.size()) {
      return in.fail("function and code section have inconsistent lengths");
    }
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      bodies_.push_back(in.take(in.u32()));
    }
  }
  void data(Reader& in) {
    const std::uint32_t count = in.count();
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
      DataSegment segment;
      const std::uint32_t flags = in.u32();
      if (flags > 2) in.fail("malformed data segment flags");
      if (flags == 2 && in.u32() != 0) in.fail("unknown memory");
      segment.active = flags != 1;
      if (segment.active) {
        if (!module.memory) in.fail("unknown memory");
        segment.offset = constant(in, ValueType::i32);
      }
      segment.bytes = std::string(in.take(in.u32()));
      module.data.push_back(std::move(segment));
    }
  }

  void check_whole();
  void check_export(const Export& one);

  Reader reader_;
  std::optional<std::uint32_t> data_count_;
  std::vector<std::string_view> bodies_;
  std::vector<std::uint32_t> module_refs_;  // Functions that are named outside of code.
};

Constant Sections::constant(Reader& in, ValueType wanted) {
  Constant value;
  switch (in.byte()) {
    case 0x41:
      value.type = ValueType::i32;
      value.bits = static_cast<std::uint32_t>(in.s32());
      break;
    case 0x42:
      value.type = ValueType::i64;
      value.bits = static_cast<std::uint64_t>(in.s64());
      break;
    case 0x43:
      value.type = ValueType::f32;
      value.bits = in.fixed(4);
      break;
    case 0x44:
      value.type = ValueType::f64;
      value.bits = in.fixed(8);
      break;
    case 0xd0: value.type = in.reference_type(); break;
    case 0xd2:
      value.type = ValueType::funcref;
      value.from = Constant::From::function;
      value.bits = in.u32();
      if (value.bits >= module.function_count()) in.fail("unknown function");
      module_refs_.push_back(static_cast<std::uint32_t>(value.bits));
      break;
    case 0x23: in.fail("unknown global"); break;  // Only those that are imported, and none is.
    default: in.fail("constant expression required"); break;
  }
  if (in.ok() && in.byte() != 0x0b) in.fail("constant expression required");
  if (in.ok() && value.type != wanted) in.fail("type mismatch");
  return value;
}

void Sections::element(Reader& in) {
  ElementSegment segment;
  const std::uint32_t flags = in.u32();
  if (flags > 7) return in.fail("malformed element segment kind");
  const bool not_active = (flags & 1) != 0;
  const bool by_expressions = (flags & 4) != 0;
  const bool says_which = (flags & 2) != 0;  // The table; or, if not active, that it is declared.
  using Mode = ElementSegment::Mode;
  segment.mode = !not_active ? Mode::active : says_which ? Mode::declared : Mode::passive;
  if (segment.mode == Mode::active) {
    if (says_which) segment.table = in.u32();
    if (segment.table >= module.tables.size()) return in.fail("unknown table");
    segment.offset = constant(in, ValueType::i32);
  }
  if (not_active || says_which) {
    if (by_expressions) {
      segment.type = in.reference_type();
    } else if (in.byte() != 0) {
      return in.fail("malformed element kind");
    }
  }
  for (std::uint32_t left = in.count(); left > 0 && in.ok(); --left) {
    if (by_expressions) {
      segment.items.push_back(constant(in, segment.type));
      continue;
    }
    Constant item{.from = Constant::From::function, .type = ValueType::funcref, .bits = in.u32()};
    if (item.bits >= module.function_count()) in.fail("unknown function");
    module_refs_.push_back(static_cast<std::uint32_t>(item.bits));
    segment.items.push_back(item);
  }
  if (segment.mode == Mode::active && module.tables[segment.table].element != segment.type) {
    in.fail("type mismatch");
  }
  module.elements.push_back(std::move(segment));
}

void Sections::check_export(const Export& one) {
  std::size_t count = 0;
  switch (one.kind) {
    case Kind::function: count = module.function_count(); break;
    case Kind::table: count = module.tables.size(); break;
    case Kind::memory: count = module.memory ? 1 : 0; break;
    case Kind::global: count = module.globals.size(); break;
  }
  if (one.index >= count) reader_.fail("unknown " + one.name + " is exported");
}

void Sections::check_whole() {
  if (!reader_.ok()) return;
  if (bodies_.size() != module.functions.size()) {
    return reader_.fail("function and code section have inconsistent lengths");
  }
  if (data_count_ && *data_count_ != module.data.size()) {
    return reader_.fail("data count and data section have inconsistent lengths");
  }
  std::vector<std::string_view> names;
  names.reserve(module.exports.size());
  for (const Export& one : module.exports) {
    names.emplace_back(one.name);
    check_export(one);
  }
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end()) {
    return reader_.fail("duplicate export name");
  }
  if (module.start) {
    if (*module.start >= module.function_count()) return reader_.fail("unknown function");
    if (module.type_of_function(*module.start) != FunctionType()) {
      return reader_.fail("start function");
    }
  }
  std::uint64_t values_left = kValuesCheckedMax;
  const Surroundings around{.module = module,
                            .data_count = data_count_,
                            .declared = {module_refs_.begin(), module_refs_.end()},
                            .values_left = values_left};
  for (std::size_t i = 0; i < bodies_.size() && reader_.ok(); ++i) {
    const auto compiled = compile_function(around, module.functions[i], bodies_[i]);
    if (!compiled) reader_.fail(compiled.error().message());
  }
}

}  // namespace

const FunctionType& Module::type_of_function(std::uint32_t index) const {
  if (index < imports.size()) return types[imports[index].type];
  return types[functions[index - imports.size()].type];
}

const Export* Module::find_export(std::string_view name, Kind kind) const noexcept {
  const auto found = std::ranges::find(exports, name, &Export::name);
  return found == exports.end() || found->kind != kind ? nullptr : &*found;
}

Result<std::shared_ptr<const Module>> parse_module(std::string_view bytes) {
  if (bytes.size() > kModuleBytesMax) {
    return fail(Code::invalid_argument, "the module has more than 16 MiB");
  }
  Sections sections{Reader(bytes)};
  if (!sections.read()) return fail(Code::invalid_argument, sections.error());
  return std::make_shared<const Module>(std::move(sections.module));
}

}  // namespace outrigger::components::wasm
