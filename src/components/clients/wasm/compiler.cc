#include "components/clients/wasm/compiler.h"

#include <algorithm>

#include "components/clients/wasm/reader.h"
#include "components/clients/wasm/signatures.h"

namespace outrigger::components::wasm {
namespace {

using enum ValueType;

constexpr std::uint32_t kLocalsMax = 50'000;
// Deeper nesting than any compiler makes; each costs memory here.
constexpr std::size_t kNestingMax = 100'000;
// Parameters and results of all blocks that are open at once.
constexpr std::size_t kNestedValuesMax = 1U << 20;

bool is_number(ValueType type) {
  return type == unknown || (type >= f64 && type <= i32);  // 0x7c to 0x7f.
}
bool is_reference(ValueType type) {
  return type == unknown || type == funcref || type == externref;
}

/// A block that is open: as in the appendix of the specification, "Validation Algorithm".
struct Block {
  enum class Kind : std::uint8_t { block, loop, condition, otherwise, function };
  Kind kind = Kind::block;
  FunctionType type;
  std::size_t height = 0;
  bool unreachable = false;
  std::uint32_t start = 0;              // Where a loop begins.
  std::vector<std::uint32_t> branches;  // Instructions that lead to its end.
  std::uint32_t condition = 0;          // The instruction that skips to `else`.
};

/// Checks one function and writes its code.
class Compiler {
 public:
  Compiler(const Surroundings& around, Function& function, std::string_view body)
      : around_(around),
        module_(around.module),
        function_(function),
        type_(module_.types[function.type]),
        in_(body) {}

  Result<> run() {
    read_locals();
    charge(type_.params.size() + type_.results.size());
    Block outer;
    outer.kind = Block::Kind::function;
    outer.type = {.params = {}, .results = type_.results};
    nested_values_ = values_of(outer);
    blocks_.push_back(std::move(outer));
    while (in_.ok() && !blocks_.empty()) operation();
    if (in_.ok() && !in_.at_end()) in_.fail("unexpected bytes after the end of a function");
    if (!in_.ok()) return fail(Code::invalid_argument, in_.error());
    function_.locals = static_cast<std::uint32_t>(locals_.size());
    function_.stack_max = static_cast<std::uint32_t>(locals_.size() + deepest_ + 1);
    return {};
  }

 private:
  void read_locals() {
    locals_ = type_.params;
    std::uint64_t total = locals_.size();
    for (std::uint32_t left = in_.count(); left > 0 && in_.ok(); --left) {
      const std::uint32_t count = in_.u32();
      total += count;
      if (total > kLocalsMax) return in_.fail("too many locals");
      if (!charge(count)) return;
      const ValueType type = in_.value_type();
      locals_.insert(locals_.end(), count, type);
    }
  }

  bool charge(std::size_t values) {
    if (values > around_.values_left) {
      in_.fail("the module takes and gives too many values to be checked");
      return false;
    }
    around_.values_left -= values;
    return true;
  }

  // What is on the stack.
  void push(ValueType type) {
    stack_.push_back(type);
    deepest_ = std::max(deepest_, stack_.size());
  }
  ValueType pop() {
    const Block& block = blocks_.back();
    if (stack_.size() == block.height) {
      if (!block.unreachable) in_.fail("type mismatch: the stack is empty");
      return unknown;
    }
    const ValueType type = stack_.back();
    stack_.pop_back();
    return type;
  }
  ValueType pop(ValueType wanted) {
    const ValueType type = pop();
    if (type != wanted && type != unknown && wanted != unknown) in_.fail("type mismatch");
    return type;
  }
  void pop_all(const std::vector<ValueType>& types) {
    if (!charge(types.size())) return;
    for (std::size_t i = types.size(); i > 0; --i) pop(types[i - 1]);
  }
  void push_all(const std::vector<ValueType>& types) {
    if (!charge(types.size())) return;
    for (const ValueType type : types) push(type);
  }
  void unreachable_from_here() {
    stack_.resize(blocks_.back().height);
    blocks_.back().unreachable = true;
  }

  // What is written.
  std::uint32_t emit(std::uint16_t op, std::uint32_t a = 0, std::uint64_t b = 0) {
    function_.code.push_back({.op = op, .arity = 0, .a = a, .b = b});
    return static_cast<std::uint32_t>(function_.code.size() - 1);
  }
  [[nodiscard]] std::uint32_t here() const {
    return static_cast<std::uint32_t>(function_.code.size());
  }

