#include "runtime/cel/regex.h"

#include <re2/re2.h>

namespace outrigger::cel {
namespace {

constexpr std::int64_t kProgramBytesMax = 1 << 20;

re2::RE2::Options options() {
  re2::RE2::Options result;
  result.set_log_errors(false);
  result.set_max_mem(kProgramBytesMax);
  return result;
}

}  // namespace

struct Regex::Impl {
  explicit Impl(std::string_view pattern)
      : expression(re2::StringPiece(pattern.data(), pattern.size()), options()) {}
  re2::RE2 expression;
};

Regex::Regex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Regex::~Regex() = default;

Result<std::unique_ptr<Regex>> Regex::compile(std::string_view pattern) {
  auto impl = std::make_unique<Impl>(pattern);
  if (!impl->expression.ok()) {
    return fail(Code::invalid_argument, "error parsing regexp: " + impl->expression.error());
  }
  return std::unique_ptr<Regex>(new Regex(std::move(impl)));
}

bool Regex::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), impl_->expression);
}

std::size_t Regex::program_size() const {
  return static_cast<std::size_t>(std::max(1, impl_->expression.ProgramSize()));
}

}  // namespace outrigger::cel
