#include <algorithm>

#include <re2/re2.h>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "components/middleware/middleware.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

const Logger log("dapr.contrib");

/// One alias: a path with variables, "/orders/{id}" or "/orders/{id:[0-9]+}", and the path that is
/// meant. Variables become parameters of the query.
class Alias {
 public:
  static Result<Alias> parse(std::string_view path, std::string target) {
    Alias alias;
    alias.target_ = std::move(target);
    std::string pattern;
    while (!path.empty()) {
      const auto open = path.find('{');
      pattern += RE2::QuoteMeta(std::string(path.substr(0, open)));
      if (open == std::string_view::npos) break;
      const auto close = closing_brace(path, open);
      if (close == std::string_view::npos) {
        return fail(Code::invalid_argument,
                    "mux: unbalanced braces in \"" + std::string(path) + "\"");
      }
      const std::string_view variable = path.substr(open + 1, close - open - 1);
      const auto colon = variable.find(':');
      const bool has_pattern = colon != std::string_view::npos;
      alias.names_.emplace_back(variable.substr(0, colon));
      // Its own groups are not ours: "(" of the user stays one that is not counted.
      pattern += "(" + (has_pattern ? uncounted(variable.substr(colon + 1)) : "[^/]+") + ")";
      path.remove_prefix(close + 1);
    }
    alias.pattern_ = std::make_unique<const RE2>(pattern, RE2::Quiet);
    const bool fits = alias.pattern_->ok() && alias.pattern_->NumberOfCapturingGroups() ==
                                                  static_cast<int>(alias.names_.size());
    if (fits) return alias;
    return fail(Code::invalid_argument,
                "the route pattern " + pattern + " is not usable: " + alias.pattern_->error());
  }

  /// The target that a request for this path and query is meant to have.
  [[nodiscard]] std::optional<std::string> rewrite(std::string_view path,
                                                   std::string_view query) const {
    std::vector<std::string> values(names_.size());
    std::vector<RE2::Arg> slots(names_.size());
    std::vector<const RE2::Arg*> pointers(names_.size());
    for (std::size_t i = 0; i < names_.size(); ++i) {
      slots[i] = &values[i];
      pointers[i] = &slots[i];
    }
    if (!RE2::FullMatchN(path, *pattern_, pointers.data(), static_cast<int>(pointers.size()))) {
      return std::nullopt;
    }
    std::string all(query);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (!all.empty()) all += '&';
      all += net::query_escape(names_[i]) + "=" + net::query_escape(values[i]);
    }
    return all.empty() ? target_ : target_ + "?" + all;
  }

 private:
  static std::size_t closing_brace(std::string_view text, std::size_t open) {
    int depth = 0;
    for (std::size_t i = open; i < text.size(); ++i) {
      if (text[i] == '{') ++depth;
      if (text[i] == '}' && --depth == 0) return i;
    }
    return std::string_view::npos;
  }
  static std::string uncounted(std::string_view pattern) {
    std::string text;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      text += pattern[i];
      if (pattern[i] == '\\' && i + 1 < pattern.size()) {
        text += pattern[++i];
      } else if (pattern[i] == '(' && !pattern.substr(i + 1).starts_with('?')) {
        text += "?:";
      }
    }
    return text;
  }

  std::vector<std::string> names_;
  std::unique_ptr<const RE2> pattern_;
  std::string target_;
};

class RouterAlias final : public Middleware {
 public:
  explicit RouterAlias(std::vector<Alias> aliases) : aliases_(std::move(aliases)) {}

  Task<net::Response> handle(net::Request request, Next next) override {
    const auto target = net::split_target(request.target);
    const auto path = net::path_unescape(target.path);
    if (path) {
      for (const Alias& alias : aliases_) {
        auto meant = alias.rewrite(*path, target.query);
        if (!meant) continue;
        request.target = *std::move(meant);
        break;
      }
    }
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
  const std::vector<Alias> aliases_;
};

/// The routes of a JSON object, or of "path: target" lines, which are the YAML that people write
/// there.
Result<Properties> parse_routes(std::string_view text) {
  Properties routes;
  if (json::type_of(text) == json::Type::object) {
    json::ObjectReader members(text);
    while (members.next()) {
      const auto target = json::string_value(members.value());
      if (!target) break;
      routes.insert_or_assign(std::string(members.key()), *target);
    }
    if (members.ok()) return routes;
    return fail(Code::invalid_argument, "failed to decode 'routes' property as JSON or YAML");
  }
  const auto bare = [](std::string_view part) {
    part = trim(part);
    const bool quoted = part.size() >= 2 && (part.front() == '"' || part.front() == '\'') &&
                        part.back() == part.front();
    return std::string(quoted ? part.substr(1, part.size() - 2) : part);
  };
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (line.empty() || line.starts_with('#')) continue;
    const auto colon = line.find(": ");
    if (colon == std::string_view::npos) {
      return fail(Code::invalid_argument, "failed to decode 'routes' property as JSON or YAML: \"" +
                                              std::string(line) + "\" is no route");
    }
    routes.insert_or_assign(bare(line.substr(0, colon)), bare(line.substr(colon + 2)));
  }
  return routes;
}

struct Listed {
  std::string routes;
};
constexpr Field<Listed> kFields[] = {{{.name = "routes"}, &Listed::routes}};

}  // namespace

Result<std::unique_ptr<Middleware>> make_router_alias(const Metadata& metadata,
                                                      ComponentContext& context) {
  OUT_TRY(const auto listed, parse_fields(metadata, kFields));
  Properties routes = metadata.properties;
  if (metadata.properties.size() == 1 && !listed.routes.empty()) {
    OUT_TRY(routes, parse_routes(listed.routes));
  } else if (!routes.empty() && context.loop.index() == 0) {
    log.warn(
        "Listing routes as key-value pairs is deprecated. Please use the 'routes' property "
        "instead. See: https://docs.dapr.io/reference/components-reference/supported-middleware/"
        "middleware-routeralias/");
  }
  std::vector<Alias> aliases;
  for (const auto& [path, target] : routes) {
    if (path.empty() || target.empty()) {
      return fail(Code::invalid_argument, "invalid key/value pair in metadata: must not be empty");
    }
    OUT_TRY(auto alias, Alias::parse(path, target));
    aliases.push_back(std::move(alias));
  }
  return std::make_unique<RouterAlias>(std::move(aliases));
}
std::vector<FieldInfo> router_alias_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
