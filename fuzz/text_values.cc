// Durations, times, quantities and encodings that come in metadata, files and requests.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/duration.h"
#include "base/hex.h"
#include "base/quantity.h"
#include "base/result.h"
#include "base/strings.h"
#include "base/time_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto duration = parse_duration(text)) {
    OUT_ASSERT(parse_duration(format_duration(*duration)).value() == *duration);
  }
  const WallTime now = *parse_rfc3339("2026-01-31T00:00:00Z");
  if (const auto duration = parse_calendar_duration(text)) (void)add(now, *duration);
  if (const auto time = parse_rfc3339(text)) {
    OUT_ASSERT(parse_rfc3339(format_rfc3339_nano(*time)).value() == *time);
    (void)format_http_date(*time);
  }
  (void)parse_time(text, now);
  (void)parse_quantity(text);
  OUT_ASSERT(base64_decode(base64_encode(text)) == text);
  OUT_ASSERT(hex_decode(hex_encode(text)) == text);
  if (const auto bytes = base64_decode_any(text)) OUT_ASSERT(bytes->size() <= text.size());
  OUT_ASSERT(is_utf8(quoted(text)));
  return 0;
}
