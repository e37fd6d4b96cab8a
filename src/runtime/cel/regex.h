#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"

namespace outrigger::cel {

/// A compiled regular expression in RE2's syntax: matching takes time linear in the text.
class Regex {
 public:
  /// Code::invalid_argument if it is no expression or its program would take more than about
  /// a megabyte.
  static Result<std::unique_ptr<Regex>> compile(std::string_view pattern);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  /// Whether it matches anywhere in the text.
  [[nodiscard]] bool found_in(std::string_view text) const;
  /// How large the compiled form is: what one byte of text may cost at the worst.
  [[nodiscard]] std::size_t program_size() const;

 private:
  struct Impl;
  explicit Regex(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::cel
