#pragma once

#include <string>
#include <string_view>

#include "components/metadata.h"

namespace outrigger::runtime::state {

/// What stands between a prefix and the application's key, and must not be part of either.
inline constexpr std::string_view kKeySeparator = "||";

/// Who asks, as far as keys depend on it.
struct KeyOwner {
  std::string app_id;
  /// NAMESPACE; empty if it is not set.
  std::string own_namespace;
};

/// What a store's keys begin with, so that applications can share it: the metadata field keyPrefix
/// (facts/wire_notes.md, section 10).
class KeyPrefix {
 public:
  /// No prefix.
  KeyPrefix() = default;
  /// Code::invalid_argument, in upstream's words, if the field has "||" in it.
  static Result<KeyPrefix> from(const components::Metadata& metadata, const KeyOwner& owner);

  [[nodiscard]] std::string apply(std::string_view key) const;
  /// With its separator; "" if there is none.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  explicit KeyPrefix(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// Keys and prefixes with "||" in them are refused.
[[nodiscard]] bool is_legal_key(std::string_view key) noexcept;
/// The text of that refusal.
[[nodiscard]] std::string illegal_key_message(std::string_view key);

/// The application's key of a stored one, as upstream finds it: what stands between the first and
/// the second "||", or all of it if there is none.
[[nodiscard]] std::string_view original_key(std::string_view stored) noexcept;

}  // namespace outrigger::runtime::state
