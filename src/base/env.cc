#include "base/env.h"

#include <cstdlib>
#include <utility>

#include "base/strings.h"

namespace outrigger {
namespace {

constexpr bool is_name_char(char c) noexcept {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool is_special(char c) noexcept {
  return std::string_view("*#$@!?-0123456789").find(c) != std::string_view::npos;
}

struct Name {
  std::string_view name;
  std::size_t width;  // Characters after the dollar; 0: the dollar stands for itself.
};

Name braced(std::string_view rest) {
  if (rest.size() > 2 && is_special(rest[1]) && rest[2] == '}') return {rest.substr(1, 1), 3};
  const auto close = rest.find('}');
  if (close == std::string_view::npos) return {{}, 1};
  if (close == 1) return {{}, 2};
  return {rest.substr(1, close - 1), close + 1};
}

Name name_after_dollar(std::string_view rest) {
  if (rest.empty()) return {{}, 0};
  if (rest[0] == '{') return braced(rest);
  if (is_special(rest[0])) return {rest.substr(0, 1), 1};
  std::size_t width = 0;
  while (width < rest.size() && is_name_char(rest[width])) ++width;
  return {rest.substr(0, width), width};
}

}  // namespace

std::optional<std::string> env(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

std::string env_or(std::string_view name, std::string_view otherwise) {
  auto value = env(name);
  return value ? *std::move(value) : std::string(otherwise);
}

bool env_truthy(std::string_view name) {
  const auto value = env(name);
  return value && is_truthy(*value);
}

Environment process_environment() {
  return [](std::string_view name) { return env(name); };
}

Environment fixed_environment(std::map<std::string, std::string, std::less<>> values) {
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

std::string expand_env(std::string_view text, const Environment& environment) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const auto dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) return out;
    text.remove_prefix(dollar + 1);
    const Name found = name_after_dollar(text);
    if (found.width == 0) {
      out += '$';
      continue;
    }
    if (!found.name.empty()) out += environment(found.name).value_or("");
    text.remove_prefix(found.width);
  }
}

}  // namespace outrigger
