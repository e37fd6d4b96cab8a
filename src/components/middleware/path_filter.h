#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::components::middleware {

/// The paths that a middleware is for: those that a regular expression finds something in.
class PathFilter {
 public:
  /// An empty expression is for all paths. Code::invalid_argument says what is wrong with it.
  static Result<PathFilter> parse(const std::string& expression);
  PathFilter(PathFilter&&) noexcept;
  ~PathFilter();

  /// Whether the path of `target` matches, decoded, as it came or as the routes read it: neither
  /// "//api" nor "/x/../api" gets round "^/api", and neither line feeds nor bytes that are no text
  /// get round "^/api/.*$". What cannot be decoded matches, too.
  [[nodiscard]] bool applies(std::string_view target) const;

 private:
  struct Expression;
  explicit PathFilter(std::unique_ptr<const Expression> expression);
  std::unique_ptr<const Expression> expression_;
};

}  // namespace outrigger::components::middleware
