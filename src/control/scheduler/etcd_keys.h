#pragma once

#include <string>
#include <string_view>

namespace outrigger::control::scheduler {

/// The keys from `begin` to before `end`; no end: the one key; a zero byte: all that follow.
struct KeyRange {
  std::string begin;
  std::string end;

  [[nodiscard]] bool endless() const { return end == std::string(1, '\0'); }
  [[nodiscard]] bool contains(std::string_view key) const {
    if (end.empty()) return key == begin;
    return key >= begin && (endless() || key < end);
  }
  /// Whether it may contain a key that begins so.
  [[nodiscard]] bool meets(std::string_view prefix) const {
    if (begin.starts_with(prefix)) return true;
    return !end.empty() && begin < prefix && (endless() || end > prefix);
  }
  /// Whether all that follow this key are outside of it.
  [[nodiscard]] bool ends_at(std::string_view key) const {
    if (end.empty()) return key >= begin;
    return !endless() && key >= end;
  }
  /// What all names in it begin with, of keys under this folder; "" if it is not that simple.
  [[nodiscard]] std::string names_under(std::string_view folder) const {
    if (!begin.starts_with(folder)) return "";
    std::string last = begin;
    if (!last.empty()) last.back() = static_cast<char>(last.back() + 1);
    return end.empty() || end == last ? begin.substr(folder.size()) : "";
  }
  /// A text that no name in it is before or equal to, and that is not far before the first; "" if
  /// that may be any. Names are UTF-8.
  [[nodiscard]] std::string before_names(std::string_view folder) const {
    if (!begin.starts_with(folder) || begin.size() == folder.size()) return "";
    std::string name = begin.substr(folder.size());
    const auto last = static_cast<unsigned char>(name.back());
    name.pop_back();
    // A client that reads page by page begins behind its last key with a zero byte.
    if (last == 0) return name;
    name += static_cast<char>(last - 1);
    name += '\xff';
    return name;
  }
};

}  // namespace outrigger::control::scheduler
