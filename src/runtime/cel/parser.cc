#include "runtime/cel/parser.h"

#include <charconv>

#include "base/strings.h"
#include "runtime/cel/lexer.h"

namespace outrigger::cel {
namespace {

std::unexpected<Error> bad(std::string what, std::size_t offset) {
  return fail(Code::invalid_argument, what + " at offset " + std::to_string(offset));
}

// Words that no variable may be called; true, false, null and in are not identifiers at all.
bool is_reserved(std::string_view word) noexcept {
  constexpr std::string_view kReserved[] = {
      "as",  "break", "const",     "continue", "else",   "for", "function", "if",   "import",
      "let", "loop",  "namespace", "package",  "return", "var", "void",     "while"};
  return std::ranges::find(kReserved, word) != std::end(kReserved);
}

struct Operator {
  std::string_view token;
  int level;  // Higher binds tighter.
  Function function;
  std::string_view overloads;
};

constexpr int kRelation = 1;
constexpr int kSum = 2;
constexpr int kProduct = 3;

constexpr Operator kBinary[] = {
    {"<", kRelation, Function::less, "_<_"},
    {"<=", kRelation, Function::less_equals, "_<_"},
    {">=", kRelation, Function::greater_equals, "_<_"},
    {">", kRelation, Function::greater, "_<_"},
    {"==", kRelation, Function::equals, "_==_"},
    {"!=", kRelation, Function::not_equals, "_!=_"},
    {"in", kRelation, Function::in, "@in"},
    {"+", kSum, Function::add, "_+_"},
    {"-", kSum, Function::subtract, "_-_"},
    {"*", kProduct, Function::multiply, "_*_"},
    {"/", kProduct, Function::divide, "_/_"},
    {"%", kProduct, Function::modulo, "_%_"},
};

class Parser {
 public:
  explicit Parser(std::string_view source) : lexer_(source) {}

  Result<NodePtr> run() {
    OUT_CHECK(advance());
    OUT_TRY(auto node, expression());
    if (token_.kind != TokenKind::end) return unexpected();
    return node;
  }

 private:
  // --- tokens
  Result<> advance() {
    OUT_TRY(token_, lexer_.next());
    return {};
  }
  [[nodiscard]] bool at(std::string_view punctuation) const noexcept {
    return token_.kind == TokenKind::punctuation && token_.source == punctuation;
  }
  Result<bool> accept(std::string_view punctuation) {
    if (!at(punctuation)) return false;
    OUT_CHECK(advance());
    return true;
  }
  Result<> expect(std::string_view punctuation) {
    OUT_TRY(const bool found, accept(punctuation));
    if (!found) return unexpected();
    return {};
  }
  std::unexpected<Error> unexpected() const {
    if (token_.kind == TokenKind::end) return bad("the expression ends too early", token_.offset);
    return bad("unexpected '" + std::string(token_.source) + "'", token_.offset);
  }
  Result<std::string> identifier() {
    if (token_.kind != TokenKind::identifier) return unexpected();
    std::string name(token_.source);
    OUT_CHECK(advance());
    return name;
  }

  // --- nodes
  [[nodiscard]] NodePtr make(Node::Kind kind) const {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->offset = token_.offset;
    return node;
  }
  static Result<NodePtr> done(NodePtr node) {
    for (const auto& argument : node->arguments) {
      node->depth = std::max(node->depth, argument->depth + 1);
    }
    if (node->depth > kDepthMax) return bad("max recursion depth exceeded", node->offset);
    return node;
  }
  [[nodiscard]] NodePtr make_operator(Function function, std::string_view name,
                                      std::size_t offset) const {
    auto node = make(Node::Kind::call);
    node->op = true;
    node->function = function;
    node->name = name;
    node->offset = offset;
    return node;
  }

  // --- the grammar, loosest first
  Result<NodePtr> expression() {
    if (++depth_ > kDepthMax) return bad("expression recursion limit exceeded", token_.offset);
    auto node = conditional();
    --depth_;
    return node;
  }

  Result<NodePtr> conditional() {
    OUT_TRY(auto condition, logical_or());
    if (!at("?")) return condition;
    auto node = make_operator(Function::conditional, "_?_:_", token_.offset);
    OUT_CHECK(advance());
    OUT_TRY(auto yes, logical_or());
    OUT_CHECK(expect(":"));
    OUT_TRY(auto no, expression());
    node->arguments.push_back(std::move(condition));
    node->arguments.push_back(std::move(yes));
    node->arguments.push_back(std::move(no));
    return done(std::move(node));
  }

  Result<NodePtr> logical_or() {
    OUT_TRY(auto first, logical_and());
    if (!at("||")) return first;
    auto node = make_operator(Function::logical_or, "_||_", token_.offset);
    node->arguments.push_back(std::move(first));
    while (at("||")) {
      OUT_CHECK(advance());
      OUT_TRY(auto next, logical_and());
      node->arguments.push_back(std::move(next));
    }
    return done(std::move(node));
  }

