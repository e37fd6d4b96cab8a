#include "runtime/invoke/method.h"

#include "base/strings.h"
#include "net/uri.h"

namespace outrigger::runtime::invoke {
namespace {

bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// Most methods are clean already: no part of theirs is empty or begins with a dot.
bool is_clean(std::string_view method) noexcept {
  char previous = '/';
  for (const char c : method) {
    if (previous == '/' && (c == '/' || c == '.')) return false;
    previous = c;
  }
  return previous != '/';
}

}  // namespace

Result<std::string> normalise_method(std::string_view method) {
  if (method.find_first_of(std::string_view("#?\0", 3)) != std::string_view::npos) {
    return fail(Code::invalid_argument, "method contains forbidden character: " + quoted(method));
  }
  for (std::size_t i = 0; i < method.size(); ++i) {
    if (!is_control(method[i])) continue;
    return fail(Code::invalid_argument, "method contains control character at position " +
                                            std::to_string(i) + ": " + quoted(method));
  }
  if (is_clean(method)) return std::string(method);
  std::string clean = net::clean_path(method);
  std::string_view rest(clean);
  while (rest.starts_with("../")) rest.remove_prefix(3);
  if (rest == ".." || rest == ".") rest = {};
  return std::string(rest);
}

}  // namespace outrigger::runtime::invoke