  // Blocks.
  FunctionType block_type() {
    const std::int64_t code = in_.s33();
    if (code == -64) return {};
    if (code < 0) {
      const auto byte = static_cast<std::uint8_t>(code & 0x7f);
      if (code < -64 || !is_value_type(byte)) in_.fail("malformed block type");
      return {.params = {}, .results = {static_cast<ValueType>(byte)}};
    }
    if (code >= static_cast<std::int64_t>(module_.types.size())) {
      in_.fail("unknown type");
      return {};
    }
    return module_.types[static_cast<std::size_t>(code)];
  }
  static std::size_t values_of(const Block& block) {
    return block.type.params.size() + block.type.results.size();
  }
  void open(Block::Kind kind) {
    if (kind == Block::Kind::condition) pop(i32);
    Block block;
    block.kind = kind;
    block.type = block_type();
    nested_values_ += values_of(block);
    if (!charge(values_of(block))) return;
    if (blocks_.size() >= kNestingMax || nested_values_ > kNestedValuesMax) {
      return in_.fail("blocks are nested too deeply");
    }
    pop_all(block.type.params);
    block.height = stack_.size();
    block.start = here();
    if (kind == Block::Kind::condition) block.condition = emit(op::kGoIfZero);
    blocks_.push_back(block);
    push_all(block.type.params);
  }
  /// The end of a block's operations; its results are taken.
  Block close() {
    Block block = std::move(blocks_.back());
    blocks_.back().height = block.height;
    blocks_.back().unreachable = block.unreachable;
    pop_all(block.type.results);
    if (stack_.size() != block.height) in_.fail("type mismatch: values remain on the stack");
    blocks_.pop_back();
    return block;
  }
  void otherwise() {
    if (blocks_.back().kind != Block::Kind::condition) return in_.fail("else without if");
    Block block = close();
    if (!in_.ok()) return;
    block.branches.push_back(emit(op::kGo));
    function_.code[block.condition].a = here();
    block.kind = Block::Kind::otherwise;
    block.unreachable = false;
    push_all(block.type.params);
    blocks_.push_back(std::move(block));
  }
  void end() {
    Block block = close();
    nested_values_ -= values_of(block);
    if (!in_.ok()) return;
    if (block.kind == Block::Kind::condition) {
      if (block.type.params != block.type.results) in_.fail("type mismatch: if without else");
      function_.code[block.condition].a = here();
    }
    for (const std::uint32_t branch : block.branches) function_.code[branch].a = here();
    if (block.kind == Block::Kind::function) {
      function_.code[emit(op::kReturn)].arity =
          static_cast<std::uint16_t>(block.type.results.size());
    } else {
      push_all(block.type.results);
    }
  }

  // Branches.
  Block* target(std::uint32_t depth) {
    if (depth >= blocks_.size()) {
      in_.fail("unknown label");
      return nullptr;
    }
    return &blocks_[blocks_.size() - 1 - depth];
  }
  static const std::vector<ValueType>& label_types(const Block& block) {
    return block.kind == Block::Kind::loop ? block.type.params : block.type.results;
  }
  void emit_branch(std::uint16_t op, Block& block) {
    const std::uint32_t at = emit(op, block.start, locals_.size() + block.height);
    function_.code[at].arity = static_cast<std::uint16_t>(label_types(block).size());
    if (block.kind != Block::Kind::loop) block.branches.push_back(at);
  }
  void branch(bool conditional) {
    const std::uint32_t depth = in_.u32();
    if (conditional) pop(i32);
    Block* block = target(depth);
    if (block == nullptr) return;
    pop_all(label_types(*block));
    if (conditional) {
      push_all(label_types(*block));
      emit_branch(op::kBranchIf, *block);
    } else {
      emit_branch(op::kBranch, *block);
      unreachable_from_here();
    }
  }
  void branch_table() {
    std::vector<std::uint32_t> depths;
    const std::uint32_t count = in_.count();
    for (std::uint32_t i = 0; i < count && in_.ok(); ++i) depths.push_back(in_.u32());
    depths.push_back(in_.u32());
    pop(i32);
    const Block* last = target(depths.back());
    if (last == nullptr) return;
    const std::size_t arity = label_types(*last).size();
    emit(op::kBranchTable, count);
    for (const std::uint32_t depth : depths) {
      Block* block = target(depth);
      if (block == nullptr) return;
      const auto& types = label_types(*block);
      if (types.size() != arity) return in_.fail("type mismatch: labels differ");
      if (!charge(arity)) return;
      std::vector<ValueType> taken;
      for (std::size_t i = types.size(); i > 0; --i) taken.push_back(pop(types[i - 1]));
      for (std::size_t i = taken.size(); i > 0; --i) push(taken[i - 1]);
      emit_branch(op::kBranch, *block);
    }
    pop_all(label_types(*target(depths.back())));
    unreachable_from_here();
  }

