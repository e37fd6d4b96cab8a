#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace outrigger::net {

/// ASCII case-insensitive equality, as header names are compared (RFC 9110, section 5.1).
bool iequals(std::string_view a, std::string_view b) noexcept;

/// An ordered list of header (or trailer) fields in one block of memory: two allocations for a
/// whole head, cheap to move. Names keep the case they were added in; look-ups ignore it.
/// Repeated names are kept as repeated fields. Views it hands out live until the next change.
class Headers {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  Headers() = default;
  Headers(std::initializer_list<Field> fields);

  void add(std::string_view name, std::string_view value);
  /// Replaces every field of that name by one.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  void clear() noexcept;
  void reserve(std::size_t fields, std::size_t bytes);

  /// The first value of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  /// The first value, or "" if there is none.
  [[nodiscard]] std::string_view value(std::string_view name) const noexcept;
  [[nodiscard]] bool contains(std::string_view name) const noexcept;
  /// All values of that name, joined (RFC 9110, section 5.3).
  [[nodiscard]] std::string joined(std::string_view name, std::string_view separator = ", ") const;
  /// True if the comma separated list of all fields of that name has `token` (case-insensitive).
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] Field operator[](std::size_t index) const noexcept;

  class Iterator {
   public:
    Iterator(const Headers* headers, std::size_t index) : headers_(headers), index_(index) {}
    Field operator*() const noexcept { return (*headers_)[index_]; }
    Iterator& operator++() noexcept {
      ++index_;
      return *this;
    }
    bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

   private:
    const Headers* headers_;
    std::size_t index_;
  };
  [[nodiscard]] Iterator begin() const noexcept { return {this, 0}; }
  [[nodiscard]] Iterator end() const noexcept { return {this, entries_.size()}; }

 private:
  struct Entry {
    std::uint32_t offset;
    std::uint32_t name_bytes;
    std::uint32_t value_bytes;
  };
  void erase(std::string_view name);
  void drop_unused_text();
  std::string text_;
  std::vector<Entry> entries_;
};

}  // namespace outrigger::net
