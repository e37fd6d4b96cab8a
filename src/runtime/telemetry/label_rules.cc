#include "runtime/telemetry/label_rules.h"

#include <re2/re2.h>

#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

constexpr std::string_view kPrefix = "dapr_";
// What RE2's own templates can name.
constexpr int kGroupMax = 9;

struct Replacement {
  std::shared_ptr<const re2::RE2> expression;
  std::string with;  // In RE2's form: \1.
};

using Replacements = std::vector<Replacement>;
// By metric, then by label.
using Rules = std::map<std::string, std::map<std::string, Replacements, std::less<>>, std::less<>>;

std::string canonical(std::string_view metric) {
  std::string name(metric);
  if (const auto at = name.find(kPrefix); at != std::string::npos) name.erase(at, kPrefix.size());
  std::ranges::replace(name, '/', '_');
  return name;
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// The group's number; -1 if the expression has none of that name, which Go replaces by nothing.
int group_of(std::string_view name, const re2::RE2& expression) {
  const bool digits = std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  int number = -1;
  if (!digits) {
    const auto& named = expression.NamedCapturingGroups();
    if (const auto found = named.find(std::string(name)); found != named.end()) {
      number = found->second;
    }
  } else if (name.size() == 1) {
    number = name[0] - '0';
  }
  return number > expression.NumberOfCapturingGroups() || number > kGroupMax ? -1 : number;
}

/// The name behind a "$", and how many bytes it takes; 0 if there is none.
std::pair<std::string_view, std::size_t> group_name(std::string_view text) {
  const bool braced = text.starts_with('{');
  const std::size_t start = braced ? 1 : 0;
  std::size_t end = start;
  while (end < text.size() && is_word(text[end])) ++end;
  if (end == start || (braced && (end == text.size() || text[end] != '}'))) return {};
  return {text.substr(start, end - start), braced ? end + 1 : end};
}

std::string translated(std::string_view text, const re2::RE2& expression) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      out += "\\\\";
    } else if (c != '$') {
      out += c;
    } else if (text.substr(i + 1).starts_with('$')) {
      out += '$';
      ++i;
    } else if (const auto [name, bytes] = group_name(text.substr(i + 1)); bytes == 0) {
      out += '$';
    } else {
      const int group = group_of(name, expression);
      if (group >= 0) out.append(1, '\\').append(std::to_string(group));
      i += bytes;
    }
  }
  return out;
}

Result<Replacements> compile(const LabelRule& rule) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  Replacements all;
  for (const auto& [with, pattern] : rule.regex) {
    auto expression = std::make_shared<const re2::RE2>(pattern, options);
    if (!expression->ok()) {
      return fail(Code::invalid_argument, "failed to compile regex for rule " + rule.metric +
                                              rule.label + "/" + with + ": " + expression->error());
    }
    std::string template_text = translated(with, *expression);
    all.push_back({std::move(expression), std::move(template_text)});
  }
  return all;
}

}  // namespace

Result<LabelRewrite> make_label_rewrite(const std::vector<LabelRule>& rules) {
  if (rules.empty()) return LabelRewrite();
  auto compiled = std::make_shared<Rules>();
  for (const LabelRule& rule : rules) {
    OUT_TRY((*compiled)[canonical(rule.metric)][rule.label], compile(rule));
  }
  return [compiled = std::shared_ptr<const Rules>(std::move(compiled))](
             std::string_view metric, std::string_view label, std::string value) {
    const auto of_metric = compiled->find(metric);
    if (of_metric == compiled->end()) return value;
    const auto found = of_metric->second.find(label);
    if (found == of_metric->second.end()) return value;
    for (const Replacement& each : found->second) {
      re2::RE2::GlobalReplace(&value, *each.expression, each.with);
    }
    return value;
  };
}

}  // namespace outrigger::telemetry
