#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace outrigger {

/// How code asks for an environment variable, so that tests can pass their own: the value, or
/// nullopt if it is not set (an empty value is a value).
using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// The process's environment. setenv() by another thread while this runs is a race; the program
/// sets variables only before its loops start.
[[nodiscard]] std::optional<std::string> env(std::string_view name);
[[nodiscard]] std::string env_or(std::string_view name, std::string_view otherwise);
/// Set, and truthy (base/strings.h).
[[nodiscard]] bool env_truthy(std::string_view name);

[[nodiscard]] Environment process_environment();
[[nodiscard]] Environment fixed_environment(std::map<std::string, std::string, std::less<>> values);

/// Go's os.Expand: $NAME and ${NAME} become the value, or nothing if it is not set; `$$` becomes
/// the value of the variable called `$`; an unclosed `${` is dropped.
[[nodiscard]] std::string expand_env(std::string_view text, const Environment& environment);

}  // namespace outrigger
