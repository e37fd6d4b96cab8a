#include <cstddef>
#include <cstdint>

#include "components/state/like.h"
#include "components/state/query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  [[maybe_unused]] auto query = outrigger::components::state::parse_query(text);
  const std::size_t half = size / 2;
  [[maybe_unused]] const bool matches =
      outrigger::components::state::like(text.substr(0, half), text.substr(half));
  return 0;
}
