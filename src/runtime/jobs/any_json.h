#pragma once

#include <string>
#include <string_view>

#include "runtime/scheduler/service.h"

/// google.protobuf.Value and google.protobuf.Any in the JSON of protobuf.
namespace outrigger::runtime::jobs {

inline constexpr std::string_view kValueType = "type.googleapis.com/google.protobuf.Value";

/// A JSON value as an Any of kValueType, its bytes in upstream's order. `raw` must be valid JSON
/// without white space around. Code::invalid_argument if it is nested too deep.
Result<scheduler::Any> value_any(std::string_view raw);

/// The JSON of the bytes of a google.protobuf.Value; "" if it has no kind.
Result<std::string> value_json(const std::string& bytes);

/// A google.protobuf.Duration: "3s", "-0.500s". Of values that it cannot have, their digits.
std::string duration_json(std::int64_t seconds, std::int32_t nanos);

/// {"@type":...,"value":...} for the types that JSON has a form for (Value, Struct, ListValue, the
/// wrappers, Duration, Timestamp, Empty); "{}" for an Any of nothing. Others are an error, as they
/// are to upstream if it does not know them.
Result<std::string> any_json(const scheduler::Any& any);

}  // namespace outrigger::runtime::jobs
