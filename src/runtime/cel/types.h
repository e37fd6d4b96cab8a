#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace outrigger::cel {

/// A type as the checker sees it. Owned by a TypePool; compared by structure.
struct Type {
  enum class Kind : std::uint8_t {
    dyn,
    /// Of variables that nobody declared. As dyn, but upstream takes none as the range of a
    /// comprehension.
    any,
    null,
    boolean,
    integer,
    unsigned_integer,
    real,
    text,
    bytes,
    timestamp,
    duration,
    type,
    list,
    map,
    /// Not known yet; `variable` is its number.
    variable,
  };
  Kind kind = Kind::dyn;
  int variable = 0;
  std::vector<const Type*> parameters;

  [[nodiscard]] bool is_dyn() const noexcept { return kind == Kind::dyn || kind == Kind::any; }
};

/// Makes types and keeps what is found out about the unknown ones.
class TypePool {
 public:
  /// A type without parameters.
  [[nodiscard]] static const Type* simple(Type::Kind kind) noexcept;
  [[nodiscard]] const Type* list(const Type* element);
  [[nodiscard]] const Type* map(const Type* key, const Type* value);
  [[nodiscard]] const Type* type_of(const Type* parameter);
  [[nodiscard]] const Type* fresh();

  /// With everything known put in.
  [[nodiscard]] const Type* resolve(const Type* type);
  /// Whether the types fit each other, pairwise; binds unknown ones if they do, and changes
  /// nothing if not.
  bool assignable(std::span<const Type* const> left, std::span<const Type* const> right);
  bool assignable(const Type* left, const Type* right);
  /// The less specific of two types that fit each other.
  [[nodiscard]] const Type* most_general(const Type* left, const Type* right) const;
  [[nodiscard]] static bool same(const Type* left, const Type* right) noexcept;

  /// Reads one type of an overload's signature (functions.h) and drops it from `text`.
  const Type* parse(std::string_view& text, std::span<const Type*, 2> parameters);

 private:
  bool fits(const Type* left, const Type* right);
  [[nodiscard]] const Type* bound(const Type* variable) const noexcept {
    return bound_[static_cast<std::size_t>(variable->variable)];
  }
  void bind(const Type* variable, const Type* type);
  /// Binds the unknown type `variable` to `type`, or widens what it was bound to.
  struct Substitution {
    bool valid;
    bool was_bound;
  };
  Substitution substitute(const Type* type, const Type* variable);
  [[nodiscard]] bool occurs_in(const Type* variable, const Type* type) const;
  [[nodiscard]] bool less_specific(const Type* left, const Type* right) const;

  std::deque<Type> types_;
  std::vector<const Type*> bound_;
  /// What bind() replaced since the current assignable() began, to take it back.
  std::vector<std::pair<int, const Type*>> undo_;
};

}  // namespace outrigger::cel
