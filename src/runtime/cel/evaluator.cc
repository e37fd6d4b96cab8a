#include "runtime/cel/evaluator.h"

#include "runtime/cel/conversions.h"
#include "runtime/cel/operations.h"

namespace outrigger::cel {
namespace {

using Kind = Value::Kind;

class Evaluator {
 public:
  Evaluator(int slots, std::span<const Binding> bindings, Budget& budget)
      : bindings_(bindings), budget_(budget), slots_(static_cast<std::size_t>(slots)) {}

  Value eval(const Node& node) {
    if (!budget_.spend()) return Value::error("too much work");
    switch (node.kind) {
      case Node::Kind::literal: return node.literal;
      case Node::Kind::identifier: return identifier(node);
      case Node::Kind::select:
      case Node::Kind::has: {
        const Value operand = eval(*node.arguments.front());
        if (operand.is_error()) return operand;
        const bool test = node.kind == Node::Kind::has;
        return test ? has(operand, node.name, budget_) : select(operand, node.name, budget_);
      }
      case Node::Kind::call: return call(node);
      case Node::Kind::list: return list(node);
      case Node::Kind::map: return map(node);
      case Node::Kind::comprehension: return comprehension(node);
    }
    return no_such_overload();
  }

 private:
  Value identifier(const Node& node) const {
    if (node.slot >= 0) return slots_[static_cast<std::size_t>(node.slot)];
    for (const Binding& binding : bindings_) {
      if (binding.name == node.name) return binding.value;
    }
    return Value::error("no such attribute(s): " + node.name);
  }

  Value call(const Node& node) {
    const auto& arguments = node.arguments;
    switch (node.function) {
      case Function::logical_and: return logical(arguments, false);
      case Function::logical_or: return logical(arguments, true);
      case Function::conditional: return conditional(arguments);
      default: break;
    }
    const Value first = eval(*arguments.front());
    if (first.is_error()) return first;
    if (arguments.size() == 1) return unary(node.function, first);
    const Value second = eval(*arguments[1]);
    if (second.is_error()) return second;
    if (node.function == Function::matches) return matches(node, first, second);
    return binary(node.function, first, second);
  }

  // && and || look on past an error: a later operand may decide alone.
  Value logical(const std::vector<NodePtr>& arguments, bool decisive) {
    std::optional<Value> error;
    for (const auto& argument : arguments) {
      Value value = eval(*argument);
      if (value.is(Kind::boolean)) {
        if (value.as_bool() == decisive) return value;
      } else if (!error) {
        error = value.is_error() ? std::move(value) : no_such_overload();
      }
    }
    return error ? *std::move(error) : Value::boolean(!decisive);
  }

  Value conditional(const std::vector<NodePtr>& arguments) {
    const Value condition = eval(*arguments[0]);
    if (condition.is_error()) return condition;
    if (!condition.is(Kind::boolean)) return no_such_overload();
    return eval(*arguments[condition.as_bool() ? 1 : 2]);
  }

  Value unary(Function function, const Value& operand) {
    switch (function) {
      case Function::logical_not:
        return operand.is(Kind::boolean) ? Value::boolean(!operand.as_bool()) : no_such_overload();
      case Function::negate: return negate(operand);
      case Function::size: return size_of(operand, budget_);
      case Function::to_bytes:
      case Function::to_string: {
        const bool text = operand.is(Kind::text) || operand.is(Kind::bytes);
        if (text) budget_.spend_bytes(operand.view().size());
        return convert(function, operand);
      }
      default: break;
    }
    if (function >= Function::full_year) return time_part(function, operand, nullptr);
    return convert(function, operand);
  }

  Value binary(Function function, const Value& left, const Value& right) {
    switch (function) {
      case Function::equals: return Value::boolean(equal(left, right, budget_));
      case Function::not_equals: return Value::boolean(!equal(left, right, budget_));
      case Function::index: return index(left, right, budget_);
      case Function::in: return contains(right, left, budget_);
      case Function::less:
      case Function::less_equals:
      case Function::greater:
      case Function::greater_equals: return ordered(function, left, right);
      case Function::contains:
      case Function::starts_with:
      case Function::ends_with: return text_test(function, left, right);
      default: break;
    }
    if (function >= Function::full_year) return time_part(function, left, &right);
    return arithmetic(function, left, right, budget_);
  }

  Value ordered(Function function, const Value& left, const Value& right) {
    if (left.is(Kind::text) || left.is(Kind::bytes)) budget_.spend_bytes(left.view().size());
    Value order = compare(left, right);
    if (order.is_error()) return order;
    switch (function) {
      case Function::less: return Value::boolean(order.as_int() < 0);
      case Function::less_equals: return Value::boolean(order.as_int() <= 0);
      case Function::greater: return Value::boolean(order.as_int() > 0);
      default: return Value::boolean(order.as_int() >= 0);
    }
  }

  Value text_test(Function function, const Value& text, const Value& part) {
    if (!text.is(Kind::text) || !part.is(Kind::text)) return no_such_overload();
    switch (function) {
      case Function::contains:
        // The library's search may look at each byte as often as the part is long.
        budget_.spend_bytes(text.view().size() + text.view().size() / 64 * part.view().size());
        if (budget_.exhausted()) return Value::error("too much work");
        return Value::boolean(text.view().contains(part.view()));
      case Function::starts_with: return Value::boolean(text.view().starts_with(part.view()));
      default: return Value::boolean(text.view().ends_with(part.view()));
    }
  }

