#pragma once

#include <optional>
#include <string>

#include "net/http/client.h"
#include "runtime/tracing/exporter.h"

namespace outrigger::runtime::tracing {

/// Posts bodies to one URL over connections that are kept. Of one loop from the first post on.
class HttpPost {
 public:
  struct Target {
    net::Endpoint endpoint;
    std::string authority;
    std::string path;  ///< With the query, if there is one.
    net::Headers headers;
    Duration timeout;
  };
  explicit HttpPost(Target target) : target_(std::move(target)) {}

  /// What came of it, and the body of a 2xx answer in `*answer`. Retried are what never arrived and
  /// the statuses 429, 502, 503 and 504, after Retry-After if the receiver says so.
  Task<Delivery> post(std::string body, std::string* answer);
  Task<void> close();

 private:
  Task<Result<net::Response>> exchange(net::Request request);

  Target target_;
  std::optional<net::Client> client_;
};

}  // namespace outrigger::runtime::tracing
