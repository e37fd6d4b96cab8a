#include "runtime/cel/types.h"

#include "base/result.h"

namespace outrigger::cel {

using Kind = Type::Kind;

const Type* TypePool::simple(Kind kind) noexcept {
  static const auto kTypes = [] {
    std::array<Type, static_cast<std::size_t>(Kind::variable)> types;
    for (std::size_t i = 0; i < types.size(); ++i) types[i].kind = static_cast<Kind>(i);
    return types;
  }();
  return &kTypes[static_cast<std::size_t>(kind)];
}

const Type* TypePool::list(const Type* element) {
  types_.push_back(Type{.kind = Kind::list, .parameters = {element}});
  return &types_.back();
}

const Type* TypePool::map(const Type* key, const Type* value) {
  types_.push_back(Type{.kind = Kind::map, .parameters = {key, value}});
  return &types_.back();
}

const Type* TypePool::type_of(const Type* parameter) {
  types_.push_back(Type{.kind = Kind::type, .parameters = {parameter}});
  return &types_.back();
}

const Type* TypePool::fresh() {
  types_.push_back(Type{.kind = Kind::variable, .variable = static_cast<int>(bound_.size())});
  bound_.push_back(nullptr);
  return &types_.back();
}

bool TypePool::same(const Type* left, const Type* right) noexcept {
  if (left == right) return true;
  if (left->kind != right->kind || left->parameters.size() != right->parameters.size()) {
    return false;
  }
  if (left->kind == Kind::variable) return left->variable == right->variable;
  for (std::size_t i = 0; i < left->parameters.size(); ++i) {
    if (!same(left->parameters[i], right->parameters[i])) return false;
  }
  return true;
}

const Type* TypePool::resolve(const Type* type) {
  if (type->kind == Kind::variable) {
    const Type* known = bound(type);
    return known == nullptr ? type : resolve(known);
  }
  if (type->parameters.empty()) return type;
  Type copy{.kind = type->kind};
  for (const Type* parameter : type->parameters) copy.parameters.push_back(resolve(parameter));
  if (same(&copy, type)) return type;
  types_.push_back(std::move(copy));
  return &types_.back();
}

bool TypePool::assignable(std::span<const Type* const> left, std::span<const Type* const> right) {
  if (left.size() != right.size()) return false;
  undo_.clear();
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (fits(left[i], right[i])) continue;
    for (; !undo_.empty(); undo_.pop_back()) {
      bound_[static_cast<std::size_t>(undo_.back().first)] = undo_.back().second;
    }
    return false;
  }
  return true;
}

bool TypePool::assignable(const Type* left, const Type* right) {
  return assignable(std::span(&left, 1), std::span(&right, 1));
}

bool TypePool::fits(const Type* left, const Type* right) {
  if (right->kind == Kind::variable) {
    const auto [valid, was_bound] = substitute(left, right);
    if (valid) return true;
    if (was_bound) return false;
  }
  if (left->kind == Kind::variable) return substitute(right, left).valid;
  if (left->is_dyn() || right->is_dyn()) return true;
  if (left->kind == Kind::null || right->kind == Kind::null) {
    const Kind other = left->kind == Kind::null ? right->kind : left->kind;
    return other == Kind::null || other == Kind::timestamp || other == Kind::duration;
  }
  if (left->kind != right->kind) return false;
  if (left->kind == Kind::type) return true;
  for (std::size_t i = 0; i < left->parameters.size(); ++i) {
    if (!fits(left->parameters[i], right->parameters[i])) return false;
  }
  return true;
}

void TypePool::bind(const Type* variable, const Type* type) {
  undo_.emplace_back(variable->variable, bound(variable));
  bound_[static_cast<std::size_t>(variable->variable)] = type;
}

TypePool::Substitution TypePool::substitute(const Type* type, const Type* variable) {
  if (same(type, variable)) return {.valid = true, .was_bound = true};
  if (const Type* known = bound(variable)) {
    if (same(type, known)) return {.valid = true, .was_bound = true};
    if (!fits(type, known)) return {.valid = false, .was_bound = true};
    const Type* general = most_general(type, known);
    if (!occurs_in(variable, general)) bind(variable, general);
    return {.valid = true, .was_bound = true};
  }
  if (occurs_in(variable, type)) return {.valid = false, .was_bound = false};
  bind(variable, type);
  return {.valid = true, .was_bound = false};
}

bool TypePool::occurs_in(const Type* variable, const Type* type) const {
  if (same(variable, type)) return true;
  if (type->kind == Kind::variable) {
    const Type* known = bound(type);
    return known != nullptr && occurs_in(variable, known);
  }
  return std::ranges::any_of(type->parameters,
                             [&](const Type* part) { return occurs_in(variable, part); });
}

bool TypePool::less_specific(const Type* left, const Type* right) const {
  if (left->is_dyn() || left->kind == Kind::variable) return true;
  if (right->is_dyn() || right->kind == Kind::variable) return false;
  if (left->kind != right->kind) return false;
  if (left->kind == Kind::type) return true;
  for (std::size_t i = 0; i < left->parameters.size(); ++i) {
    if (!less_specific(left->parameters[i], right->parameters[i])) return false;
  }
  return true;
}

const Type* TypePool::most_general(const Type* left, const Type* right) const {
  return less_specific(left, right) ? left : right;
}

const Type* TypePool::parse(std::string_view& text, std::span<const Type*, 2> parameters) {
  OUT_ASSERT(!text.empty());
  const char letter = text.front();
  text.remove_prefix(1);
  switch (letter) {
    case 'b': return simple(Kind::boolean);
    case 'i': return simple(Kind::integer);
    case 'u': return simple(Kind::unsigned_integer);
    case 'd': return simple(Kind::real);
    case 's': return simple(Kind::text);
    case 'y': return simple(Kind::bytes);
    case 't': return simple(Kind::timestamp);
    case 'n': return simple(Kind::duration);
    case 'L': return list(parse(text, parameters));
    case 'T': return type_of(parse(text, parameters));
    case 'M': {
      const Type* key = parse(text, parameters);
      return map(key, parse(text, parameters));
    }
    case 'A':
    case 'B': {
      const Type*& parameter = parameters[letter == 'A' ? 0 : 1];
      if (parameter == nullptr) parameter = fresh();
      return parameter;
    }
    default: return simple(Kind::dyn);
  }
}

}  // namespace outrigger::cel