  void operation();
  bool control(std::uint8_t code);
  bool variable(std::uint8_t code);
  bool reference(std::uint8_t code);
  void prefixed();
  void bulk(std::uint32_t code);
  void table_operation(std::uint32_t code);
  void number(std::uint16_t code);
  void access(std::uint8_t code);
  void call(bool indirect);
  void select(bool typed);

  ValueType local(std::uint32_t index) {
    if (index < locals_.size()) return locals_[index];
    in_.fail("unknown local");
    return unknown;
  }
  void need_memory() {
    if (!module_.memory) in_.fail("unknown memory");
  }
  void memory_index() {
    need_memory();
    if (in_.byte() != 0) in_.fail("zero byte expected");
  }
  ValueType table(std::uint32_t index) {
    if (index < module_.tables.size()) return module_.tables[index].element;
    in_.fail("unknown table");
    return unknown;
  }
  ValueType element(std::uint32_t index) {
    if (index < module_.elements.size()) return module_.elements[index].type;
    in_.fail("unknown elem segment");
    return unknown;
  }
  void data(std::uint32_t index) {
    if (!around_.data_count) in_.fail("data count section required");
    if (index >= around_.data_count.value_or(0)) in_.fail("unknown data segment");
  }

  const Surroundings& around_;
  const Module& module_;
  Function& function_;
  const FunctionType& type_;
  Reader in_;
  std::vector<ValueType> locals_;
  std::vector<ValueType> stack_;
  std::vector<Block> blocks_;
  std::size_t deepest_ = 0;
  std::size_t nested_values_ = 0;
};

void Compiler::operation() {
  const std::uint8_t code = in_.byte();
  if (!in_.ok()) return;
  if (control(code) || variable(code) || reference(code)) return;
  if (code >= 0x28 && code <= 0x3e) return access(code);
  if (code >= 0x45 && code <= 0xc4) return number(code);
  if (code == 0xfc) return prefixed();
  switch (code) {
    case 0x3f:
      memory_index();
      push(i32);
      break;
    case 0x40:
      memory_index();
      pop(i32);
      push(i32);
      break;
    case 0x41:
      push(i32);
      emit(code, 0, static_cast<std::uint32_t>(in_.s32()));
      return;
    case 0x42:
      push(i64);
      emit(code, 0, static_cast<std::uint64_t>(in_.s64()));
      return;
    case 0x43:
      push(f32);
      emit(code, 0, in_.fixed(4));
      return;
    case 0x44:
      push(f64);
      emit(code, 0, in_.fixed(8));
      return;
    case 0xfd: return in_.fail("SIMD is not supported");
    default: return in_.fail("illegal opcode " + std::to_string(code));
  }
  emit(code);
}

bool Compiler::control(std::uint8_t code) {
  switch (code) {
    case 0x00:
      emit(code);
      unreachable_from_here();
      return true;
    case 0x01: return true;
    case 0x02: open(Block::Kind::block); return true;
    case 0x03: open(Block::Kind::loop); return true;
    case 0x04: open(Block::Kind::condition); return true;
    case 0x05: otherwise(); return true;
    case 0x0b: end(); return true;
    case 0x0c: branch(false); return true;
    case 0x0d: branch(true); return true;
    case 0x0e: branch_table(); return true;
    case 0x0f:
      pop_all(type_.results);
      function_.code[emit(op::kReturn)].arity = static_cast<std::uint16_t>(type_.results.size());
      unreachable_from_here();
      return true;
    case 0x10: call(false); return true;
    case 0x11: call(true); return true;
    case 0x1a:
      pop();
      emit(code);
      return true;
    case 0x1b: select(false); return true;
    case 0x1c: select(true); return true;
    default: return false;
  }
}

void Compiler::call(bool indirect) {
  const std::uint32_t index = in_.u32();
  const FunctionType* type = nullptr;
  std::uint32_t from = 0;
  if (indirect) {
    from = in_.u32();
    if (index >= module_.types.size()) return in_.fail("unknown type");
    if (table(from) != funcref) return in_.fail("type mismatch: not a table of functions");
    pop(i32);
    type = &module_.types[index];
  } else {
    if (index >= module_.function_count()) return in_.fail("unknown function");
    type = &module_.type_of_function(index);
  }
  pop_all(type->params);
  push_all(type->results);
  emit(indirect ? 0x11 : 0x10, index, from);
}

void Compiler::select(bool typed) {
  ValueType type = unknown;
  if (typed) {
    if (in_.u32() != 1) return in_.fail("invalid result arity");
    type = in_.value_type();
  }
  pop(i32);
  const ValueType second = pop(type);
  const ValueType first = pop(typed ? type : second);
  if (!typed) {
    if (!is_number(first) || !is_number(second)) return in_.fail("type mismatch: select");
    type = first == unknown ? second : first;
  }
  push(type);
  emit(0x1b);
}

bool Compiler::variable(std::uint8_t code) {
  if (code < 0x20 || code > 0x24) return false;
  const std::uint32_t index = in_.u32();
  emit(code, index);
  if (code >= 0x23) {
    if (index >= module_.globals.size()) {
      in_.fail("unknown global");
      return true;
    }
    const GlobalType& global = module_.globals[index].type;
    if (code == 0x23) {
      push(global.type);
    } else {
      if (!global.is_mutable) in_.fail("global is immutable");
      pop(global.type);
    }
    return true;
  }
  const ValueType type = local(index);
  if (code != 0x20) pop(type);
  if (code != 0x21) push(type);
  return true;
}

bool Compiler::reference(std::uint8_t code) {
  std::uint32_t index = 0;
  switch (code) {
    case 0x25:
    case 0x26: {
      index = in_.u32();
      const ValueType type = table(index);
      if (code == 0x26) pop(type);
      pop(i32);
      if (code == 0x25) push(type);
      break;
    }
    case 0xd0: push(in_.reference_type()); break;
    case 0xd1:
      if (!is_reference(pop())) in_.fail("type mismatch: not a reference");
      push(i32);
      break;
    case 0xd2:
      index = in_.u32();
      if (index >= module_.function_count()) in_.fail("unknown function");
      if (!around_.declared.contains(index)) in_.fail("undeclared function reference");
      push(funcref);
      break;
    default: return false;
  }
  emit(code, index);
  return true;
}

void Compiler::number(std::uint16_t code) {
  const auto signature = signature_of(code);
  if (!signature) return in_.fail("illegal opcode " + std::to_string(code));
  for (unsigned i = 0; i < signature->operands; ++i) pop(signature->operand);
  push(signature->result);
  emit(code);
}

void Compiler::access(std::uint8_t code) {
  const Access how = *access_of(code);
  need_memory();
  const std::uint32_t align = in_.u32();
  if (align > how.bytes_log2) in_.fail("alignment must not be larger than natural");
  const std::uint32_t offset = in_.u32();
  if (how.is_store) pop(how.type);
  pop(i32);
  if (!how.is_store) push(how.type);
  emit(code, 0, offset);
}

void Compiler::prefixed() {
  const std::uint32_t code = in_.u32();
  if (code < 8) return number(static_cast<std::uint16_t>(op::kPrefixed + code));
  if (code < 12) return bulk(code);
  if (code < 18) return table_operation(code);
  in_.fail("illegal opcode fc " + std::to_string(code));
}

void Compiler::bulk(std::uint32_t code) {
  std::uint32_t index = 0;
  if (code == 8 || code == 9) {
    index = in_.u32();
    data(index);
  }
  if (code == 8) memory_index();
  if (code == 10) {
    memory_index();
    memory_index();
  }
  if (code == 11) memory_index();
  if (code != 9) pop_all({i32, i32, i32});
  emit(static_cast<std::uint16_t>(op::kPrefixed + code), index);
}

void Compiler::table_operation(std::uint32_t code) {
  const std::uint32_t first = in_.u32();
  std::uint32_t second = 0;
  switch (code) {
    case 12: {  // From a segment.
      second = in_.u32();
      const ValueType to = table(second);
      if (element(first) != to) in_.fail("type mismatch");
      pop_all({i32, i32, i32});
      break;
    }
    case 13: element(first); break;
    case 14: {  // To the first, from the second.
      second = in_.u32();
      const ValueType to = table(first);
      if (table(second) != to) in_.fail("type mismatch");
      pop_all({i32, i32, i32});
      break;
    }
    case 15:
      pop_all({table(first), i32});
      push(i32);
      break;
    case 16:
      table(first);
      push(i32);
      break;
    default: pop_all({i32, table(first), i32}); break;
  }
  emit(static_cast<std::uint16_t>(op::kPrefixed + code), first, second);
}

}  // namespace

Result<> compile_function(const Surroundings& around, Function& function, std::string_view body) {
  return Compiler(around, function, body).run();
}

}  // namespace outrigger::components::wasm
