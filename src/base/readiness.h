#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace outrigger {

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

}  // namespace outrigger
