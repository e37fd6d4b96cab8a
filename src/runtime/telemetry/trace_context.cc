#include "runtime/telemetry/trace_context.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "base/hex.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

bool is_zero(std::span<const std::uint8_t> bytes) noexcept {
  std::uint8_t any = 0;
  for (const std::uint8_t byte : bytes) any |= byte;
  return any == 0;
}

/// The values of hexadecimal digits; kUpper is set for A to F, which ids must not have.
constexpr std::uint8_t kUpper = 0x40;
constexpr std::uint8_t kNoDigit = 0x80;
constexpr auto kDigitValues = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const int value = hex_value(static_cast<char>(c));
    const bool upper = c >= 'A' && c <= 'F';
    table[static_cast<std::size_t>(c)] =
        value < 0 ? kNoDigit : static_cast<std::uint8_t>(value | (upper ? kUpper : 0));
  }
  return table;
}();

enum class Case : std::uint8_t { lower, any };

/// Fills `out` from the first digits of the text, which has twice as many or more.
bool read_hex(std::string_view text, std::span<std::uint8_t> out, Case accepted) noexcept {
  std::uint8_t seen = 0;
  std::size_t at = 0;
  for (std::uint8_t& byte : out) {
    const std::uint8_t high = kDigitValues[static_cast<unsigned char>(text[at++])];
    const std::uint8_t low = kDigitValues[static_cast<unsigned char>(text[at++])];
    seen |= high | low;
    byte = static_cast<std::uint8_t>((high & 0xF) << 4 | (low & 0xF));
  }
  return (seen & (accepted == Case::lower ? kUpper | kNoDigit : kNoDigit)) == 0;
}

void write_hex(char*& to, std::span<const std::uint8_t> bytes) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    *to++ = kDigits[byte >> 4];
    *to++ = kDigits[byte & 0xF];
  }
}

bool is_key_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' ||
         c == '/';
}

constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }

/// A part of a tracestate key: `first` must hold for its first character, `rest_max` more follow.
bool is_key_part(std::string_view part, bool (*first)(char), std::size_t rest_max) noexcept {
  return !part.empty() && first(part[0]) && part.size() - 1 <= rest_max &&
         std::ranges::all_of(part, is_key_char);
}

bool is_state_key(std::string_view key) noexcept {
  constexpr auto lower = [](char c) { return is_lower(c); };
  constexpr auto lower_or_digit = [](char c) { return is_lower(c) || (c >= '0' && c <= '9'); };
  const auto parts = cut(key, "@");
  if (!parts) return is_key_part(key, lower, 255);
  return is_key_part(parts->first, lower_or_digit, 240) && is_key_part(parts->second, lower, 13);
}

bool is_state_value(std::string_view value) noexcept {
  if (value.empty() || value.size() > 256 || value.back() == ' ') return false;
  return std::ranges::all_of(value,
                             [](char c) { return c >= ' ' && c <= '~' && c != ',' && c != '='; });
}

std::string_view trim_blanks(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

bool TraceContext::has_trace_id() const noexcept { return !is_zero(trace_id); }
bool TraceContext::valid() const noexcept { return has_trace_id() && !is_zero(span_id); }

std::optional<TraceContext> parse_traceparent(std::string_view text) noexcept {
  // 2 + 1 + 32 + 1 + 16 + 1 and at least two digits of flags.
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') {
    return std::nullopt;
  }
  std::array<std::uint8_t, 1> version{};
  if (!read_hex(text, version, Case::any) || version[0] > 254) return std::nullopt;
  const std::string_view tail = text.substr(53);
  const auto dash = tail.find('-');
  if (version[0] == 0 && dash != std::string_view::npos) return std::nullopt;
  const std::string_view flags = tail.substr(0, dash);
  std::array<std::uint8_t, 1> first_flags{};
  if (flags.size() < 2 || flags.size() % 2 != 0 ||
      !std::ranges::all_of(flags, [](char c) { return hex_value(c) >= 0; }) ||
      !read_hex(flags, first_flags, Case::any)) {
    return std::nullopt;
  }
  TraceContext context;
  if (!read_hex(text.substr(3), context.trace_id, Case::lower) ||
      !read_hex(text.substr(36), context.span_id, Case::lower) || !context.valid()) {
    return std::nullopt;
  }
  context.flags = first_flags[0];
  return context;
}

void append_traceparent(std::string& out, const TraceContext& context) {
  std::array<char, 55> text;
  char* to = text.data();
  *to++ = '0';
  *to++ = '0';
  *to++ = '-';
  write_hex(to, context.trace_id);
  *to++ = '-';
  write_hex(to, context.span_id);
  *to++ = '-';
  write_hex(to, std::span(&context.flags, 1));
  out.append(text.data(), text.size());
}

std::string format_traceparent(const TraceContext& context) {
  std::string out;
  append_traceparent(out, context);
  return out;
}

std::string trace_id_text(const TraceContext& context) {
  std::string out(32, '0');
  char* to = out.data();
  write_hex(to, context.trace_id);
  return out;
}

std::string span_id_text(const TraceContext& context) {
  std::string out(16, '0');
  char* to = out.data();
  write_hex(to, context.span_id);
  return out;
}

