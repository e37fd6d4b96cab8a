#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/http_call.h"

namespace outrigger::runtime::api {

using HttpHandler = std::move_only_function<Task<net::Response>(HttpCall& call)>;

/// One row of facts/http_routes.tsv.
struct Route {
  /// "GET", "POST,PUT" or "ANY".
  std::string methods;
  /// "/v1.0/state/{storeName}/{key}"; the last part may be "{name*}", which takes the rest of the
  /// path with its slashes.
  std::string pattern;
  /// The name that API allow and deny lists know it by: "state", and its version "v1".
  std::string group;
  std::string version;
  /// What the log says instead of the path if that is not to be told: "GetState".
  std::string name;
  /// Reachable without the API token and whatever the lists say: health.
  bool always_allowed = false;
  /// Also served on the public port.
  bool is_public = false;
  HttpHandler handler;
};

/// Finds the route of a method and an escaped path. Built at start, read-only after.
class Router {
 public:
  Router();
  ~Router();
  void add(Route route);

  struct Match {
    /// nullptr: no route has this path (or none that has it this method: then `allow` says which).
    const Route* route = nullptr;
    /// Set with a route: its parameters, unescaped with query rules ('+' is a space), as upstream.
    std::vector<HttpCall::Param> params;
    bool method_not_allowed = false;
  };
  /// Static parts win over parameters. Code::invalid_argument (HTTP 400, plain text in upstream's
  /// wording) for a bad escape in a parameter.
  Result<Match> find(std::string_view method, std::string_view path) const;
  /// For tests and docs: "METHODS PATTERN" of all routes, in the order added.
  [[nodiscard]] std::vector<std::string> list() const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
  std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace outrigger::runtime::api
