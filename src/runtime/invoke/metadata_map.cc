#include "runtime/invoke/metadata_map.h"

#include "base/strings.h"
#include "runtime/invoke/wire.h"

namespace outrigger::runtime::invoke {
namespace {

bool is_ascii(std::string_view text) noexcept {
  unsigned seen = 0;
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return seen < 0x80;
}

std::size_t entry_bytes(std::string_view name, std::size_t list_bytes) noexcept {
  return wire::text_size(name.size()) + wire::field_size(list_bytes);
}

}  // namespace

MetadataMap::MetadataMap(std::span<const Field> fields) {
  entries_.reserve(fields.size());
  for (const Field& field : fields) {
    const bool plain = is_ascii(field.name) && is_ascii(field.value);
    entries_.push_back({.field = plain ? field : cleaned(field)});
    link(static_cast<std::uint32_t>(entries_.size() - 1));
  }
  for (const Entry& entry : entries_) {
    if (entry.first) {
      size_ += wire::field_size(entry_bytes(entry.field.name, entry.list_bytes));
    }
  }
}

Field MetadataMap::cleaned(Field field) {
  // The strings may not move, for short ones take their text along.
  if (mended_.empty()) mended_.reserve(2 * entries_.capacity());
  for (std::string_view* text : {&field.name, &field.value}) {
    if (is_utf8(*text)) continue;
    mended_.push_back(to_utf8(*text));
    *text = mended_.back();
  }
  return field;
}

std::uint32_t MetadataMap::find_earlier(std::uint32_t index) {
  constexpr std::size_t kFewFields = 32;
  const std::string_view name = entries_[index].field.name;
  if (entries_.capacity() > kFewFields) {
    const auto [found, added] = by_name_.try_emplace(name, index);
    return added ? kNone : found->second;
  }
  for (std::uint32_t i = 0; i < index; ++i) {
    if (entries_[i].first && entries_[i].field.name == name) return i;
  }
  return kNone;
}

void MetadataMap::link(std::uint32_t index) {
  const std::size_t bytes = wire::field_size(entries_[index].field.value.size());
  const std::uint32_t earlier = find_earlier(index);
  if (earlier == kNone) {
    entries_[index].last = index;
    entries_[index].list_bytes = bytes;
    return;
  }
  Entry& first = entries_[earlier];
  entries_[index].first = false;
  entries_[first.last].next = index;
  first.last = index;
  first.list_bytes += bytes;
}

void MetadataMap::append(std::string& out, std::uint32_t number) const {
  for (const Entry& entry : entries_) {
    if (!entry.first) continue;
    wire::put_head(out, number, entry_bytes(entry.field.name, entry.list_bytes));
    wire::put_text(out, 1, entry.field.name);
    wire::put_head(out, 2, entry.list_bytes);
    for (const Entry* value = &entry;; value = &entries_[value->next]) {
      wire::put_head(out, 1, value->field.value.size());
      out.append(value->field.value);
      if (value->next == kNone) break;
    }
  }
}

}  // namespace outrigger::runtime::invoke