std::string parse_tracestate(std::string_view text) {
  constexpr std::size_t kMembersMax = 32;
  std::vector<std::string_view> keys;
  std::string out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view member = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    if (member.empty()) continue;
    const auto parts = cut(member, "=");
    if (!parts) return {};
    auto [key, value] = *parts;
    while (key.starts_with(' ') || key.starts_with('\t')) key.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    const bool repeated = std::ranges::find(keys, key) != keys.end();
    if (repeated || !is_state_key(key) || !is_state_value(value)) return {};
    keys.push_back(key);
    if (keys.size() > kMembersMax) return {};
    if (!out.empty()) out += ',';
    out.append(key).append("=").append(value);
  }
  return out;
}

TraceContext from_headers(std::string_view traceparent, std::string_view tracestate) {
  auto context = parse_traceparent(traceparent);
  if (!context) return {};
  if (!tracestate.empty()) context->state = parse_tracestate(tracestate);
  return *std::move(context);
}

TraceBinary encode_trace_bin(const TraceContext& context) noexcept {
  TraceBinary bytes{};
  std::memcpy(bytes.data() + 2, context.trace_id.data(), context.trace_id.size());
  bytes[18] = 1;
  std::memcpy(bytes.data() + 19, context.span_id.data(), context.span_id.size());
  bytes[27] = 2;
  bytes[28] = static_cast<char>(context.flags);
  return bytes;
}

std::optional<TraceContext> decode_trace_bin(std::string_view bytes) noexcept {
  if (bytes.size() < 18 || bytes[0] != 0 || bytes[1] != 0) return std::nullopt;
  TraceContext context;
  std::memcpy(context.trace_id.data(), bytes.data() + 2, context.trace_id.size());
  bytes.remove_prefix(18);
  if (bytes.size() >= 9 && bytes[0] == 1) {
    std::memcpy(context.span_id.data(), bytes.data() + 1, context.span_id.size());
    bytes.remove_prefix(9);
  }
  if (bytes.size() >= 2 && bytes[0] == 2) context.flags = static_cast<std::uint8_t>(bytes[1]);
  return context;
}

TraceContext from_metadata(std::optional<std::string_view> trace_bin, std::string_view traceparent,
                           std::string_view tracestate) {
  if (!trace_bin) return from_headers(traceparent, tracestate);
  return decode_trace_bin(*trace_bin).value_or(TraceContext());
}

namespace {

/// token of RFC 9110.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr);
  });
}

/// baggage-octet: printable ASCII but for space, quote, comma, semicolon and backslash.
bool is_baggage_value(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != ',' && c != ';' && c != '\\';
  });
}

/// The malformed percent escape, at most three characters; empty if there is none.
std::string_view bad_escape(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) {
      return text.substr(i, 3);
    }
  }
  return {};
}

bool is_property(std::string_view text) noexcept {
  if (text.empty()) return true;
  const auto parts = cut(text, "=");
  if (!parts) return is_token(trim_blanks(text));
  const std::string_view value = trim_blanks(parts->second);
  return is_token(trim_blanks(parts->first)) && is_baggage_value(value) &&
         bad_escape(value).empty();
}

/// What is wrong with a list member; empty if nothing. `key` is set if it is well-formed.
std::string baggage_fault(std::string_view member, std::string_view& key) {
  const auto pieces = split(member, ';');
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    if (is_property(pieces[i])) continue;
    return "invalid baggage list-member property: " + quoted(pieces[i]);
  }
  const auto parts = cut(pieces[0], "=");
  if (!parts) return "invalid baggage list-member: " + quoted(member);
  key = trim(parts->first);
  if (!is_token(key)) return "invalid key: " + quoted(key);
  const std::string_view value = trim(parts->second);
  if (!is_baggage_value(value)) return "invalid value: " + quoted(parts->second);
  const std::string_view escape = bad_escape(value);
  if (escape.empty()) return {};
  return "invalid value: invalid URL escape " + quoted(escape);
}

}  // namespace

Result<> check_baggage(std::string_view text) {
  constexpr std::size_t kBytesMax = 8192;
  constexpr std::size_t kMembersMax = 64;
  constexpr std::size_t kFaultsShown = 5;
  const auto refuse = [](const std::string& why) -> Result<> {
    return fail(Code::invalid_argument, "invalid baggage header: " + why);
  };
  if (text.empty()) return {};
  if (text.size() > kBytesMax) {
    return refuse("baggage-string too large: " + std::to_string(text.size()));
  }
  std::vector<std::string_view> keys;
  std::string faults;
  std::size_t fault_count = 0;
  for (const auto member : split(text, ',')) {
    if (keys.size() >= kMembersMax) {
      if (!faults.empty()) faults += '\n';
      faults += "too many list-members in baggage-string";
      break;
    }
    std::string_view key;
    const std::string fault = baggage_fault(member, key);
    if (fault.empty()) {
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
      continue;
    }
    if (++fault_count > kFaultsShown) continue;
    if (!faults.empty()) faults += '\n';
    faults += fault;
  }
  if (fault_count > kFaultsShown) {
    faults += "\nand " + std::to_string(fault_count - kFaultsShown) + " more invalid member(s)";
  }
  return faults.empty() ? Result<>() : refuse(faults);
}

}  // namespace outrigger::telemetry