  Result<NodePtr> logical_and() {
    OUT_TRY(auto first, binary(kRelation));
    if (!at("&&")) return first;
    auto node = make_operator(Function::logical_and, "_&&_", token_.offset);
    node->arguments.push_back(std::move(first));
    while (at("&&")) {
      OUT_CHECK(advance());
      OUT_TRY(auto next, binary(kRelation));
      node->arguments.push_back(std::move(next));
    }
    return done(std::move(node));
  }

  [[nodiscard]] const Operator* binary_operator(int level) const noexcept {
    for (const Operator& candidate : kBinary) {
      if (candidate.level >= level && at(candidate.token)) return &candidate;
    }
    return nullptr;
  }

  Result<NodePtr> binary(int level) {
    OUT_TRY(auto left, unary());
    while (const Operator* found = binary_operator(level)) {
      auto node = make_operator(found->function, found->overloads, token_.offset);
      OUT_CHECK(advance());
      OUT_TRY(auto right, binary(found->level + 1));
      node->arguments.push_back(std::move(left));
      node->arguments.push_back(std::move(right));
      OUT_TRY(left, done(std::move(node)));
    }
    return left;
  }

  Result<NodePtr> unary() {
    if (!at("!") && !at("-")) return member("");
    const bool negation = at("!");
    const std::size_t offset = token_.offset;
    const std::string_view sign = negation ? "!" : "-";
    std::size_t count = 0;
    while (at(sign)) {
      ++count;
      OUT_CHECK(advance());
    }
    const bool number = token_.kind == TokenKind::integer || token_.kind == TokenKind::real;
    if (!negation && count == 1 && number) return member("-");
    OUT_TRY(auto operand, signed_member());
    if (count % 2 == 0) return operand;
    auto node = make_operator(negation ? Function::logical_not : Function::negate,
                              negation ? "!_" : "-_", offset);
    node->arguments.push_back(std::move(operand));
    return done(std::move(node));
  }

  // After a run of ! a number may still have its own sign: !-1.
  Result<NodePtr> signed_member() {
    OUT_TRY(const bool minus, accept("-"));
    if (!minus) return member("");
    if (token_.kind != TokenKind::integer && token_.kind != TokenKind::real) return unexpected();
    return member("-");
  }

  Result<NodePtr> member(std::string_view sign) {
    OUT_TRY(auto node, primary(sign));
    for (;;) {
      if (at(".")) {
        OUT_TRY(node, select(std::move(node)));
      } else if (at("[")) {
        OUT_TRY(node, index(std::move(node)));
      } else {
        return node;
      }
    }
  }

  Result<NodePtr> index(NodePtr operand) {
    auto node = make_operator(Function::index, "_[_]", token_.offset);
    OUT_CHECK(advance());
    OUT_TRY(auto key, expression());
    OUT_CHECK(expect("]"));
    node->arguments.push_back(std::move(operand));
    node->arguments.push_back(std::move(key));
    return done(std::move(node));
  }

  Result<NodePtr> select(NodePtr operand) {
    auto node = make(Node::Kind::select);
    OUT_CHECK(advance());
    OUT_TRY(node->name, identifier());
    node->arguments.push_back(std::move(operand));
    if (!at("(")) return done(std::move(node));
    node->kind = Node::Kind::call;
    node->member = true;
    OUT_CHECK(call_arguments(*node));
    return finish_call(std::move(node));
  }

  Result<> call_arguments(Node& node) {
    OUT_CHECK(expect("("));
    if (at(")")) return advance();
    for (;;) {
      OUT_TRY(auto argument, expression());
      node.arguments.push_back(std::move(argument));
      OUT_TRY(const bool more, accept(","));
      if (!more) return expect(")");
    }
  }

  // A call, or what its macro stands for.
  Result<NodePtr> finish_call(NodePtr node) {
    const std::size_t count = node->arguments.size();
    if (!node->member && node->name == "has" && count == 1) {
      NodePtr operand = std::move(node->arguments.front());
      if (operand->kind != Node::Kind::select) {
        return bad("invalid argument to has() macro", node->offset);
      }
      operand->kind = Node::Kind::has;
      return operand;
    }
    const auto macro = node->member ? find_macro(node->name, count - 1) : std::nullopt;
    if (!macro) return done(std::move(node));
    if (node->arguments[1]->kind != Node::Kind::identifier) {
      return bad("the first argument of " + node->name + "() must be a simple name", node->offset);
    }
    node->kind = Node::Kind::comprehension;
    node->macro = *macro;
    node->name = node->arguments[1]->name;
    node->arguments.erase(node->arguments.begin() + 1);
    return done(std::move(node));
  }

