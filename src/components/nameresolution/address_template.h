#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "components/nameresolution/resolver.h"

namespace outrigger::components::nameresolution {

/// The part of Go's text/template that addresses need: text with `{{.ID}}`, `{{.Namespace}}`,
/// `{{.Port}}`, `{{.CacheKey}}`, `{{.Data.name}}`, comments, and `{{-` and `-}}` to trim white
/// space. Functions, pipes and conditions are an error, so that none is ever taken for text.
class AddressTemplate {
 public:
  static Result<AddressTemplate> parse(std::string_view text);
  /// A name that Data does not have becomes "<no value>", as in Go.
  [[nodiscard]] std::string expand(const ResolveRequest& request) const;

 private:
  enum class Field : std::uint8_t { id, app_namespace, port, cache_key };
  struct DataKey {
    std::string name;
  };
  using Piece = std::variant<std::string, Field, DataKey>;
  static Result<Piece> parse_action(std::string_view action);
  std::vector<Piece> pieces_;
};

}  // namespace outrigger::components::nameresolution
