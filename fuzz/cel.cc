// Compiling and evaluating any expression over any event ends, soon, with a value or an error.
// The first line of the input is the expression, the rest the event.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/cel/program.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto end = input.find('\n');
  const auto program = cel::compile(input.substr(0, end));
  if (!program) return 0;
  const auto json = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
  const auto event = cel::Value::from_json(json);
  (void)program->matches(event ? *event : cel::Value());
  return 0;
}
