#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/api/router.h"

namespace outrigger::runtime::health {

/// A set of things that must all be ready. Thread-safe. With none it is not ready.
class Readiness {
 public:
  /// Adds it, not ready.
  void add(const std::string& target);
  void set(const std::string& target, bool ready);
  [[nodiscard]] bool ready() const;
  [[nodiscard]] std::vector<std::string> unready() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, bool> targets_;
};

/// GET /v1.0/healthz and /v1.0/healthz/outbound. Both objects must outlive the router.
void add_http_routes(api::Router& router, const Readiness& all, const Readiness& outbound,
                     std::string app_id);

}  // namespace outrigger::runtime::health
