#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

/// What a component file says about one component, and the tables from which an implementation
/// reads it.
namespace outrigger::components {

/// Names and values, as in `spec.metadata` of a component or the metadata of one request.
using Properties = std::map<std::string, std::string, std::less<>>;

/// The value of the first of `names` that is there, whatever the case of its letters. Names are
/// tried in the order given. The view lives as long as `properties`.
[[nodiscard]] std::optional<std::string_view> find_property(
    const Properties& properties, std::initializer_list<std::string_view> names) noexcept;

/// One configured component: who it is, and its properties with secrets and templates resolved.
struct Metadata {
  std::string name;     ///< `metadata.name` of the component.
  std::string type;     ///< `spec.type`: "state.redis".
  std::string version;  ///< `spec.version`: "v1"; may be empty.
  Properties properties;

  [[nodiscard]] std::optional<std::string_view> find(
      std::initializer_list<std::string_view> names) const noexcept {
    return find_property(properties, names);
  }
};

/// A size in bytes, written as a Kubernetes quantity ("4Mi", "1e6").
struct ByteSize {
  std::int64_t bytes = 0;
  bool operator==(const ByteSize&) const = default;
};

/// Where the text of one field goes. How it is read (upstream's weak decoding):
/// - text: as it is;
/// - bool: base/strings.h is_truthy(), so that anything unknown is false;
/// - integers: as Go's ParseInt with base 0 ("0x1F", "0o17", "1_000"); empty is 0;
/// - double: empty is 0;
/// - nanoseconds: a Go duration, or a whole number of the field's `bare` unit; empty is 0;
/// - a list: split at commas, not trimmed; a list of durations is trimmed;
/// - optional: as its content, and nullopt if the field is absent.
using FieldTarget =
    std::variant<std::string*, bool*, int*, std::int64_t*, unsigned*, std::uint64_t*, double*,
                 std::chrono::nanoseconds*, ByteSize*, std::vector<std::string>*,
                 std::vector<std::chrono::nanoseconds>*, std::optional<std::string>*,
                 std::optional<bool>*, std::optional<int>*, std::optional<std::int64_t>*,
                 std::optional<unsigned>*, std::optional<double>*,
                 std::optional<std::chrono::nanoseconds>*, std::optional<ByteSize>*>;

/// The unit of a duration that is written as a plain number.
enum class BareNumber : std::uint8_t { seconds, milliseconds, nanoseconds };

/// What a field is called and what is asked of it.
struct FieldRule {
  std::string_view name;
  std::array<std::string_view, 3> aliases{};  ///< Older names; `name` wins over them.
  bool required = false;                      ///< Absent or empty is an error.
  bool sensitive = false;                     ///< Never shown, never logged.
  BareNumber bare = BareNumber::seconds;
};

/// One row of an implementation's table:
///   constexpr Field<RedisOptions> kFields[] = {
///       {{.name = "redisHost", .required = true}, &RedisOptions::host},
///       {{.name = "redisPassword", .sensitive = true}, &RedisOptions::password},
///   };
/// The defaults are those of a default-made Options. Options that share a part derive from it, and
/// the part's table is applied with a parse_into() of its own.
template <class Options>
struct Field {
  FieldRule rule;
  std::variant<
      std::string Options::*, bool Options::*, int Options::*, std::int64_t Options::*,
      unsigned Options::*, std::uint64_t Options::*, double Options::*,
      std::chrono::nanoseconds Options::*, ByteSize Options::*, std::vector<std::string> Options::*,
      std::vector<std::chrono::nanoseconds> Options::*, std::optional<std::string> Options::*,
      std::optional<bool> Options::*, std::optional<int> Options::*,
      std::optional<std::int64_t> Options::*, std::optional<unsigned> Options::*,
      std::optional<double> Options::*, std::optional<std::chrono::nanoseconds> Options::*,
      std::optional<ByteSize> Options::*>
      member;

  [[nodiscard]] FieldTarget target(Options& options) const {
    return std::visit([&](auto pointer) { return FieldTarget(&(options.*pointer)); }, member);
  }
};

/// A field as documentation and `outrigger components` show it.
struct FieldInfo {
  std::string name;
  std::vector<std::string> aliases;
  std::string_view type;      ///< "string", "bool", "number", "duration", "bytesize", "list".
  std::string default_value;  ///< Empty if there is none or the field is sensitive.
  bool required = false;
  bool sensitive = false;
};

namespace detail {
Result<> check_names(const Metadata& metadata);
Result<> parse_field(const Metadata& metadata, const FieldRule& rule, FieldTarget target);
FieldInfo describe_field(const FieldRule& rule, FieldTarget default_value);
}  // namespace detail

/// Fills the fields of the table that `metadata` has. Names match in any case; names that the
/// table does not know are let be. Code::invalid_argument names the field and what is wrong: a
/// value that is not of its type, a required one that is missing, a name given twice.
template <class Options>
Result<> parse_into(const Metadata& metadata, std::span<const Field<Options>> fields,
                    Options& options) {
  OUT_CHECK(detail::check_names(metadata));
  for (const auto& field : fields) {
    OUT_CHECK(detail::parse_field(metadata, field.rule, field.target(options)));
  }
  return {};
}
template <class Options, std::size_t count>
Result<> parse_into(const Metadata& metadata, const Field<Options> (&fields)[count],
                    Options& options) {
  return parse_into(metadata, std::span<const Field<Options>>(fields), options);
}

/// A default-made Options with the fields of `metadata` in it.
template <class Options, std::size_t count>
Result<Options> parse_fields(const Metadata& metadata, const Field<Options> (&fields)[count]) {
  Options options{};
  OUT_CHECK(parse_into(metadata, std::span<const Field<Options>>(fields), options));
  return options;
}

/// The table as a listing.
template <class Options, std::size_t count>
std::vector<FieldInfo> describe(const Field<Options> (&fields)[count]) {
  Options defaults{};
  std::vector<FieldInfo> infos;
  infos.reserve(count);
  for (const auto& field : fields) {
    infos.push_back(detail::describe_field(field.rule, field.target(defaults)));
  }
  return infos;
}

/// The time to live that pub/sub, bindings and other blocks but state take from a request's
/// metadata: `ttl` or `ttlInSeconds` in any case, a Go duration or whole seconds. nullopt if
/// absent or empty; a negative duration is zero; other values are Code::invalid_argument.
[[nodiscard]] Result<std::optional<std::chrono::nanoseconds>> request_ttl(
    const Properties& properties);

/// `rawPayload` of a request, as Go's ParseBool; absent or empty is false.
[[nodiscard]] Result<bool> raw_payload(const Properties& properties);

/// `priority` of a request, cut to 0..255; nullopt if absent or empty.
[[nodiscard]] Result<std::optional<std::uint8_t>> request_priority(const Properties& properties);

}  // namespace outrigger::components
