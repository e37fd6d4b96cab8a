#include "components/middleware/path_filter.h"

#include <re2/re2.h>

#include "base/strings.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

/// What is no text, which no part of an expression would match, as one character that "." does.
std::string as_text(std::string_view path) {
  constexpr char32_t kReplacement = 0xFFFD;
  std::string text;
  while (!path.empty()) {
    const Rune rune = decode_rune(path);
    append_rune(text, rune.value < U' ' ? kReplacement : rune.value);
    path.remove_prefix(rune.bytes);
  }
  return text;
}

}  // namespace

struct PathFilter::Expression {
  explicit Expression(const std::string& text) : compiled(text, RE2::Quiet) {}
  const RE2 compiled;
};

PathFilter::PathFilter(std::unique_ptr<const Expression> expression)
    : expression_(std::move(expression)) {}
PathFilter::PathFilter(PathFilter&&) noexcept = default;
PathFilter::~PathFilter() = default;

Result<PathFilter> PathFilter::parse(const std::string& expression) {
  if (expression.empty()) return PathFilter(nullptr);
  auto made = std::make_unique<const Expression>(expression);
  if (made->compiled.ok()) return PathFilter(std::move(made));
  return fail(Code::invalid_argument, "error parsing regexp: " + made->compiled.error());
}

bool PathFilter::applies(std::string_view target) const {
  if (expression_ == nullptr) return true;
  const auto path = net::path_unescape(net::split_target(target).path);
  if (!path || RE2::PartialMatch(*path, expression_->compiled)) return true;
  const std::string text = as_text(*path);
  if (text != *path && RE2::PartialMatch(text, expression_->compiled)) return true;
  const std::string clean = net::clean_path(text);
  return clean != *path && RE2::PartialMatch(clean, expression_->compiled);
}

}  // namespace outrigger::components::middleware
