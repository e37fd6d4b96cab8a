#include "components/state/like.h"

#include "base/strings.h"

namespace outrigger::components::state {
namespace {

/// Whether one character of the pattern (not %) takes the next character of the text; on success
/// both have moved on.
bool step(std::string_view text, std::size_t& t, std::string_view pattern,
          std::size_t& p) noexcept {
  if (t >= text.size() || p >= pattern.size()) return false;
  if (pattern[p] == '_') {
    t += decode_rune(text.substr(t)).bytes;
    ++p;
    return true;
  }
  const bool escaped = pattern[p] == '\\' && p + 1 < pattern.size();
  const std::size_t at = escaped ? p + 1 : p;
  if (pattern[at] != text[t]) return false;
  p = at + 1;
  ++t;
  return true;
}

}  // namespace

bool like(std::string_view text, std::string_view pattern) noexcept {
  std::size_t t = 0;
  std::size_t p = 0;
  std::size_t after_star = std::string_view::npos;
  std::size_t star_text = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '%') {
      after_star = ++p;
      star_text = t;
      continue;
    }
    if (t == text.size() && p == pattern.size()) return true;
    if (step(text, t, pattern, p)) continue;
    // Only the last % can have taken too little: let it take one more character.
    if (after_star == std::string_view::npos || star_text >= text.size()) return false;
    star_text += decode_rune(text.substr(star_text)).bytes;
    t = star_text;
    p = after_star;
  }
}

}  // namespace outrigger::components::state