  static std::optional<Macro> find_macro(std::string_view name, std::size_t count) noexcept {
    if (count == 2) {
      if (name == "all") return Macro::all;
      if (name == "exists") return Macro::exists;
      if (name == "exists_one") return Macro::exists_one;
      if (name == "filter") return Macro::filter;
    }
    if (name == "map" && (count == 2 || count == 3)) return Macro::map;
    return std::nullopt;
  }

  Result<NodePtr> primary(std::string_view sign) {
    switch (token_.kind) {
      case TokenKind::integer:
      case TokenKind::unsigned_integer:
      case TokenKind::real: return number(sign);
      case TokenKind::text: return literal(Value::text(std::move(token_.content)));
      case TokenKind::bytes: return literal(Value::bytes(std::move(token_.content)));
      case TokenKind::identifier: return name(false);
      case TokenKind::end: return unexpected();
      case TokenKind::punctuation: break;
    }
    if (at("(")) {
      OUT_CHECK(advance());
      OUT_TRY(auto node, expression());
      OUT_CHECK(expect(")"));
      return node;
    }
    if (at("[")) return list();
    if (at("{")) return map();
    if (at(".")) {
      OUT_CHECK(advance());
      return name(true);
    }
    if (at("true") || at("false")) return literal(Value::boolean(at("true")));
    if (at("null")) return literal(Value());
    return unexpected();
  }

  Result<NodePtr> literal(Value value) {
    auto node = make(Node::Kind::literal);
    node->literal = std::move(value);
    OUT_CHECK(advance());
    return node;
  }

  template <class Integer>
  static std::optional<Integer> to_integer(std::string_view sign, std::string_view digits) {
    const bool hex = digits.starts_with("0x");
    std::string text(sign);
    text += hex ? digits.substr(2) : digits;
    Integer value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, hex ? 16 : 10);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
  }

  Result<NodePtr> number(std::string_view sign) {
    const std::string_view source = token_.source;
    if (token_.kind == TokenKind::integer) {
      const auto value = to_integer<std::int64_t>(sign, source);
      if (!value) return bad("invalid int literal", token_.offset);
      return literal(Value::integer(*value));
    }
    if (token_.kind == TokenKind::unsigned_integer) {
      const auto value = to_integer<std::uint64_t>("", source.substr(0, source.size() - 1));
      if (!value) return bad("invalid uint literal", token_.offset);
      return literal(Value::unsigned_integer(*value));
    }
    return real(sign, source);
  }

  Result<NodePtr> real(std::string_view sign, std::string_view source) {
    double value = 0;
    const char* end = source.data() + source.size();
    const auto [stop, error] = std::from_chars(source.data(), end, value);
    if (error == std::errc::result_out_of_range) {
      // Too small is zero, too large is a fault.
      const auto exponent = source.find_first_of("eE");
      const bool tiny = exponent != std::string_view::npos && source[exponent + 1] == '-';
      if (!tiny) return bad("invalid double literal", token_.offset);
      value = 0;
    }
    return literal(Value::real(sign.empty() ? value : -value));
  }

  Result<NodePtr> name(bool absolute) {
    auto node = make(Node::Kind::identifier);
    node->absolute = absolute;
    OUT_TRY(node->name, identifier());
    if (is_reserved(node->name)) return bad("reserved identifier: " + node->name, node->offset);
    if (!at("(")) return node;
    node->kind = Node::Kind::call;
    OUT_CHECK(call_arguments(*node));
    return finish_call(std::move(node));
  }

  Result<NodePtr> list() {
    auto node = make(Node::Kind::list);
    OUT_CHECK(advance());
    while (!at("]")) {
      OUT_TRY(auto element, expression());
      node->arguments.push_back(std::move(element));
      OUT_TRY(const bool more, accept(","));
      if (!more) break;
    }
    OUT_CHECK(expect("]"));
    return done(std::move(node));
  }

  Result<NodePtr> map() {
    auto node = make(Node::Kind::map);
    OUT_CHECK(advance());
    while (!at("}")) {
      OUT_TRY(auto key, expression());
      OUT_CHECK(expect(":"));
      OUT_TRY(auto value, expression());
      node->arguments.push_back(std::move(key));
      node->arguments.push_back(std::move(value));
      OUT_TRY(const bool more, accept(","));
      if (!more) break;
    }
    OUT_CHECK(expect("}"));
    return done(std::move(node));
  }

  Lexer lexer_;
  Token token_;
  int depth_ = 0;
};

}  // namespace

Result<NodePtr> parse(std::string_view source) {
  if (!is_utf8(source)) return fail(Code::invalid_argument, "the expression is not UTF-8");
  const auto code_points = std::ranges::count_if(
      source, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; });
  if (static_cast<std::size_t>(code_points) > kSourceCodePointsMax) {
    return fail(Code::invalid_argument,
                "expression code point size exceeds limit: size: " + std::to_string(code_points) +
                    ", limit " + std::to_string(kSourceCodePointsMax));
  }
  return Parser(source).run();
}

}  // namespace outrigger::cel
