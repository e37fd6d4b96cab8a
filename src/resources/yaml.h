#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// A small YAML document tree with positions, and the two ways in which upstream reads scalars.
/// Nothing here throws; malformed input is an Error that names file, line and column.
namespace outrigger::yaml {

enum class Kind : std::uint8_t { scalar, sequence, map };
/// How a scalar was written. Everything but `plain` is a string, whatever it looks like.
enum class Style : std::uint8_t { plain, single_quoted, double_quoted, literal, folded };

struct Member;

/// One node. Aliases are already expanded and merge keys (`<<`) applied. A tree is at most
/// Limits::depth levels deep, so recursing over it is safe.
struct Node {
  Kind kind = Kind::scalar;
  Style style = Style::plain;
  /// Of the node's first character, counted from 1.
  std::uint32_t line = 0, column = 0;
  /// "" if none was written; those of YAML itself in short form: "!!str".
  std::string tag;
  std::string text;             // of a scalar
  std::vector<Node> items;      // of a sequence
  std::vector<Member> members;  // of a map, in the order of the document

  /// The member of that name, or nullptr; on a node that is no map nullptr too.
  [[nodiscard]] const Node* find(std::string_view key) const noexcept;
};
struct Member {
  Node key, value;
};

/// What a document may use at most: far above any real manifest, and low enough that the largest
/// input takes no more than a second and some 100 MB.
struct Limits {
  std::size_t bytes = std::size_t{16} << 20;
  std::size_t depth = 100;
  std::size_t nodes = 400'000;
  /// Text and nodes copied for aliases (the "billion laughs").
  std::size_t alias_nodes = 100'000;
  std::size_t alias_bytes = std::size_t{8} << 20;
};

enum class Duplicates : std::uint8_t { reject, last_wins };

struct ParseOptions {
  /// Named in errors: "file:line:column: ...".
  std::string file;
  /// The line of the file on which the text starts.
  std::uint32_t first_line = 1;
  Duplicates duplicates = Duplicates::last_wins;
  Limits limits;
};

/// The first document of the text; an empty plain scalar (null) if it has none.
[[nodiscard]] Result<Node> parse(std::string_view text, const ParseOptions& options);

/// One document of a file of several, and the line it starts on.
struct Part {
  std::string_view text;
  std::uint32_t first_line;
};
/// Cuts a file at lines that start with `---`; what follows on such a line is dropped, as upstream
/// does. Each part can be parsed (and be wrong) alone. Views into `text`.
[[nodiscard]] std::vector<Part> split_documents(std::string_view text);

/// Which values plain scalars have.
enum class Dialect : std::uint8_t {
  /// Resource manifests: YAML 1.1, so yes, no, on, off, y and n are booleans.
  yaml_1_1,
  /// Configuration files: only true and false are booleans.
  yaml_1_2,
};

/// The value of a scalar node.
struct Scalar {
  enum class Type : std::uint8_t { null, boolean, integer, floating, string };
  Type type = Type::string;
  bool boolean = false;
  double floating = 0;
  /// The string; or the value as upstream writes it into a string field: "true", "83" for 0123,
  /// "1.1" for 1.10. Empty for null.
  std::string text;
};
/// Fails if an explicit tag contradicts the text. Requires a scalar node.
[[nodiscard]] Result<Scalar> resolve(const Node& node, Dialect dialect);

/// The node as JSON in upstream's form: keys sorted, no spaces, < > & escaped, numbers in Go's
/// notation. Fails on what JSON cannot hold (.inf, .nan, a key that is null or no scalar).
[[nodiscard]] Result<std::string> to_json(const Node& node, Dialect dialect);

/// The name a map key has: its text, but "true" for yes and "1.5" for 1.50. Fails as to_json.
[[nodiscard]] Result<std::string> key_name(const Node& key, Dialect dialect);

/// "null", "a boolean", "a number", "a string", "a list" or "a map": for messages.
[[nodiscard]] std::string_view describe(const Node& node, Dialect dialect);

}  // namespace outrigger::yaml
