#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <optional>

#include "base/base64.h"
#include "base/strings.h"
#include "resources/go_numbers.h"
#include "resources/yaml.h"

namespace outrigger::yaml {
namespace {

using Type = Scalar::Type;

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, text) != words.end();
}

constexpr std::array<std::string_view, 5> kNull{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 3> kTrue{"true", "True", "TRUE"};
constexpr std::array<std::string_view, 3> kFalse{"false", "False", "FALSE"};
constexpr std::array<std::string_view, 8> kOldTrue{"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"};
constexpr std::array<std::string_view, 8> kOldFalse{"n",  "N",   "no",  "No",
                                                    "NO", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 3> kNan{".nan", ".NaN", ".NAN"};
constexpr std::array<std::string_view, 6> kInfinity{".inf",  ".Inf",  ".INF",
                                                    "+.inf", "+.Inf", "+.INF"};
constexpr std::array<std::string_view, 3> kMinusInfinity{"-.inf", "-.Inf", "-.INF"};

Scalar boolean(bool value) {
  return {.type = Type::boolean, .boolean = value, .text = value ? "true" : "false"};
}

Scalar floating(double value) {
  return {.type = Type::floating, .floating = value, .text = go_general(static_cast<float>(value))};
}

std::optional<Scalar> known_word(std::string_view text, Dialect dialect) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const bool old = dialect == Dialect::yaml_1_1;
  if (is_one_of(text, kNull)) return Scalar{.type = Type::null};
  if (is_one_of(text, kTrue) || (old && is_one_of(text, kOldTrue))) return boolean(true);
  if (is_one_of(text, kFalse) || (old && is_one_of(text, kOldFalse))) return boolean(false);
  if (is_one_of(text, kNan)) return floating(std::numeric_limits<double>::quiet_NaN());
  if (is_one_of(text, kInfinity)) return floating(kInf);
  if (is_one_of(text, kMinusInfinity)) return floating(-kInf);
  return std::nullopt;
}

// An optional sign, then 0x, 0o, 0b or a leading 0 (octal) choose the base. Canonical decimal.
std::optional<std::string> as_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    switch (to_lower(text[1])) {
      case 'x': base = 16; break;
      case 'o': base = 8; break;
      case 'b': base = 2; break;
      default: base = 0; break;
    }
    text.remove_prefix(base == 0 ? 1 : 2);
    if (base == 0) base = 8;
  }
  if (text.empty() || text[0] == '-' || text[0] == '+') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  constexpr std::uint64_t kMinusLimit = std::uint64_t{1} << 63;
  if (negative && value > kMinusLimit) return std::nullopt;
  return (negative && value != 0 ? "-" : "") + std::to_string(value);
}

// [sign] digits [. digits] [e [sign] digits], or [sign] . digits.
bool looks_like_float(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  const auto sign = [&] {
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  };
  sign();
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    fraction = digits();
  }
  if (whole == 0 && fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::optional<double> as_float(std::string_view text) {
  if (!looks_like_float(text)) return std::nullopt;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // Too small is a zero; too large is no number.
  const double rounded = std::strtod(std::string(text).c_str(), nullptr);
  if (std::abs(rounded) < 1) return rounded;
  return std::nullopt;
}

std::optional<Scalar> as_number(std::string_view text) {
  const char first = text.empty() ? '\0' : text[0];
  if (first == '.') {
    if (const auto value = as_float(text)) return floating(*value);
    return std::nullopt;
  }
  if (first != '+' && first != '-' && (first < '0' || first > '9')) return std::nullopt;
  const std::string plain = replace_all(text, "_", "");
  if (auto integer = as_integer(plain)) {
    return Scalar{.type = Type::integer,
                  .floating = std::strtod(integer->c_str(), nullptr),
                  .text = std::move(*integer)};
  }
  if (const auto value = as_float(plain)) return floating(*value);
  return std::nullopt;
}

std::string_view tag_of(Type type) {
  switch (type) {
    case Type::null: return "!!null";
    case Type::boolean: return "!!bool";
    case Type::integer: return "!!int";
    case Type::floating: return "!!float";
    case Type::string: return "!!str";
  }
  return "!!str";
}

Scalar untagged(const Node& node, Dialect dialect) {
  if (auto word = known_word(node.text, dialect)) return std::move(*word);
  if (auto number = as_number(node.text)) return std::move(*number);
  return {.type = Type::string, .text = node.text};
}

std::unexpected<Error> refuse(const Node& node, std::string message) {
  return fail(Code::invalid_argument, "line " + std::to_string(node.line) + ": " + message);
}

}  // namespace

