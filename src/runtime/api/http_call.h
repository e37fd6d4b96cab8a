#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "net/message.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::runtime::api {

struct Route;

/// One request of the HTTP API on its way to a handler. Lives until the response is returned.
struct HttpCall {
  net::Request request;
  /// The path after cleaning, still escaped, and the query; views into `clean_target`.
  std::string clean_target;
  std::string_view path;
  std::string_view query;
  const Route* route = nullptr;
  /// Bytes of a body that is read whole; 0: no limit. From --max-body-size.
  std::size_t body_bytes_max = 0;
  /// The log tells names instead of paths; a handler that knows better than its route sets `name`.
  bool wants_name = false;
  std::string name;

  /// The span of this call; all zero without tracing and without a caller's trace.
  telemetry::TraceContext trace;
  /// What the span will say; nullptr unless it is sampled and exported. A handler that knows a
  /// better name than the path sets it.
  std::unique_ptr<telemetry::FinishedSpan> span;

  /// The decoded value of a route parameter; "" if the route has none of that name.
  [[nodiscard]] std::string_view param(std::string_view name) const noexcept;
  /// Query parameters `metadata.<key>=<value>`, without the prefix.
  [[nodiscard]] std::map<std::string, std::string, std::less<>> metadata() const;
  /// The whole body. The error renders as upstream's ERR_BODY_READ.
  Task<Result<std::string>> body();

  struct Param {
    std::string_view name;  ///< Into the route's pattern.
    std::string value;
  };
  std::vector<Param> params;
};

}  // namespace outrigger::runtime::api
