#include "runtime/cel/program.h"

#include "runtime/cel/checker.h"
#include "runtime/cel/parser.h"

namespace outrigger::cel {

struct Program::Impl {
  std::string source;
  NodePtr root;
  int slots = 0;
};

Program::Program(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;
Program::~Program() = default;

const std::string& Program::source() const noexcept { return impl_->source; }

Result<Value> Program::evaluate(std::span<const Binding> bindings) const {
  Budget budget(kWorkUnitsMax);
  Value value = cel::evaluate(*impl_->root, impl_->slots, bindings, budget);
  if (budget.exhausted()) {
    return fail(Code::resource_exhausted,
                "the expression " + impl_->source + " takes too much work on this event");
  }
  if (value.is_error()) return fail(Code::invalid_argument, std::string(value.view()));
  return value;
}

Result<bool> Program::matches(std::span<const Binding> bindings) const {
  OUT_TRY(const Value value, evaluate(bindings));
  if (!value.is(Value::Kind::boolean)) {
    return fail(Code::invalid_argument,
                "the result of match expression " + impl_->source + " was not a boolean");
  }
  return value.as_bool();
}

Result<bool> Program::matches(const Value& event) const {
  const Binding binding{.name = "event", .value = event};
  return matches(std::span(&binding, 1));
}

Result<Program> compile(std::string_view source) {
  auto impl = std::make_unique<Program::Impl>();
  impl->source = source;
  OUT_TRY(impl->root, parse(source));
  OUT_TRY(impl->slots, check(*impl->root));
  return Program(std::move(impl));
}

}  // namespace outrigger::cel
