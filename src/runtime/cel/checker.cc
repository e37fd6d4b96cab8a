#include "runtime/cel/checker.h"

#include "runtime/cel/types.h"

namespace outrigger::cel {
namespace {

using Kind = Type::Kind;

std::unexpected<Error> bad(std::string what, const Node& node) {
  return fail(Code::invalid_argument, what + " at offset " + std::to_string(node.offset));
}

struct TypeName {
  std::string_view name;
  Kind kind;
};
constexpr TypeName kTypeNames[] = {
    {"bool", Kind::boolean},
    {"bytes", Kind::bytes},
    {"double", Kind::real},
    {"google.protobuf.Duration", Kind::duration},
    {"google.protobuf.Timestamp", Kind::timestamp},
    {"int", Kind::integer},
    {"list", Kind::list},
    {"map", Kind::map},
    {"null_type", Kind::null},
    {"string", Kind::text},
    {"type", Kind::type},
    {"uint", Kind::unsigned_integer},
};

const TypeName* find_type(std::string_view name) noexcept {
  for (const TypeName& candidate : kTypeNames) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

// a.b.c as a text, or empty if the node is no such chain.
std::string qualified_name(const Node& node) {
  if (node.kind == Node::Kind::identifier) return node.name;
  if (node.kind != Node::Kind::select) return {};
  std::string prefix = qualified_name(*node.arguments.front());
  return prefix.empty() ? prefix : prefix + "." + node.name;
}

class Checker {
 public:
  Result<const Type*> check(Node& node) {
    switch (node.kind) {
      case Node::Kind::literal: return literal(node);
      case Node::Kind::identifier: return identifier(node);
      case Node::Kind::select:
      case Node::Kind::has: return select(node);
      case Node::Kind::call: return call(node);
      case Node::Kind::list: return list(node);
      case Node::Kind::map: return map(node);
      case Node::Kind::comprehension: return comprehension(node);
    }
    return pool_.simple(Kind::dyn);
  }
  [[nodiscard]] int slots() const noexcept { return slots_; }

 private:
  struct Variable {
    std::string_view name;
    const Type* type;
  };

  Result<const Type*> literal(const Node& node) {
    switch (node.literal.kind()) {
      case Value::Kind::boolean: return pool_.simple(Kind::boolean);
      case Value::Kind::integer: return pool_.simple(Kind::integer);
      case Value::Kind::unsigned_integer: return pool_.simple(Kind::unsigned_integer);
      case Value::Kind::real: return pool_.simple(Kind::real);
      case Value::Kind::text: return pool_.simple(Kind::text);
      case Value::Kind::bytes: return pool_.simple(Kind::bytes);
      default: return pool_.simple(Kind::null);
    }
  }

  const Type* become_type(Node& node, const TypeName& type) {
    node.kind = Node::Kind::literal;
    node.literal = Value::type(std::string(type.name));
    node.arguments.clear();
    if (type.kind == Kind::list) return pool_.type_of(pool_.list(pool_.fresh()));
    if (type.kind == Kind::map) {
      const Type* key = pool_.fresh();
      return pool_.type_of(pool_.map(key, pool_.fresh()));
    }
    return pool_.type_of(pool_.simple(type.kind));
  }

  Result<const Type*> identifier(Node& node) {
    for (std::size_t i = node.absolute ? 0 : scope_.size(); i > 0; --i) {
      if (scope_[i - 1].name == node.name) {
        node.slot = static_cast<int>(i - 1);
        return scope_[i - 1].type;
      }
    }
    if (const TypeName* type = find_type(node.name)) return become_type(node, *type);
    return pool_.simple(Kind::any);
  }

  Result<const Type*> select(Node& node) {
    if (node.kind == Node::Kind::select) {
      const TypeName* type = find_type(qualified_name(node));
      if (type != nullptr) return become_type(node, *type);
    }
    OUT_TRY(const Type* operand, check(*node.arguments.front()));
    operand = pool_.resolve(operand);
    const Type* result = pool_.simple(Kind::dyn);
    if (operand->kind == Kind::map) {
      result = operand->parameters[1];
    } else if (operand->kind == Kind::variable) {
      pool_.assignable(result, operand);
    } else if (!operand->is_dyn()) {
      return bad("the operand of ." + node.name + " does not support field selection", node);
    }
    if (node.kind == Node::Kind::has) return pool_.simple(Kind::boolean);
    return pool_.resolve(result);
  }

  Result<const Type*> call(Node& node) {
    std::vector<const Type*> types;
    for (const auto& argument : node.arguments) {
      OUT_TRY(const Type* type, check(*argument));
      types.push_back(type);
    }
    if (node.function == Function::logical_and || node.function == Function::logical_or) {
      if (node.op) return logical(node, types);
    }
    if (node.op && node.function == Function::index && !may_be_index(*node.arguments[1])) {
      return bad("invalid index", node);
    }
    const Type* result = nullptr;
    bool known = false;
    for (const Overload& overload : overloads()) {
      if (overload.name != node.name) continue;
      known = true;
      if (overload.member != node.member || (overload.cross_numeric && !cross_numeric_)) continue;
      const Type* found = resolve_overload(overload, types);
      if (found == nullptr) continue;
      if (!node.op) node.function = overload.function;
      if (result == nullptr) {
        result = found;
      } else if (!result->is_dyn() && !TypePool::same(found, result)) {
        result = pool_.simple(Kind::dyn);
      }
    }
    if (!known) return bad("undeclared reference to '" + node.name + "'", node);
    if (result == nullptr) return bad("found no matching overload for '" + node.name + "'", node);
    if (node.function == Function::matches && node.arguments[1]->literal.is(Value::Kind::text)) {
      // A bad pattern is an error when it is used, not before.
      auto compiled = Regex::compile(node.arguments[1]->literal.view());
      if (compiled) node.regex = std::move(*compiled);
    }
    return result;
  }

  // Upstream refuses these when it plans the evaluation.
  static bool may_be_index(const Node& index) noexcept {
    if (index.kind != Node::Kind::literal) return true;
    const Value& value = index.literal;
    return !value.is(Value::Kind::null) && !value.is(Value::Kind::bytes) &&
           !value.is(Value::Kind::type);
  }

  Result<const Type*> logical(const Node& node, const std::vector<const Type*>& types) {
    for (const Type* type : types) {
      if (!is_boolean(type)) {
        return bad("found no matching overload for '" + node.name + "'", node);
      }
    }
    return pool_.simple(Kind::boolean);
  }

  bool is_boolean(const Type* type) { return pool_.assignable(type, pool_.simple(Kind::boolean)); }

  const Type* resolve_overload(const Overload& overload, const std::vector<const Type*>& types) {
    std::array<const Type*, 2> parameters{};
    std::string_view signature = overload.signature;
    std::vector<const Type*> expected;
    while (signature.front() != '>') expected.push_back(pool_.parse(signature, parameters));
    signature.remove_prefix(1);
    if (!pool_.assignable(types, expected)) return nullptr;
    return pool_.resolve(pool_.parse(signature, parameters));
  }

  // The type of elements that stand together; mixed ones are dyn.
  const Type* join(const Type* before, const Type* next) {
    if (before == nullptr) return next;
    if (pool_.assignable(before, next)) return pool_.most_general(before, next);
    return pool_.simple(Kind::dyn);
  }

  Result<const Type*> list(Node& node) {
    const Type* element = nullptr;
    for (const auto& argument : node.arguments) {
      OUT_TRY(const Type* type, check(*argument));
      element = join(element, type);
    }
    return pool_.list(element == nullptr ? pool_.fresh() : element);
  }

  Result<const Type*> map(Node& node) {
    const Type* joined[2] = {nullptr, nullptr};
    for (std::size_t i = 0; i < node.arguments.size(); ++i) {
      OUT_TRY(const Type* type, check(*node.arguments[i]));
      joined[i % 2] = join(joined[i % 2], type);
    }
    if (joined[0] == nullptr) {
      joined[0] = pool_.fresh();
      joined[1] = pool_.fresh();
    }
    return pool_.map(joined[0], joined[1]);
  }

  Result<const Type*> variable_type(const Node& node, const Type* range) {
    range = pool_.resolve(range);
    if (range->kind == Kind::list || range->kind == Kind::map) return range->parameters[0];
    const Type* dyn = pool_.simple(Kind::dyn);
    if (range->kind == Kind::variable) pool_.assignable(dyn, range);
    if (range->kind == Kind::variable || range->kind == Kind::dyn) return dyn;
    return bad("the range of a comprehension is neither list nor map", node);
  }

  Result<const Type*> comprehension(Node& node) {
    OUT_TRY(const Type* range, check(*node.arguments.front()));
    OUT_TRY(const Type* variable, variable_type(node, range));
    node.slot = static_cast<int>(scope_.size());
    scope_.push_back(Variable{.name = node.name, .type = variable});
    slots_ = std::max(slots_, static_cast<int>(scope_.size()));
    cross_numeric_ = true;
    const bool transforms = node.macro == Macro::map;
    const std::size_t last = node.arguments.size() - 1;
    const Type* produced = variable;
    std::vector<const Type*> conditions;
    for (std::size_t i = 1; i <= last; ++i) {
      OUT_TRY(const Type* type, check(*node.arguments[i]));
      if (transforms && i == last) {
        produced = type;
      } else {
        conditions.push_back(type);
      }
    }
    // Only now, for this may find out more about types that the other argument has.
    for (const Type* condition : conditions) {
      if (!is_boolean(condition)) return bad("the condition of a comprehension is no bool", node);
    }
    scope_.pop_back();
    const bool makes_list = transforms || node.macro == Macro::filter;
    if (!makes_list) return pool_.simple(Kind::boolean);
    return pool_.list(pool_.resolve(produced));
  }

  TypePool pool_;
  std::vector<Variable> scope_;
  int slots_ = 0;
  bool cross_numeric_ = false;
};

}  // namespace

Result<int> check(Node& root) {
  Checker checker;
  OUT_CHECK(checker.check(root));
  return checker.slots();
}

}  // namespace outrigger::cel
