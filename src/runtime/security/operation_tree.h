#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::runtime::access_control {

/// What an access control list says of one operation.
struct Operation {
  struct Verb {
    std::string name;  ///< "POST", or "*" for all.
    bool allowed = false;
  };
  std::vector<Verb> verbs;
  /// Where verbs do not count.
  bool allowed = false;
};

/// Operations by the segments of their paths, found as upstream finds them
/// (facts/wire_notes.md, section 4): of the children of a node the first that fits is taken, in the
/// order in which they came, and none is tried after it. `*` is one segment, and the last one;
/// `**` is one or more; a `*` beside other characters is any number of characters of a segment. An
/// operation without wildcards also stands for all that is below it.
class OperationTree {
 public:
  OperationTree();
  ~OperationTree();
  OperationTree(OperationTree&&) noexcept;
  OperationTree& operator=(OperationTree&&) noexcept;

  /// `path` begins with a slash. Of two that are alike the first stays.
  void add(std::string_view path, std::shared_ptr<const Operation> operation);
  /// nullptr if none fits. `path` begins with a slash. The answer lives as long as the tree.
  [[nodiscard]] const Operation* find(std::string_view path) const;

 private:
  struct Node;
  std::unique_ptr<Node> root_;
};

/// Whether the text fits a pattern in which each `*` is any number of characters.
[[nodiscard]] bool fits(std::string_view text, std::string_view pattern) noexcept;

}  // namespace outrigger::runtime::access_control
