#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resources/decode.h"

namespace outrigger::resources {

/// Where a resource was read; for messages. It is no part of a resource's identity: two resources
/// that differ in nothing else are equal.
struct Origin {
  /// Empty if it came from elsewhere than a file.
  std::string file;
  std::uint32_t line = 0;

  bool operator==(const Origin&) const noexcept { return true; }
  /// "file:line", or "".
  [[nodiscard]] std::string to_string() const;
};

struct SecretKeyRef {
  std::string name;
  /// Empty means: the same as `name`.
  std::string key;

  bool operator==(const SecretKeyRef&) const = default;
  [[nodiscard]] const std::string& key_or_name() const noexcept { return key.empty() ? name : key; }
};

/// A metadata item or header: its value is given, or comes from a secret store or the environment.
struct NameValue {
  std::string name;
  /// As a component sees it: strings as they are, other YAML values as JSON ("true", "83").
  std::string value;
  /// An empty string is a value, null and absence are not.
  bool has_value = false;
  SecretKeyRef secret_key_ref;
  std::string env_ref;

  bool operator==(const NameValue&) const = default;
};

/// What every kind has under `metadata` and beside `spec`.
struct Header {
  std::string api_version;
  std::string kind;
  std::string name;
  /// Empty: any namespace.
  std::string namespace_name;
};

/// Reads apiVersion, kind and metadata; a name that cannot stand in a path is a problem.
[[nodiscard]] Header read_header(const Field& document);
[[nodiscard]] NameValue read_name_value(const Field& field);
void read_name_values(const Field& list, std::vector<NameValue>& out);
[[nodiscard]] SecretKeyRef read_secret_key_ref(const Field& field);

/// An empty list of scopes means every app.
[[nodiscard]] bool in_scope(const std::vector<std::string>& scopes, std::string_view app_id);

}  // namespace outrigger::resources
