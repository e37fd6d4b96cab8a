// The JSON functions against a second implementation: what one accepts the other must, and what is
// read, compacted or written again must mean the same.
#include "base/json.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/strings.h"

namespace {

using outrigger::json::ArrayReader;
using outrigger::json::ObjectReader;

// nlohmann refuses lone surrogates, ill-formed UTF-8 and numbers too large for a double, which Go
// (and so we) let pass; it skips a byte order mark and ends at a NUL.
bool comparable(std::string_view text) {
  if (!outrigger::is_utf8(text) || text.starts_with("\xef\xbb\xbf")) return false;
  for (std::size_t i = 0; i + 3 < text.size(); ++i) {
    const bool surrogate = text[i] == '\\' && text[i + 1] == 'u' &&
                           outrigger::to_lower(text[i + 2]) == 'd' && text[i + 3] >= '8';
    if (surrogate) return false;
  }
  for (const char c : text) {
    if (c == 'e' || c == 'E' || c == '\0') return false;
  }
  return text.size() < 300;
}

void read_all(std::string_view text, int depth) {
  if (depth == 0) return;
  std::string scratch;
  (void)outrigger::json::string_view_value(text, scratch);
  ObjectReader members(text);
  while (members.next()) {
    OUT_ASSERT(outrigger::json::is_valid(members.value()));
    read_all(members.value(), depth - 1);
  }
  ArrayReader elements(text);
  while (elements.next()) {
    OUT_ASSERT(outrigger::json::is_valid(elements.value()));
    read_all(elements.value(), depth - 1);
  }
  const auto type = outrigger::json::type_of(text);
  const bool valid = outrigger::json::is_valid(text);
  OUT_ASSERT(members.ok() == (valid && type == outrigger::json::Type::object));
  OUT_ASSERT(elements.ok() == (valid && type == outrigger::json::Type::array));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool valid = outrigger::json::is_valid(text);
  read_all(text, 8);
  std::string compact;
  OUT_ASSERT(outrigger::json::append_compact(compact, text) == valid);
  if (valid) OUT_ASSERT(outrigger::json::is_valid(compact));
  const std::string quoted = outrigger::json::quote(text);
  OUT_ASSERT(outrigger::json::is_valid(quoted));
  if (outrigger::is_utf8(text)) OUT_ASSERT(outrigger::json::string_value(quoted) == text);
  if (!comparable(text)) return 0;
  const auto other = nlohmann::json::parse(text, nullptr, false);
  OUT_ASSERT(other.is_discarded() == !valid);
  if (!valid) return 0;
  OUT_ASSERT(nlohmann::json::parse(compact, nullptr, false) == other);
  std::string html;
  OUT_ASSERT(outrigger::json::append_compact(html, text, outrigger::json::Html::escape));
  OUT_ASSERT(nlohmann::json::parse(html, nullptr, false) == other);
  if (other.is_string()) {
    const auto plain = outrigger::json::string_value(outrigger::trim(text));
    OUT_ASSERT(plain && *plain == other.get<std::string>());
  }
  return 0;
}
