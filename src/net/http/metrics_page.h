#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/loop.h"
#include "net/http/server.h"

namespace outrigger::net::http {

/// Serves the Prometheus text format at "/metrics" and "/", as upstream's exporter does. Those who
/// ask and do not read cannot fill the memory: of what they have not taken, large pages are kept up
/// to 64 MB, and the oldest are cut off. Those who ask without pause cannot fill the time: a page
/// that took more than 10 ms to make is used for ten times as long.
class MetricsPage final : public RequestHandler {
 public:
  using Clock = std::function<TimePoint()>;
  /// `render` is called for scrapes, on whatever loop.
  explicit MetricsPage(std::function<std::string()> render, Clock now = nullptr);
  Task<Response> handle(Request request) override;

 private:
  struct Sent;
  /// One that may not have been taken yet: of its loop, where alone it may be held.
  struct Waiting {
    Loop* loop;
    std::weak_ptr<Sent> sent;
    const void* page;
    std::size_t bytes;
  };
  std::shared_ptr<const std::string> page();
  Body send_large(std::shared_ptr<const std::string> page);

  std::function<std::string()> render_;
  Clock now_;
  std::mutex mutex_;  // Of what follows.
  std::shared_ptr<const std::string> kept_;
  TimePoint kept_until_;
  std::vector<Waiting> waiting_;  // The oldest first.
};

/// What Go's HTTP server answers where there is nothing.
Response page_not_found();

}  // namespace outrigger::net::http