  Value matches(const Node& node, const Value& text, const Value& pattern) {
    if (!text.is(Kind::text) || !pattern.is(Kind::text)) return no_such_overload();
    if (node.regex != nullptr) return search(*node.regex, text.view());
    constexpr std::size_t kCompileUnits = 1000;
    if (!budget_.spend(kCompileUnits + pattern.view().size())) {
      return Value::error("too much work");
    }
    const auto compiled = Regex::compile(pattern.view());
    if (!compiled) return Value::error(compiled.error().message());
    budget_.spend((*compiled)->program_size() * 10);
    return search(**compiled, text.view());
  }

  Value search(const Regex& regex, std::string_view text) {
    constexpr std::size_t kStepsPerUnit = 64;
    const std::size_t steps = text.size() * regex.program_size();
    if (!budget_.spend(steps / kStepsPerUnit + 1)) return Value::error("too much work");
    return Value::boolean(regex.found_in(text));
  }

  Value list(const Node& node) {
    Value::List elements;
    elements.reserve(node.arguments.size());
    for (const auto& argument : node.arguments) {
      Value element = eval(*argument);
      if (element.is_error()) return element;
      elements.push_back(std::move(element));
    }
    return Value::list(std::move(elements));
  }

  Value map(const Node& node) {
    Value::Entries entries;
    for (std::size_t i = 0; i + 1 < node.arguments.size(); i += 2) {
      Value key = eval(*node.arguments[i]);
      if (key.is_error()) return key;
      Value value = eval(*node.arguments[i + 1]);
      if (value.is_error()) return value;
      if (key.is(Kind::bytes)) return Value::error("unsupported key type");
      if (!budget_.spend(entries.size())) return Value::error("too much work");
      const auto same = std::ranges::find_if(entries, [&](const auto& entry) {
        return entry.first.kind() == key.kind() && equal(entry.first, key, budget_);
      });
      if (same != entries.end()) {
        same->second = std::move(value);
      } else {
        entries.emplace_back(std::move(key), std::move(value));
      }
    }
    return Value::map(std::move(entries));
  }

  Value comprehension(const Node& node) {
    const Value range = eval(*node.arguments.front());
    if (range.is_error()) return range;
    Value::List elements;
    if (range.is(Kind::list)) {
      if (range.is_raw() && !budget_.spend_bytes(range.view().size())) {
        return Value::error("too much work");
      }
      elements = *range.elements();
    } else if (range.is(Kind::map)) {
      if (range.is_raw() && !budget_.spend_bytes(range.view().size())) {
        return Value::error("too much work");
      }
      for (const auto& entry : *range.entries()) elements.push_back(entry.first);
    } else {
      return Value::error("got '" + std::string(range.type_name()) + "', expected iterable type");
    }
    switch (node.macro) {
      case Macro::all: return quantify(node, elements, false);
      case Macro::exists: return quantify(node, elements, true);
      case Macro::exists_one: return exists_one(node, elements);
      case Macro::map:
      case Macro::filter: return transform(node, elements);
    }
    return no_such_overload();
  }

  Value eval_with(const Node& comprehension, std::size_t argument, const Value& element) {
    slots_[static_cast<std::size_t>(comprehension.slot)] = element;
    return eval(*comprehension.arguments[argument]);
  }

  // all() is && over the elements, exists() is ||.
  Value quantify(const Node& node, const Value::List& elements, bool decisive) {
    std::optional<Value> error;
    for (const Value& element : elements) {
      Value value = eval_with(node, 1, element);
      if (budget_.exhausted()) return Value::error("too much work");
      if (value.is(Kind::boolean)) {
        if (value.as_bool() == decisive) return value;
      } else if (!error) {
        error = value.is_error() ? std::move(value) : no_such_overload();
      }
    }
    return error ? *std::move(error) : Value::boolean(!decisive);
  }

  Value exists_one(const Node& node, const Value::List& elements) {
    std::size_t count = 0;
    for (const Value& element : elements) {
      Value value = eval_with(node, 1, element);
      if (!value.is(Kind::boolean)) return value.is_error() ? value : no_such_overload();
      if (value.as_bool()) ++count;
    }
    return Value::boolean(count == 1);
  }

  Value transform(const Node& node, const Value::List& elements) {
    const bool filtered = node.macro == Macro::filter || node.arguments.size() == 3;
    Value::List result;
    for (const Value& element : elements) {
      if (filtered) {
        Value keep = eval_with(node, 1, element);
        if (!keep.is(Kind::boolean)) return keep.is_error() ? keep : no_such_overload();
        if (!keep.as_bool()) continue;
      }
      Value made = element;
      if (node.macro == Macro::map) {
        made = eval_with(node, node.arguments.size() - 1, element);
        if (made.is_error()) return made;
      }
      result.push_back(std::move(made));
    }
    return Value::list(std::move(result));
  }

  std::span<const Binding> bindings_;
  Budget& budget_;
  std::vector<Value> slots_;
};

}  // namespace

Value evaluate(const Node& root, int slots, std::span<const Binding> bindings, Budget& budget) {
  return Evaluator(slots, bindings, budget).eval(root);
}

}  // namespace outrigger::cel
