#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "runtime/state/http_body.h"
#include "runtime/state/json_error.h"
#include "runtime/state/json_value.h"

namespace {

using namespace outrigger::runtime::state;
namespace json = outrigger::json;

// Of a value that is JSON: JSON again, and rewriting it once more changes nothing.
void rewrite(std::string_view raw) {
  std::string once;
  std::string twice;
  std::string_view number;
  if (!append_value(once, raw, number)) return;
  if (!json::is_valid(once)) __builtin_trap();
  if (!append_value(twice, once, number)) __builtin_trap();
  if (once != twice) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  [[maybe_unused]] const auto saves = read_save_body(text);
  [[maybe_unused]] const auto keys = read_bulk_get_body(text);
  [[maybe_unused]] const auto steps = read_transaction_body(text);
  // Two readers of the same grammar must agree.
  const auto whole = json_syntax_error(text, JsonExtent::whole);
  const auto first = json_syntax_error(text, JsonExtent::first_value);
  if (whole && *whole == "invalid JSON") __builtin_trap();
  if (first && *first == "invalid JSON") __builtin_trap();
  if (const auto value = json::first_value(text)) rewrite(*value);
  return 0;
}
