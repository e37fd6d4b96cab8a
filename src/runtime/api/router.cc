#include "runtime/api/router.h"

#include "base/json.h"
#include "net/uri.h"

namespace outrigger::runtime::api {

/// A part of the path. Children by text are tried before the parameter, the parameter before the
/// rest.
struct Router::Node {
  std::vector<std::pair<std::string, std::unique_ptr<Node>>> children;
  std::unique_ptr<Node> parameter;
  std::vector<const Route*> rest;  // "{name*}" ends here.
  std::vector<const Route*> here;

  Node& child(std::string_view text) {
    for (auto& [name, node] : children) {
      if (name == text) return *node;
    }
    children.emplace_back(text, std::make_unique<Node>());
    return *children.back().second;
  }
};

namespace {

bool has_method(const Route& route, std::string_view method) {
  if (route.methods == "ANY") return true;
  std::string_view rest = route.methods;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    if (rest.substr(0, comma) == method) return true;
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return false;
}

bool is_rest(std::string_view part) { return part.starts_with('{') && part.ends_with("*}"); }
bool is_parameter(std::string_view part) { return part.starts_with('{'); }

std::string_view next_part(std::string_view& path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  const std::size_t slash = path.find('/');
  const std::string_view part = path.substr(0, slash);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
  return part;
}

struct Found {
  const Route* route = nullptr;
  bool other_method = false;

  bool take(const std::vector<const Route*>& candidates, std::string_view method) {
    for (const Route* candidate : candidates) {
      if (has_method(*candidate, method)) {
        route = candidate;
        return true;
      }
    }
    other_method = other_method || !candidates.empty();
    return false;
  }
};

Result<std::vector<HttpCall::Param>> read_params(const Route& route, std::string_view path) {
  std::vector<HttpCall::Param> params;
  std::string_view pattern = route.pattern;
  while (!pattern.empty()) {
    const std::string_view part = next_part(pattern);
    if (!is_parameter(part)) {
      next_part(path);
      continue;
    }
    const bool rest = is_rest(part);
    std::string_view raw;
    if (rest) {
      raw = path.starts_with('/') ? path.substr(1) : path;
    } else {
      raw = next_part(path);
    }
    const std::string_view name = part.substr(1, part.size() - (rest ? 3 : 2));
    auto value = net::query_unescape(raw);
    if (!value) {
      return fail(Error(Code::invalid_argument, "failed to unescape request parameter " +
                                                    json::quote(name, json::Html::keep) +
                                                    ". Error: " + value.error().message())
                      .with_http_status(400));
    }
    params.push_back({name, *std::move(value)});
  }
  return params;
}

}  // namespace

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

void Router::add(Route route) {
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  const Route* added = routes_.back().get();
  Node* node = root_.get();
  std::string_view pattern = added->pattern;
  while (!pattern.empty()) {
    const std::string_view part = next_part(pattern);
    if (is_rest(part)) {
      node->rest.push_back(added);
      return;
    }
    if (is_parameter(part)) {
      if (!node->parameter) node->parameter = std::make_unique<Node>();
      node = node->parameter.get();
    } else {
      node = &node->child(part);
    }
  }
  node->here.push_back(added);
}

Result<Router::Match> Router::find(std::string_view method, std::string_view path) const {
  Found found;
  // Depth first; patterns are few and short, so the ways to go back to are few.
  struct Walk {
    static bool down(const Node& node, std::string_view rest, std::string_view method, Found& out) {
      // A rest takes at least one byte.
      if (rest.empty() || rest == "/") return out.take(node.here, method);
      std::string_view below = rest;
      const std::string_view part = next_part(below);
      for (const auto& [name, child] : node.children) {
        if (name == part && down(*child, below, method, out)) return true;
      }
      if (node.parameter && !part.empty() && down(*node.parameter, below, method, out)) return true;
      return out.take(node.rest, method);
    }
  };
  Walk::down(*root_, path, method, found);
  Match match;
  match.route = found.route;
  match.method_not_allowed = found.route == nullptr && found.other_method;
  if (found.route != nullptr) {
    OUT_TRY(match.params, read_params(*found.route, path));
  }
  return match;
}

std::vector<std::string> Router::list() const {
  std::vector<std::string> lines;
  for (const auto& route : routes_) lines.push_back(route->methods + " " + route->pattern);
  return lines;
}

}  // namespace outrigger::runtime::api
