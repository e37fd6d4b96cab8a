#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::telemetry {

/// How HTTP paths become the label `path` (spec.metrics.http of a Configuration).
struct PathLabelOptions {
  /// Paths as they are but for ids of known APIs. Upstream's default, in spite of its documents.
  bool increased_cardinality = true;
  /// Patterns such as "/orders/{id}", "/files/{rest...}", "/static/": what matches none is "".
  std::vector<std::string> patterns;
};

/// Computes path labels. Immutable; safe on any thread.
class PathLabels {
 public:
  explicit PathLabels(const PathLabelOptions& options);
  ~PathLabels();
  PathLabels(const PathLabels&) = delete;
  PathLabels& operator=(const PathLabels&) = delete;

  /// The label of a request to our API. A view into `path`, the patterns or `scratch`.
  [[nodiscard]] std::string_view server(std::string_view path, std::string& scratch) const;
  /// The label of a call to the application.
  [[nodiscard]] std::string_view client(std::string_view path, std::string& scratch) const;

 private:
  struct Node;
  std::string_view label(std::string_view path, std::string& scratch) const;
  const std::string* match(std::string_view path) const;

  bool increased_cardinality_;
  std::unique_ptr<Node> root_;  // nullptr without patterns.
};

/// Without the ids: "/v1.0/state/store/key" is "/v1.0/state/store", an actor's id is "{id}". Double
/// slashes become one. A view into `path` or `scratch`.
[[nodiscard]] std::string_view path_without_ids(std::string_view path, std::string& scratch);

}  // namespace outrigger::telemetry