Result<Scalar> resolve(const Node& node, Dialect dialect) {
  OUT_ASSERT(node.kind == Kind::scalar);
  if (node.tag.empty()) {
    if (node.style == Style::plain) return untagged(node, dialect);
    return Scalar{.type = Type::string, .text = node.text};
  }
  if (node.tag == "!!binary") {
    auto decoded = base64_decode(node.text);
    if (!decoded) return refuse(node, "!!binary value contains invalid base64 data");
    return Scalar{.type = Type::string, .text = std::move(*decoded)};
  }
  const bool typed =
      node.tag == "!!bool" || node.tag == "!!int" || node.tag == "!!float" || node.tag == "!!null";
  if (!typed) return Scalar{.type = Type::string, .text = node.text};
  Scalar value = untagged(node, dialect);
  if (tag_of(value.type) == node.tag) return value;
  if (node.tag == "!!float" && value.type == Type::integer) return floating(value.floating);
  return refuse(node, "cannot decode " + std::string(tag_of(value.type)) + " `" + node.text +
                          "` as a " + node.tag);
}

Result<std::string> key_name(const Node& key, Dialect dialect) {
  if (key.kind != Kind::scalar) return refuse(key, "a map key must be a scalar");
  OUT_TRY(auto value, resolve(key, dialect));
  switch (value.type) {
    case Type::null: return refuse(key, "a map key must not be null");
    case Type::floating:
      // Single precision: what does not fit is infinite.
      if (value.text == "NaN") return ".nan";
      if (value.text == "+Inf") return ".inf";
      if (value.text == "-Inf") return "-.inf";
      return value.text;
    default: return value.text;
  }
}

std::string_view describe(const Node& node, Dialect dialect) {
  if (node.kind == Kind::sequence) return "a list";
  if (node.kind == Kind::map) return "a map";
  const auto value = resolve(node, dialect);
  if (!value) return "a malformed scalar";
  switch (value->type) {
    case Type::null: return "null";
    case Type::boolean: return "a boolean";
    case Type::integer:
    case Type::floating: return "a number";
    case Type::string: return "a string";
  }
  return "a scalar";
}

namespace {

Result<> append_json(std::string& out, const Node& node, Dialect dialect);

Result<> append_scalar(std::string& out, const Node& node, Dialect dialect) {
  OUT_TRY(auto value, resolve(node, dialect));
  switch (value.type) {
    case Type::null: out += "null"; break;
    case Type::boolean:
    case Type::integer: out += value.text; break;
    case Type::string: append_go_json_string(out, value.text); break;
    case Type::floating:
      if (!std::isfinite(value.floating)) {
        return refuse(node, "json: unsupported value: " + value.text);
      }
      out += go_json_number(value.floating);
      break;
  }
  return {};
}

Result<> append_map(std::string& out, const Node& node, Dialect dialect) {
  // Keys that differ as text can be one as values: the last one counts.
  std::map<std::string, const Node*> members;
  for (const Member& member : node.members) {
    OUT_TRY(auto name, key_name(member.key, dialect));
    members.insert_or_assign(std::move(name), &member.value);
  }
  out += '{';
  bool first = true;
  for (const auto& [name, value] : members) {
    if (!first) out += ',';
    first = false;
    append_go_json_string(out, name);
    out += ':';
    OUT_CHECK(append_json(out, *value, dialect));
  }
  out += '}';
  return {};
}

// Recursion is bounded: a tree is at most Limits::depth levels deep.
Result<> append_json(std::string& out, const Node& node, Dialect dialect) {
  switch (node.kind) {
    case Kind::scalar: return append_scalar(out, node, dialect);
    case Kind::map: return append_map(out, node, dialect);
    case Kind::sequence: break;
  }
  out += '[';
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0) out += ',';
    OUT_CHECK(append_json(out, node.items[i], dialect));
  }
  out += ']';
  return {};
}

}  // namespace

Result<std::string> to_json(const Node& node, Dialect dialect) {
  std::string out;
  OUT_CHECK(append_json(out, node, dialect));
  return out;
}

}  // namespace outrigger::yaml
