#include "base/flags.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/duration.h"
#include "base/strings.h"

namespace outrigger {
namespace {

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

std::unexpected<Error> bad_number(std::string_view function, std::string_view text,
                                  std::string_view why) {
  return bad("strconv." + std::string(function) + ": parsing " + quoted(text) + ": " +
             std::string(why));
}

/// The digits without prefix and underscores, and their base: 0x, 0o, 0b and a leading 0 count.
/// Empty digits if an underscore is out of place.
std::pair<std::string, int> digits_of(std::string_view text) {
  int base = 10;
  bool prefixed = false;
  if (text.size() > 1 && text[0] == '0') {
    const char letter = to_lower(text[1]);
    base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
    prefixed = true;
    text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
  }
  std::string digits;
  bool after_digit = prefixed;
  for (const char c : text) {
    if (c == '_' && !after_digit) return {};
    if (c != '_') digits += c;
    after_digit = c != '_';
  }
  if (!after_digit) return {};
  return {digits, base};
}

/// Go's strconv.ParseUint with base 0. `function` is named in errors.
Result<std::uint64_t> parse_natural(std::string_view text, std::string_view all,
                                    std::string_view function) {
  const auto [digits, base] = digits_of(text);
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base == 0 ? 10 : base);
  if (error == std::errc::result_out_of_range && stop == end) {
    return bad_number(function, all, "value out of range");
  }
  if (error != std::errc{} || stop != end) return bad_number(function, all, "invalid syntax");
  return value;
}

Result<std::int64_t> parse_integer(std::string_view all) {
  std::string_view text = all;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  OUT_TRY(const std::uint64_t size, parse_natural(text, all, "ParseInt"));
  const std::uint64_t limit =
      static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) + (negative ? 1 : 0);
  if (size > limit) return bad_number("ParseInt", all, "value out of range");
  return static_cast<std::int64_t>(negative ? 0 - size : size);
}

std::unexpected<Error> bad_csv(std::size_t column, std::string_view why) {
  return bad("parse error on line 1, column " + std::to_string(column) + ": " + std::string(why));
}

/// The fields of the first line of a CSV text, quoted as RFC 4180 says.
Result<std::vector<std::string>> parse_csv(std::string_view text) {
  std::vector<std::string> fields;
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) return fields;
  std::size_t i = 0;
  while (true) {
    std::string field;
    if (i < text.size() && text[i] == '"') {
      for (++i;; ++i) {
        if (i == text.size()) return bad_csv(i + 1, "extraneous or missing \" in quoted-field");
        if (text[i] == '"' && (i + 1 == text.size() || text[i + 1] != '"')) break;
        if (text[i] == '"') ++i;
        field += text[i];
      }
      ++i;
      if (i < text.size() && text[i] != ',') {
        return bad_csv(i, "extraneous or missing \" in quoted-field");
      }
    } else {
      for (; i < text.size() && text[i] != ','; ++i) {
        if (text[i] == '"') return bad_csv(i + 1, "bare \" in non-quoted field");
        field += text[i];
      }
    }
    fields.push_back(std::move(field));
    if (i == text.size()) return fields;
    ++i;
  }
}

/// The name of the value for usage() and the text without the back quotes.
std::pair<std::string, std::string> named_value(const std::string& usage, std::string otherwise) {
  const auto open = usage.find('`');
  const auto close = open == std::string::npos ? open : usage.find('`', open + 1);
  if (close == std::string::npos) return {std::move(otherwise), usage};
  std::string name = usage.substr(open + 1, close - open - 1);
  return {name, usage.substr(0, open) + name + usage.substr(close + 1)};
}

}  // namespace

void Flags::insert(std::string name, Flag flag) {
  const bool is_new = flags_.emplace(std::move(name), std::move(flag)).second;
  OUT_ASSERT(is_new);
}

Flags::Flag& Flags::at(std::string_view name) {
  const auto found = flags_.find(name);
  OUT_ASSERT(found != flags_.end());
  return found->second;
}

