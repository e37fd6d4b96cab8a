#include "runtime/telemetry/path_labels.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>

#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

constexpr std::string_view kStaticPaths[] = {"/dapr/config", "/dapr/metrics", "/dapr/subscribe",
                                             "/healthz"};

bool is_normal(std::string_view path) {
  if (!path.starts_with('/')) return false;
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (path[i] == '/' && path[i - 1] == '/') return false;
  }
  return true;
}

/// One leading slash, no double ones.
std::string normalized(std::string_view path) {
  std::string out = "/";
  for (const char c : path) {
    if (c != '/' || out.back() != '/') out += c;
  }
  return out;
}

/// The first parts of a path without its leading slash, at most six; the last has the rest.
struct Parts {
  std::array<std::string_view, 6> part;
  std::size_t count = 0;
  bool normal = true;  // No double slash.

  explicit Parts(std::string_view path) {
    std::size_t start = 1;
    for (std::size_t i = 1; i < path.size(); ++i) {
      if (path[i] != '/') continue;
      normal = normal && path[i - 1] != '/';
      if (count == part.size() - 1) continue;
      part[count++] = path.substr(start, i - start);
      start = i + 1;
    }
    part[count++] = path.substr(std::min(start, path.size()));
  }
  /// "/a/b/c": the path up to the end of the given part.
  [[nodiscard]] std::string_view upto(std::string_view path, std::size_t parts) const {
    const char* end = part[parts - 1].data() + part[parts - 1].size();
    return path.substr(0, static_cast<std::size_t>(end - path.data()));
  }
  std::string_view join(std::size_t parts, std::string_view start, std::string& scratch) const {
    std::string out(start);
    for (std::size_t i = 0; i < parts; ++i) {
      if (i > 0) out += '/';
      out += part[i];
    }
    scratch = std::move(out);
    return scratch;
  }
};

std::string_view workflow_label(std::string_view path, Parts& parts, std::string& scratch) {
  if (parts.count < 4) return path;
  if (parts.count == 4) {
    parts.part[3] = "{instanceId}";
    return parts.join(4, "/", scratch);
  }
  if (parts.count == 5 && parts.part[4].starts_with("start")) {
    parts.part[4] = "start";
    return parts.join(5, "/", scratch);
  }
  parts.part[3] = "{instanceId}";
  if (parts.count == 6 && parts.part[4] == "raiseEvent" && !parts.part[5].empty()) {
    parts.part[5] = "{eventName}";
    return parts.join(6, "/", scratch);
  }
  return parts.join(5, "/", scratch);
}

}  // namespace

std::string_view path_without_ids(std::string_view path, std::string& scratch) {
  if (path.empty()) return path;
  Parts parts(path);
  if (path[0] != '/' || !parts.normal) {
    const std::string kept = normalized(path);
    std::string inner;
    scratch = std::string(path_without_ids(kept, inner));
    return scratch;
  }
  const std::string_view api = parts.count > 1 ? parts.part[1] : std::string_view();
  if (parts.count < 3) return path;  // Too short to hold an id.
  if (parts.part[0] == "actors") {
    parts.part[2] = "{id}";
    return parts.join(parts.count, "", scratch);
  }
  if (api == "state" || api == "secrets") return parts.upto(path, 3);
  if (api == "actors" && parts.count >= 5) {
    parts.part[3] = "{id}";
    return parts.join(5, "/", scratch);
  }
  return api == "workflows" ? workflow_label(path, parts, scratch) : path;
}

/// A trie of path segments. At each level a literal wins over {name}, and that over a pattern which
/// takes the whole rest.
struct PathLabels::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> any;
  std::optional<std::string> end;   // The pattern that ends here.
  std::optional<std::string> rest;  // The pattern "x/" or "x/{name...}" that takes what follows.

  void add(std::string_view segments, const std::string& pattern) {
    const auto slash = segments.find('/');
    const auto segment = segments.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    const bool braces = segment.starts_with('{') && segment.ends_with('}');
    if (last && (segment.empty() || (braces && segment.ends_with("...}")))) {
      rest = pattern;
      return;
    }
    if (last && segment == "{$}") {
      literals.try_emplace("", std::make_unique<Node>()).first->second->end = pattern;
      return;
    }
    if (braces && !any) any = std::make_unique<Node>();
    Node& next =
        braces
            ? *any
            : *literals.try_emplace(std::string(segment), std::make_unique<Node>()).first->second;
    if (last) {
      next.end = pattern;
    } else {
      next.add(segments.substr(slash + 1), pattern);
    }
  }

  /// As deep as the patterns, however long the path is.
  [[nodiscard]] const std::string* find(std::string_view segments) const {
    const auto slash = segments.find('/');
    const auto segment = segments.substr(0, slash);
    const bool last = slash == std::string_view::npos;
    const auto step = [&](const Node& next) -> const std::string* {
      if (!last) return next.find(segments.substr(slash + 1));
      if (next.end) return &*next.end;
      return next.rest ? &*next.rest : nullptr;
    };
    if (const auto found = literals.find(segment); found != literals.end()) {
      if (const std::string* pattern = step(*found->second)) return pattern;
    }
    if (any && !segment.empty()) {
      if (const std::string* pattern = step(*any)) return pattern;
    }
    return rest ? &*rest : nullptr;
  }
};

PathLabels::PathLabels(const PathLabelOptions& options)
    : increased_cardinality_(options.increased_cardinality) {
  for (const std::string& raw : options.patterns) {
    if (!root_) root_ = std::make_unique<Node>();
    const std::string pattern = normalized(raw);
    root_->add(std::string_view(pattern).substr(1), pattern);
    if (!pattern.starts_with("/v1.0/invoke/")) {
      const std::string invoked = "/v1.0/invoke/{app_id}/method" + pattern;
      root_->add(std::string_view(invoked).substr(1), invoked);
    }
  }
}

PathLabels::~PathLabels() = default;

const std::string* PathLabels::match(std::string_view path) const {
  if (!root_ || path.empty()) return nullptr;
  if (is_normal(path)) return root_->find(path.substr(1));
  return root_->find(std::string_view(normalized(path)).substr(1));
}

std::string_view PathLabels::label(std::string_view path, std::string& scratch) const {
  if (std::ranges::find(kStaticPaths, path) != std::end(kStaticPaths)) return path;
  if (const std::string* pattern = match(path)) return *pattern;
  if (!root_) return increased_cardinality_ ? path_without_ids(path, scratch) : std::string_view();
  const std::string_view plain = path_without_ids(path, scratch);
  if (plain != path) {
    const std::string* pattern = match(plain);
    if (pattern != nullptr && *pattern != "/") return *pattern;
  }
  return increased_cardinality_ ? plain : std::string_view();
}

std::string_view PathLabels::server(std::string_view path, std::string& scratch) const {
  if (!root_ && !increased_cardinality_) return {};
  return label(path, scratch);
}

std::string_view PathLabels::client(std::string_view path, std::string& scratch) const {
  return label(path, scratch);
}

}  // namespace outrigger::telemetry
