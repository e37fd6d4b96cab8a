#include "resources/yaml.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <yaml.h>

namespace outrigger::yaml {
namespace {

constexpr std::string_view kLongTag = "tag:yaml.org,2002:";
// The scanner compares each %TAG line with all before it.
constexpr std::size_t kDirectivesMax = 64;

std::string_view view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

std::string short_tag(const yaml_char_t* tag) {
  const std::string_view text = view(tag);
  if (text.starts_with(kLongTag)) return "!!" + std::string(text.substr(kLongTag.size()));
  return std::string(text);
}

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  yaml_event_t* operator->() { return &event_; }

 private:
  yaml_event_t event_{};
};

/// How much of a tree there is.
struct Size {
  std::size_t nodes = 1, bytes = 0, height = 1;

  void add(const Size& child) {
    nodes += child.nodes;
    bytes += child.bytes;
    height = std::max(height, child.height + 1);
  }
};

struct Tree {
  Node node;
  Size size;
};

bool is_merge_key(const Node& key) {
  return key.kind == Kind::scalar && key.text == "<<" &&
         ((key.style == Style::plain && key.tag.empty()) || key.tag == "!!merge");
}

bool same_key(const Node& a, const Node& b) { return a.kind == b.kind && a.text == b.text; }

class Builder {
 public:
  Builder(std::string_view text, const ParseOptions& options) : text_(text), options_(options) {
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  Result<Node> first_document();

 private:
  Result<> next(Event& event);
  Result<Tree> node(Event& event, std::size_t depth);
  Result<Tree> scalar(Event& event);
  Result<Tree> sequence(Event& event, std::size_t depth);
  Result<Tree> map(Event& event, std::size_t depth);
  Result<Tree> alias(Event& event, std::size_t depth);
  Result<> merge(Node& into, const Node& value) const;
  static void merge_map(Node& into, const Node& from);
  Result<> charge_copy(const Size& size, const yaml_mark_t& mark);
  void place(Node& node, const yaml_mark_t& mark) const {
    node.line = static_cast<std::uint32_t>(mark.line + options_.first_line);
    node.column = static_cast<std::uint32_t>(mark.column + 1);
  }
  [[nodiscard]] std::unexpected<Error> failure_at(std::size_t line, std::size_t column,
                                                  std::string_view message) const;
  [[nodiscard]] std::unexpected<Error> failure(const yaml_mark_t& mark,
                                               std::string_view message) const {
    return failure_at(mark.line + options_.first_line, mark.column + 1, message);
  }
  [[nodiscard]] std::unexpected<Error> failure(const Node& at, std::string_view message) const {
    return failure_at(at.line, at.column, message);
  }
  [[nodiscard]] std::unexpected<Error> scan_failure() const;

  std::string_view text_;
  const ParseOptions& options_;
  yaml_parser_t parser_{};
  bool ready_ = false;
  std::size_t nodes_ = 0, copied_nodes_ = 0, copied_bytes_ = 0;
  // Empty while the anchored node is being read.
  std::map<std::string, std::optional<Tree>, std::less<>> anchors_;
};

std::unexpected<Error> Builder::failure_at(std::size_t line, std::size_t column,
                                           std::string_view message) const {
  std::string where = options_.file.empty() ? "line " : options_.file + ":";
  where += std::to_string(line) + ":" + std::to_string(column) + ": ";
  return fail(Code::invalid_argument, where.append(message));
}

std::unexpected<Error> Builder::scan_failure() const {
  const std::string_view problem =
      parser_.problem == nullptr ? "the document cannot be read" : parser_.problem;
  if (parser_.error == YAML_READER_ERROR) {
    // The reader works ahead of the scanner: only its offset is right.
    const std::size_t end = std::min(parser_.problem_offset, text_.size());
    const std::string_view before = text_.substr(0, end);
    const auto lines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
    const std::size_t start = before.rfind('\n');
    const std::size_t column = start == std::string_view::npos ? end + 1 : end - start;
    return failure_at(lines + options_.first_line, column, problem);
  }
  std::string message(problem);
  if (parser_.context != nullptr) message.append(" ").append(parser_.context);
  return failure(parser_.problem_mark, message);
}

Result<> Builder::next(Event& event) {
  yaml_event_delete(event.get());
  if (yaml_parser_parse(&parser_, event.get()) == 1) return {};
  return scan_failure();
}

Result<Node> Builder::first_document() {
  if (!ready_) return fail(Code::resource_exhausted, "no memory for the YAML parser");
  if (text_.size() > options_.limits.bytes) {
    return failure_at(options_.first_line, 1, "the document is too large");
  }
  std::size_t directives = 0;
  for (std::size_t at = 0; at < text_.size(); ++at) {
    if (text_[at] == '%' && (at == 0 || text_[at - 1] == '\n' || text_[at - 1] == '\r') &&
        ++directives > kDirectivesMax) {
      return failure_at(options_.first_line, 1, "too many lines start with %");
    }
  }
  Event event;
  OUT_CHECK(next(event));  // The start of the stream.
  OUT_CHECK(next(event));
  if (event->type == YAML_STREAM_END_EVENT) {
    return Node{.line = options_.first_line, .column = 1};
  }
  OUT_CHECK(next(event));  // What the document holds.
  OUT_TRY(auto tree, node(event, 1));
  OUT_CHECK(next(event));  // Its end, so that rubbish after the root is seen.
  return std::move(tree.node);
}

Result<Tree> Builder::node(Event& event, std::size_t depth) {
  if (depth > options_.limits.depth) return failure(event->start_mark, "nested too deeply");
  if (++nodes_ > options_.limits.nodes) {
    return failure(event->start_mark, "the document has too many nodes");
  }
  std::string anchor;
  if (event->type == YAML_SCALAR_EVENT) anchor = view(event->data.scalar.anchor);
  if (event->type == YAML_SEQUENCE_START_EVENT) anchor = view(event->data.sequence_start.anchor);
  if (event->type == YAML_MAPPING_START_EVENT) anchor = view(event->data.mapping_start.anchor);
  if (!anchor.empty()) anchors_.insert_or_assign(anchor, std::nullopt);
  const yaml_mark_t mark = event->start_mark;
  Result<Tree> tree = fail(Code::internal, "unexpected YAML event");
  switch (event->type) {
    case YAML_ALIAS_EVENT: return alias(event, depth);
    case YAML_SCALAR_EVENT: tree = scalar(event); break;
    case YAML_SEQUENCE_START_EVENT: tree = sequence(event, depth); break;
    case YAML_MAPPING_START_EVENT: tree = map(event, depth); break;
    default: break;
  }
  if (tree && !anchor.empty()) {
    OUT_CHECK(charge_copy(tree->size, mark));
    anchors_.insert_or_assign(anchor, *tree);
  }
  return tree;
}

Result<> Builder::charge_copy(const Size& size, const yaml_mark_t& mark) {
  copied_nodes_ += size.nodes;
  copied_bytes_ += size.bytes;
  const Limits& limits = options_.limits;
  if (copied_nodes_ <= limits.alias_nodes && copied_bytes_ <= limits.alias_bytes) return {};
  return failure(mark, "document contains excessive aliasing");
}

Result<Tree> Builder::alias(Event& event, std::size_t depth) {
  const std::string_view name = view(event->data.alias.anchor);
  const auto found = anchors_.find(name);
  if (found == anchors_.end()) {
    return failure(event->start_mark, "unknown anchor '" + std::string(name) + "' referenced");
  }
  if (!found->second) {
    return failure(event->start_mark, "anchor '" + std::string(name) + "' value contains itself");
  }
  const Tree& target = *found->second;
  if (depth + target.size.height - 1 > options_.limits.depth) {
    return failure(event->start_mark, "nested too deeply");
  }
  OUT_CHECK(charge_copy(target.size, event->start_mark));
  return target;
}

Result<Tree> Builder::scalar(Event& event) {
  const auto& data = event->data.scalar;
  Tree tree;
  place(tree.node, event->start_mark);
  tree.node.tag = short_tag(data.tag);
  tree.node.text.assign(reinterpret_cast<const char*>(data.value), data.length);
  tree.size.bytes = data.length;
  switch (data.style) {
    case YAML_SINGLE_QUOTED_SCALAR_STYLE: tree.node.style = Style::single_quoted; break;
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE: tree.node.style = Style::double_quoted; break;
    case YAML_LITERAL_SCALAR_STYLE: tree.node.style = Style::literal; break;
    case YAML_FOLDED_SCALAR_STYLE: tree.node.style = Style::folded; break;
    default: tree.node.style = Style::plain; break;
  }
  return tree;
}

Result<Tree> Builder::sequence(Event& event, std::size_t depth) {
  Tree tree;
  tree.node.kind = Kind::sequence;
  place(tree.node, event->start_mark);
  tree.node.tag = short_tag(event->data.sequence_start.tag);
  while (true) {
    OUT_CHECK(next(event));
    if (event->type == YAML_SEQUENCE_END_EVENT) return tree;
    OUT_TRY(auto item, node(event, depth + 1));
    tree.size.add(item.size);
    tree.node.items.push_back(std::move(item.node));
  }
}

Result<Tree> Builder::map(Event& event, std::size_t depth) {
  Tree tree;
  tree.node.kind = Kind::map;
  place(tree.node, event->start_mark);
  tree.node.tag = short_tag(event->data.mapping_start.tag);
  std::optional<Node> merged;
  std::unordered_multimap<std::string, std::size_t> seen;
  while (true) {
    OUT_CHECK(next(event));
    if (event->type == YAML_MAPPING_END_EVENT) break;
    OUT_TRY(auto key, node(event, depth + 1));
    OUT_CHECK(next(event));
    OUT_TRY(auto value, node(event, depth + 1));
    tree.size.add(key.size);
    tree.size.add(value.size);
    if (is_merge_key(key.node)) {
      merged = std::move(value.node);
      continue;
    }
    Node* previous = nullptr;
    const auto [first, last] = seen.equal_range(key.node.text);
    for (auto it = first; it != last; ++it) {
      Member& member = tree.node.members[it->second];
      if (!same_key(member.key, key.node)) continue;
      if (options_.duplicates == Duplicates::reject) {
        return failure(key.node, "mapping key \"" + key.node.text + "\" already defined at line " +
                                     std::to_string(member.key.line));
      }
      previous = &member.value;
    }
    if (previous != nullptr) {
      *previous = std::move(value.node);
      continue;
    }
    // A key that is no scalar has no text: it is refused later, and is never looked up.
    if (key.node.kind == Kind::scalar) seen.emplace(key.node.text, tree.node.members.size());
    tree.node.members.push_back({std::move(key.node), std::move(value.node)});
  }
  // What is copied here is counted in the size already, as the value of the merge key.
  if (merged) {
    OUT_CHECK(merge(tree.node, *merged));
  }
  return tree;
}

Result<> Builder::merge(Node& into, const Node& value) const {
  const auto is_map = [](const Node& node) { return node.kind == Kind::map; };
  if (value.kind == Kind::map) {
    merge_map(into, value);
    return {};
  }
  if (value.kind != Kind::sequence || !std::ranges::all_of(value.items, is_map)) {
    return failure(value, "map merge requires map or sequence of maps as the value");
  }
  for (const Node& item : value.items) merge_map(into, item);
  return {};
}

void Builder::merge_map(Node& into, const Node& from) {
  std::unordered_set<std::string_view> own;
  for (const Member& member : into.members) {
    if (member.key.kind == Kind::scalar) own.insert(member.key.text);
  }
  std::vector<Member> added;
  for (const Member& member : from.members) {
    if (!own.contains(member.key.text)) added.push_back(member);
  }
  std::ranges::move(added, std::back_inserter(into.members));
}

}  // namespace

const Node* Node::find(std::string_view key) const noexcept {
  for (const Member& member : members) {
    if (member.key.kind == Kind::scalar && member.key.text == key) return &member.value;
  }
  return nullptr;
}

Result<Node> parse(std::string_view text, const ParseOptions& options) {
  return Builder(text, options).first_document();
}

std::vector<Part> split_documents(std::string_view text) {
  std::vector<Part> parts;
  std::uint32_t line = 1;
  while (true) {
    const std::size_t separator = text.find("\n---");
    if (separator == std::string_view::npos) break;
    parts.push_back({text.substr(0, separator), line});
    std::size_t end = text.find('\n', separator + 1);
    if (end == std::string_view::npos) end = text.size() - 1;
    const std::string_view gone = text.substr(0, end + 1);
    line += static_cast<std::uint32_t>(std::count(gone.begin(), gone.end(), '\n'));
    text.remove_prefix(end + 1);
  }
  if (!text.empty()) parts.push_back({text, line});
  return parts;
}

}  // namespace outrigger::yaml
