#pragma once

#include <functional>
#include <string>

#include "net/http/server.h"

namespace outrigger::net::http {

/// Serves the Prometheus text format at "/metrics" and "/", as upstream's exporter does.
class MetricsPage final : public RequestHandler {
 public:
  /// `render` is called for each scrape, on whatever loop.
  explicit MetricsPage(std::function<std::string()> render) : render_(std::move(render)) {}
  Task<Response> handle(Request request) override;

 private:
  std::function<std::string()> render_;
};

/// What Go's HTTP server answers where there is nothing.
Response page_not_found();

}  // namespace outrigger::net::http
