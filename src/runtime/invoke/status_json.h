#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace outrigger::runtime::invoke {

/// A gRPC application's error as the HTTP API shows it: dapr.proto.internals.v1.Status in
/// protobuf's JSON. `details` are serialised Any messages; one of a type this program does not know
/// is an error, in words like upstream's.
[[nodiscard]] Result<std::string> status_json(int code, std::string_view message,
                                              const std::vector<std::string>& details);

}  // namespace outrigger::runtime::invoke
