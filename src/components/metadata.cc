#include "components/metadata.h"

#include <charconv>
#include <limits>
#include <set>
#include <type_traits>

#include "base/duration.h"
#include "base/quantity.h"
#include "base/strings.h"

namespace outrigger::components {
namespace {

using std::chrono::nanoseconds;

constexpr std::int64_t kSecond = 1'000'000'000;

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

/// The base that Go's ParseInt finds for base 0, and the text without its prefix.
int take_base(std::string_view& digits) noexcept {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char mark = to_lower(digits[1]);
  const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  digits.remove_prefix(base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

/// The magnitude of a whole number; underscores may stand between digits only after a base prefix.
std::optional<std::uint64_t> parse_magnitude(std::string_view digits) noexcept {
  const bool prefixed = digits.size() > 1 && digits[0] == '0';
  const auto base = static_cast<std::uint64_t>(take_base(digits));
  if (digits.empty() || digits.back() == '_') return std::nullopt;
  if (digits.front() == '_' && !prefixed) return std::nullopt;
  std::uint64_t value = 0;
  char previous = '0';
  for (const char c : digits) {
    if (c == '_') {
      if (previous == '_') return std::nullopt;
      previous = c;
      continue;
    }
    previous = c;
    const auto digit = static_cast<std::uint64_t>(digit_of(c));
    if (digit >= base) return std::nullopt;
    if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / base) return std::nullopt;
    value = value * base + digit;
  }
  return value;
}

template <class Integer>
std::optional<Integer> parse_weak_int(std::string_view text) noexcept {
  if (text.empty()) return Integer{0};
  const bool negative = text[0] == '-';
  if (negative && std::is_unsigned_v<Integer>) return std::nullopt;
  if (std::is_signed_v<Integer> && (negative || text[0] == '+')) text.remove_prefix(1);
  const auto magnitude = parse_magnitude(text);
  if (!magnitude) return std::nullopt;
  const auto most = static_cast<std::uint64_t>(std::numeric_limits<Integer>::max());
  if (*magnitude > most + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<Integer>(negative ? 0 - *magnitude : *magnitude);
}

std::int64_t nanoseconds_in(BareNumber unit) noexcept {
  switch (unit) {
    case BareNumber::seconds: return kSecond;
    case BareNumber::milliseconds: return 1'000'000;
    case BareNumber::nanoseconds: return 1;
  }
  return kSecond;
}

std::optional<nanoseconds> parse_weak_duration(std::string_view text, BareNumber unit) {
  if (text.empty()) return nanoseconds{0};
  if (auto duration = parse_duration(text)) return *duration;
  const auto number = parse_int<std::int64_t>(text);
  const auto scale = nanoseconds_in(unit);
  if (!number || *number > std::numeric_limits<std::int64_t>::max() / scale ||
      *number < std::numeric_limits<std::int64_t>::min() / scale) {
    return std::nullopt;
  }
  return nanoseconds{*number * scale};
}

template <class T>
struct Inner {
  using type = T;
};
template <class T>
struct Inner<std::optional<T>> {
  using type = T;
};

/// The value of `text`, or nullopt if it is none of type T.
template <class T>
std::optional<T> read(std::string_view text, const FieldRule& rule) {
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    return is_truthy(text);
  } else if constexpr (std::is_integral_v<T>) {
    return parse_weak_int<T>(text);
  } else if constexpr (std::is_same_v<T, double>) {
    return text.empty() ? std::optional(0.0) : parse_double(text);
  } else if constexpr (std::is_same_v<T, nanoseconds>) {
    return parse_weak_duration(text, rule.bare);
  } else if constexpr (std::is_same_v<T, ByteSize>) {
    const auto bytes = parse_quantity(text);
    return bytes ? std::optional(ByteSize{*bytes}) : std::nullopt;
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    std::vector<std::string> parts;
    for (const auto part : split(text, ',')) parts.emplace_back(part);
    return parts;
  } else {
    static_assert(std::is_same_v<T, std::vector<nanoseconds>>);
    std::vector<nanoseconds> parts;
    for (const auto part : split_list(text)) {
      const auto duration = parse_weak_duration(part, rule.bare);
      if (!duration) return std::nullopt;
      parts.push_back(*duration);
    }
    return parts;
  }
}

template <class T>
constexpr std::string_view type_name() noexcept {
  if constexpr (std::is_same_v<T, std::string>) return "string";
  if constexpr (std::is_same_v<T, bool>) return "bool";
  if constexpr (std::is_arithmetic_v<T>) return "number";
  if constexpr (std::is_same_v<T, nanoseconds>) return "duration";
  if constexpr (std::is_same_v<T, ByteSize>) return "bytesize";
  return "list";
}

template <class T>
std::string_view expectation() noexcept {
  if constexpr (std::is_unsigned_v<T>) return "a whole number of 0 or more that fits";
  if constexpr (std::is_integral_v<T>) return "a whole number that fits";
  if constexpr (std::is_same_v<T, double>) return "a number";
  if constexpr (std::is_same_v<T, ByteSize>) return "a size such as 4Mi";
  return "a duration such as 10s or 1m30s";
}

std::string show(const std::string& value) { return value; }
std::string show(bool value) { return value ? "true" : "false"; }
std::string show(double value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  return std::string(digits.data(), end);
}
std::string show(nanoseconds value) { return format_duration(value); }
std::string show(ByteSize value) { return std::to_string(value.bytes); }
std::string show(const std::vector<std::string>& value) { return join(value, ","); }
std::string show(const std::vector<nanoseconds>& value) {
  std::vector<std::string> parts;
  for (const auto part : value) parts.push_back(format_duration(part));
  return join(parts, ",");
}
template <class Integer>
  requires(std::is_integral_v<Integer> && !std::is_same_v<Integer, bool>)
std::string show(Integer value) {
  return std::to_string(value);
}
template <class T>
std::string show(const std::optional<T>& value) {
  return value ? show(*value) : std::string();
}

std::optional<std::string_view> find_field(const Metadata& metadata, const FieldRule& rule) {
  if (auto found = metadata.find({rule.name})) return found;
  for (const auto alias : rule.aliases) {
    if (alias.empty()) break;
    if (auto found = metadata.find({alias})) return found;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> find_property(
    const Properties& properties, std::initializer_list<std::string_view> names) noexcept {
  for (const auto name : names) {
    for (const auto& [key, value] : properties) {
      if (equals_fold(key, name)) return value;
    }
  }
  return std::nullopt;
}

namespace detail {

Result<> check_names(const Metadata& metadata) {
  std::set<std::string> seen;
  for (const auto& [name, value] : metadata.properties) {
    auto lower = to_lower(name);
    if (!seen.insert(lower).second) {
      return fail(Code::invalid_argument, "key " + lower + " is duplicate in the metadata");
    }
  }
  return {};
}

Result<> parse_field(const Metadata& metadata, const FieldRule& rule, FieldTarget target) {
  const auto text = find_field(metadata, rule);
  if (rule.required && (!text || text->empty())) {
    return fail(Code::invalid_argument,
                "metadata field " + std::string(rule.name) + " is required");
  }
  if (!text) return {};
  return std::visit(
      [&](auto* out) -> Result<> {
        using T = typename Inner<std::remove_pointer_t<decltype(out)>>::type;
        auto value = read<T>(*text, rule);
        if (!value) {
          const std::string shown = rule.sensitive ? "its value" : quoted(*text);
          return fail(Code::invalid_argument, "metadata field " + std::string(rule.name) + ": " +
                                                  shown + " is not " +
                                                  std::string(expectation<T>()));
        }
        *out = std::move(*value);
        return {};
      },
      target);
}

FieldInfo describe_field(const FieldRule& rule, FieldTarget default_value) {
  FieldInfo info{
      .name = std::string(rule.name), .required = rule.required, .sensitive = rule.sensitive};
  for (const auto alias : rule.aliases) {
    if (!alias.empty()) info.aliases.emplace_back(alias);
  }
  std::visit(
      [&](auto* value) {
        using T = typename Inner<std::remove_pointer_t<decltype(value)>>::type;
        info.type = type_name<T>();
        if (!rule.sensitive && !rule.required) info.default_value = show(*value);
      },
      default_value);
  return info;
}

}  // namespace detail

Result<std::optional<nanoseconds>> request_ttl(const Properties& properties) {
  const auto text = find_property(properties, {"ttl", "ttlInSeconds"});
  if (!text || text->empty()) return std::nullopt;
  if (auto duration = parse_duration(*text)) return std::max(*duration, nanoseconds{0});
  const auto seconds = parse_int<std::int64_t>(*text);
  if (!seconds) {
    return fail(Code::invalid_argument,
                "ttl value must be a valid integer: actual is '" + std::string(*text) + "'");
  }
  if (*seconds <= 0) {
    return fail(Code::invalid_argument,
                "ttl value must be higher than zero: actual is '" + std::to_string(*seconds) + "'");
  }
  if (*seconds > std::numeric_limits<std::int64_t>::max() / kSecond) return nanoseconds::max();
  return nanoseconds{*seconds * kSecond};
}

Result<bool> raw_payload(const Properties& properties) {
  const auto found = properties.find("rawPayload");
  if (found == properties.end() || found->second.empty()) return false;
  const auto value = parse_bool(found->second);
  if (!value) {
    return fail(Code::invalid_argument,
                "rawPayload value must be a valid boolean: actual is '" + found->second + "'");
  }
  return *value;
}

Result<std::optional<std::uint8_t>> request_priority(const Properties& properties) {
  const auto found = properties.find("priority");
  if (found == properties.end() || found->second.empty()) return std::nullopt;
  const auto value = parse_int<std::int64_t>(found->second);
  if (!value) {
    return fail(Code::invalid_argument,
                "priority value must be a valid integer: actual is '" + found->second + "'");
  }
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(*value, 0, 255));
}

}  // namespace outrigger::components