void Flags::add(std::string name, std::string* target, std::string usage) {
  Flag flag{.kind = Kind::text, .usage = std::move(usage)};
  if (!target->empty()) flag.fallback = quoted(*target);
  flag.set = [target](std::string_view value) -> Result<> {
    *target = value;
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, bool* target, std::string usage) {
  Flag flag{.kind = Kind::boolean, .usage = std::move(usage)};
  if (*target) flag.fallback = "true";
  flag.set = [target](std::string_view value) -> Result<> {
    const auto truth = parse_bool(value);
    if (!truth) return bad_number("ParseBool", value, "invalid syntax");
    *target = *truth;
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, int* target, std::string usage) {
  Flag flag{.kind = Kind::integer, .usage = std::move(usage)};
  if (*target != 0) flag.fallback = std::to_string(*target);
  flag.set = [target](std::string_view value) -> Result<> {
    OUT_TRY(const std::int64_t number, parse_integer(value));
    if (!std::in_range<int>(number)) return bad_number("ParseInt", value, "value out of range");
    *target = static_cast<int>(number);
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, unsigned* target, std::string usage) {
  Flag flag{.kind = Kind::natural, .usage = std::move(usage)};
  if (*target != 0) flag.fallback = std::to_string(*target);
  flag.set = [target](std::string_view value) -> Result<> {
    OUT_TRY(const std::uint64_t number, parse_natural(value, value, "ParseUint"));
    if (!std::in_range<unsigned>(number)) {
      return bad_number("ParseUint", value, "value out of range");
    }
    *target = static_cast<unsigned>(number);
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, std::uint64_t* target, std::string usage) {
  Flag flag{.kind = Kind::natural, .usage = std::move(usage)};
  if (*target != 0) flag.fallback = std::to_string(*target);
  flag.set = [target](std::string_view value) -> Result<> {
    OUT_TRY(*target, parse_natural(value, value, "ParseUint"));
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, std::chrono::nanoseconds* target, std::string usage) {
  Flag flag{.kind = Kind::duration, .usage = std::move(usage)};
  if (target->count() != 0) flag.fallback = format_duration(*target);
  flag.set = [target](std::string_view value) -> Result<> {
    OUT_TRY(*target, parse_duration(value));
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::add(std::string name, std::vector<std::string>* target, std::string usage) {
  Flag flag{.kind = Kind::list, .usage = std::move(usage)};
  if (!target->empty()) flag.fallback = "[" + join(*target, ",") + "]";
  flag.set = [target, used = false](std::string_view value) mutable -> Result<> {
    OUT_TRY(auto fields, parse_csv(value));
    if (!std::exchange(used, true)) target->clear();
    std::ranges::move(fields, std::back_inserter(*target));
    return {};
  };
  insert(std::move(name), std::move(flag));
}

void Flags::hide(std::string_view name) { at(name).hidden = true; }

void Flags::deprecate(std::string_view name, std::string advice) {
  Flag& flag = at(name);
  flag.hidden = true;
  flag.advice = std::move(advice);
}

Result<Flags::Wish> Flags::parse(std::span<const std::string> arguments) {
  while (!arguments.empty()) {
    const std::string_view word = arguments.front();
    arguments = arguments.subspan(1);
    if (word.size() < 2 || word[0] != '-') {
      positional_.emplace_back(word);
      continue;
    }
    if (word == "--") {
      positional_.insert(positional_.end(), arguments.begin(), arguments.end());
      break;
    }
    OUT_TRY(const Wish wish, parse_word(word, arguments));
    if (wish == Wish::help) return wish;
  }
  return Wish::run;
}

Result<Flags::Wish> Flags::parse_word(std::string_view word, std::span<const std::string>& rest) {
  if (word == "-h") return Wish::help;
  if (word.size() == 2) {
    return bad("unknown shorthand flag: '" + std::string(1, word[1]) + "' in " + std::string(word));
  }
  std::string_view name = word.substr(word[1] == '-' ? 2 : 1);
  if (name[0] == '-' || name[0] == '=') return bad("bad flag syntax: " + std::string(word));
  std::optional<std::string_view> value;
  if (const auto parts = cut(name, "=")) {
    name = parts->first;
    value = parts->second;
  }
  const auto found = flags_.find(name);
  if (found == flags_.end()) {
    if (name == "help") return Wish::help;
    return bad("unknown flag: --" + std::string(name));
  }
  Flag& flag = found->second;
  if (!value && flag.kind == Kind::boolean) value = "true";
  if (!value) {
    if (rest.empty()) return bad("flag needs an argument: --" + std::string(name));
    value = rest.front();
    rest = rest.subspan(1);
  }
  OUT_CHECK(set(found->first, flag, *value));
  return Wish::run;
}

Result<> Flags::set(const std::string& name, Flag& flag, std::string_view value) {
  if (auto result = flag.set(value); !result) {
    return fail(std::move(result).error().context("invalid argument " + quoted(value) + " for " +
                                                  quoted("--" + name) + " flag"));
  }
  flag.changed = true;
  if (!flag.advice.empty()) {
    notices_.push_back("Flag --" + name + " has been deprecated, " + flag.advice);
  }
  return {};
}

bool Flags::changed(std::string_view name) const {
  const auto found = flags_.find(name);
  return found != flags_.end() && found->second.changed;
}

bool Flags::known(std::string_view name) const { return flags_.contains(name); }

std::string Flags::default_of(std::string_view name) const {
  const auto found = flags_.find(name);
  return found == flags_.end() ? std::string() : found->second.fallback;
}

std::vector<std::string> Flags::names() const {
  std::vector<std::string> all;
  for (const auto& [name, flag] : flags_) all.push_back(name);
  return all;
}

std::string Flags::usage() const {
  constexpr std::string_view kKinds[] = {"string", "", "int", "uint", "duration", "strings"};
  std::vector<std::pair<std::string, std::string>> lines;
  std::size_t width = 0;
  for (const auto& [name, flag] : flags_) {
    if (flag.hidden) continue;
    auto [value, text] =
        named_value(flag.usage, std::string(kKinds[static_cast<std::size_t>(flag.kind)]));
    std::string left = "      --" + name;
    if (!value.empty()) left += " " + value;
    if (!flag.fallback.empty()) text += " (default " + flag.fallback + ")";
    width = std::max(width, left.size());
    lines.emplace_back(std::move(left), std::move(text));
  }
  std::string out = "Usage of " + program_ + ":\n";
  for (const auto& [left, text] : lines) {
    out += left;
    out.append(width - left.size() + 3, ' ');
    out += text;
    out += '\n';
  }
  return out;
}

}  // namespace outrigger
