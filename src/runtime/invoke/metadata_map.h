#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/invoke/message.h"

namespace outrigger::runtime::invoke {

/// Metadata as the protobuf map<string, ListStringValue>: fields of the same name (the same case
/// too) are one entry. Refers to `fields`. Private to this folder.
class MetadataMap {
 public:
  explicit MetadataMap(std::span<const Field> fields);
  /// Bytes that append() writes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Writes the map as field `number`, which is below 16.
  void append(std::string& out, std::uint32_t number) const;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Entry {
    Field field;
    std::uint32_t next = kNone;  // The next field of the same name.
    std::uint32_t last = kNone;  // The last one, at the first.
    bool first = true;           // Of its name.
    std::size_t list_bytes = 0;  // Of the whole ListStringValue, at the first one.
  };
  void link(std::uint32_t index);
  [[nodiscard]] std::uint32_t find_earlier(std::uint32_t index);
  [[nodiscard]] Field cleaned(Field field);

  std::vector<Entry> entries_;
  std::vector<std::string> mended_;
  // Only for many fields; a few are compared one by one.
  std::unordered_map<std::string_view, std::uint32_t> by_name_;
  std::size_t size_ = 0;
};

}  // namespace outrigger::runtime::invoke
