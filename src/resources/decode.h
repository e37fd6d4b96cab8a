#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resources/yaml.h"

/// Reading typed fields out of a YAML tree. What goes wrong is collected, each with file, line and
/// field, so that one look tells all that is wrong with a file.
namespace outrigger::resources {

/// The rules by which upstream reads the two sorts of files.
enum class Rules : std::uint8_t {
  /// Resource manifests: YAML to JSON to struct. Field names match in any case, numbers and
  /// booleans become strings where a string is wanted, strings never become numbers.
  manifest,
  /// Configuration files: field names match exactly, a string field takes a scalar's text as
  /// written, boolean fields also accept yes, no, on and off.
  configuration,
};

class Report {
 public:
  Report(std::string file, Rules rules) : file_(std::move(file)), rules_(rules) {}

  /// An error: the document cannot be used.
  void problem(std::uint32_t line, std::string_view path, std::string_view message);
  /// Something the user should look at; the document is used.
  void warning(std::uint32_t line, std::string_view path, std::string_view message);

  [[nodiscard]] Rules rules() const noexcept { return rules_; }
  [[nodiscard]] yaml::Dialect dialect() const noexcept {
    return rules_ == Rules::manifest ? yaml::Dialect::yaml_1_1 : yaml::Dialect::yaml_1_2;
  }
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  /// The problems found, one a line, as one Error (Code::invalid_argument); success if none.
  [[nodiscard]] Result<> result() const;

 private:
  [[nodiscard]] std::string located(std::uint32_t line, std::string_view path,
                                    std::string_view message) const;

  std::string file_;
  Rules rules_;
  std::vector<std::string> problems_, warnings_;
  std::size_t more_ = 0;
};

/// One place in the tree, present or not. A copy is cheap; the tree and the report outlive it.
class Field {
 public:
  Field(const yaml::Node& root, Report& report) : node_(&root), report_(&report) {}

  [[nodiscard]] bool present() const noexcept { return node_ != nullptr; }
  /// Present, and null: in a configuration file this resets what an earlier file said.
  [[nodiscard]] bool is_null() const;
  /// Present and not null.
  [[nodiscard]] bool has_value() const { return present() && !is_null(); }
  /// Present, not null, and a map; a problem is reported if it is anything else than a map.
  [[nodiscard]] bool is_map() const;
  [[nodiscard]] std::uint32_t line() const noexcept { return node_ == nullptr ? 0 : node_->line; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const yaml::Node* node() const noexcept { return node_; }
  [[nodiscard]] Report& report() const noexcept { return *report_; }

  /// A member of a map; not present if there is none, or if this is no map.
  [[nodiscard]] Field operator[](std::string_view name) const;

  /// The read functions leave `out` alone if the field is absent or null; on a value of the wrong
  /// type they report a problem.
  void read(std::string& out) const;
  void read(bool& out) const;
  void read(std::vector<std::string>& out) const;
  void read(std::map<std::string, std::string>& out) const;
  template <std::signed_integral Integer>
  void read(Integer& out) const {
    if (const auto value =
            integer(std::numeric_limits<Integer>::min(), std::numeric_limits<Integer>::max())) {
      out = static_cast<Integer>(*value);
    }
  }
  /// null resets the optional, as it does a pointer upstream.
  template <class T>
  void read(std::optional<T>& out) const {
    if (is_null()) out.reset();
    if (!has_value()) return;
    T value{};
    read(value);
    out = std::move(value);
  }
  /// Any value as a component sees it: a string as it is, anything else as JSON. False (and `out`
  /// untouched) if absent or null.
  bool read_any(std::string& out) const;

  /// Calls `visit` for each item of a list. A problem if it is something else.
  void each(const std::function<void(const Field&)>& visit) const;
  /// Calls `visit` for each member of a map. A problem if it is something else.
  void members(const std::function<void(const std::string& name, const Field&)>& visit) const;

  void problem(std::string_view message) const { report_->problem(line(), path_, message); }
  void warning(std::string_view message) const { report_->warning(line(), path_, message); }

 private:
  Field(const yaml::Node* node, std::string path, Report& report)
      : node_(node), path_(std::move(path)), report_(&report) {}
  [[nodiscard]] std::optional<yaml::Scalar> scalar(std::string_view wanted) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::int64_t least, std::int64_t most) const;
  void wrong_type(std::string_view wanted) const;

  const yaml::Node* node_ = nullptr;
  std::string path_;
  Report* report_;
};

}  // namespace outrigger::resources
