#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "runtime/jobs/any_json.h"
#include "runtime/jobs/deliver.h"
#include "runtime/jobs/http_body.h"
#include "runtime/scheduler/wire.h"

namespace {

using namespace outrigger;
using namespace outrigger::runtime;

// What is told to applications and to clients is JSON, whatever the bytes were.
void tell(const scheduler::Any& data) {
  const auto form = jobs::any_json(data);
  if (form && !json::is_valid(*form)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto scheduling = jobs::read_scheduling(text);
  if (scheduling && scheduling->job.data) {
    // A value that was read can be told.
    const auto value = jobs::value_json(scheduling->job.data->value);
    if (!value || !json::is_valid(*value)) __builtin_trap();
    tell(*scheduling->job.data);
    if (!jobs::job_json({"name", scheduling->job})) __builtin_trap();
  }
  const auto value = jobs::value_json(text);
  if (value && !value->empty() && !json::is_valid(*value)) __builtin_trap();
  for (const char* type : {"Value", "Struct", "ListValue", "StringValue", "BytesValue",
                           "DoubleValue", "Duration", "Timestamp"}) {
    tell({"type.googleapis.com/google.protobuf." + std::string(type), text});
  }
  [[maybe_unused]] const auto target = jobs::job_target(text);
  // And what schedulers send.
  [[maybe_unused]] const auto due = scheduler::wire::read_due(text);
  [[maybe_unused]] const auto job = scheduler::wire::read_get_response(text);
  [[maybe_unused]] const auto list = scheduler::wire::read_list_response(text);
  [[maybe_unused]] const auto hosts = scheduler::wire::read_hosts(text);
  return 0;
}
