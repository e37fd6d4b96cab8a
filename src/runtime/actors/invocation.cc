#include "runtime/actors/invocation.h"

#include "runtime/actors/bytes_value.h"

namespace outrigger::runtime::actors {
namespace {

constexpr std::string_view kBytesValue = "type.googleapis.com/google.protobuf.BytesValue";

}  // namespace

AnyData any_of_json(std::string_view json) {
  AnyData data;
  data.type_url = kBytesValue;
  data.value = bytes_value(json);
  return data;
}

std::optional<std::string> json_of_any(const AnyData& data) {
  // The name behind the last slash is what counts.
  const std::string_view url(data.type_url);
  if (!url.ends_with("/google.protobuf.BytesValue")) return std::nullopt;
  return bytes_of_value(data.value);
}

}  // namespace outrigger::runtime::actors
