#include "runtime/security/operation_tree.h"

#include "base/strings.h"

namespace outrigger::runtime::access_control {
namespace {

constexpr std::string_view kOneSegment = "*";
constexpr std::string_view kManySegments = "**";

// What stands before the first slash is no segment.
std::vector<std::string_view> segments_of(std::string_view path) {
  auto segments = split(path, '/');
  segments.erase(segments.begin());
  return segments;
}

}  // namespace

struct OperationTree::Node {
  std::string segment;
  std::shared_ptr<const Operation> operation;
  std::vector<std::unique_ptr<Node>> children;

  Node* same(std::string_view wanted) const {
    for (const auto& child : children) {
      if (child->segment == wanted) return child.get();
    }
    return nullptr;
  }
  const Node* first_that_fits(std::string_view wanted, bool last) const {
    for (const auto& child : children) {
      if (child->segment == wanted) return child.get();
      if (child->segment == kOneSegment) {
        if (last) return child.get();
      } else if (child->segment == kManySegments || fits(wanted, child->segment)) {
        return child.get();
      }
    }
    return nullptr;
  }
};

OperationTree::OperationTree() : root_(std::make_unique<Node>()) {}
OperationTree::~OperationTree() = default;
OperationTree::OperationTree(OperationTree&&) noexcept = default;
OperationTree& OperationTree::operator=(OperationTree&&) noexcept = default;

void OperationTree::add(std::string_view path, std::shared_ptr<const Operation> operation) {
  Node* node = root_.get();
  for (const std::string_view segment : segments_of(path)) {
    Node* next = node->same(segment);
    if (next == nullptr) {
      next = node->children.emplace_back(std::make_unique<Node>()).get();
      next->segment = segment;
    }
    node = next;
  }
  if (node->operation == nullptr) node->operation = std::move(operation);
}

const Operation* OperationTree::find(std::string_view path) const {
  const Node* node = root_.get();
  const auto segments = segments_of(path);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    node = node->first_that_fits(segments[i], last);
    if (node == nullptr) return nullptr;
    // Only what is named "*" itself comes by a "*" that is not the last.
    const bool passed = !last && node->segment == kOneSegment;
    if (node->operation != nullptr && !passed) return node->operation.get();
  }
  // "/orders/*" stands for "/orders" too.
  node = node->first_that_fits(kOneSegment, true);
  return node == nullptr ? nullptr : node->operation.get();
}

bool fits(std::string_view text, std::string_view pattern) noexcept {
  std::size_t t = 0, p = 0;
  // Where to go on if the last star must take one character more.
  std::size_t star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace outrigger::runtime::access_control
