#include "net/headers.h"

namespace outrigger::net {
namespace {

constexpr std::size_t kUnusedTextMax = 64 * 1024;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

Headers::Headers(std::initializer_list<Field> fields) {
  for (const Field& field : fields) add(field.name, field.value);
}

void Headers::add(std::string_view name, std::string_view value) {
  const Entry entry{static_cast<std::uint32_t>(text_.size()),
                    static_cast<std::uint32_t>(name.size()),
                    static_cast<std::uint32_t>(value.size())};
  text_.append(name).append(value);
  entries_.push_back(entry);
}

void Headers::set(std::string_view name, std::string_view value) {
  erase(name);
  add(name, value);
  drop_unused_text();
}

void Headers::remove(std::string_view name) {
  erase(name);
  drop_unused_text();
}

// What is changed over and over must not grow.
void Headers::drop_unused_text() {
  if (text_.size() < kUnusedTextMax) return;
  std::size_t used = 0;
  for (const Entry& entry : entries_) used += entry.name_bytes + entry.value_bytes;
  if (used > text_.size() / 2) return;
  std::string kept;
  kept.reserve(used);
  for (Entry& entry : entries_) {
    const auto offset = static_cast<std::uint32_t>(kept.size());
    kept.append(text_, entry.offset, entry.name_bytes + entry.value_bytes);
    entry.offset = offset;
  }
  text_ = std::move(kept);
}

void Headers::erase(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& entry) {
    return iequals(std::string_view(text_).substr(entry.offset, entry.name_bytes), name);
  });
}

void Headers::clear() noexcept {
  text_.clear();
  entries_.clear();
}

void Headers::reserve(std::size_t fields, std::size_t bytes) {
  entries_.reserve(fields);
  text_.reserve(bytes);
}

std::optional<std::string_view> Headers::get(std::string_view name) const noexcept {
  for (const Field field : *this) {
    if (iequals(field.name, name)) return field.value;
  }
  return std::nullopt;
}

std::string_view Headers::value(std::string_view name) const noexcept {
  return get(name).value_or(std::string_view());
}

bool Headers::contains(std::string_view name) const noexcept { return get(name).has_value(); }

std::string Headers::joined(std::string_view name, std::string_view separator) const {
  std::string all;
  bool first = true;
  for (const Field field : *this) {
    if (!iequals(field.name, name)) continue;
    if (!first) all += separator;
    all += field.value;
    first = false;
  }
  return all;
}

bool Headers::has_token(std::string_view name, std::string_view token) const noexcept {
  for (const Field field : *this) {
    if (!iequals(field.name, name)) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      if (iequals(trim(rest.substr(0, comma)), token)) return true;
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
  return false;
}

Headers::Field Headers::operator[](std::size_t index) const noexcept {
  const Entry& entry = entries_[index];
  const std::string_view text(text_);
  return {text.substr(entry.offset, entry.name_bytes),
          text.substr(entry.offset + entry.name_bytes, entry.value_bytes)};
}

}  // namespace outrigger::net
