#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "components/middleware/sentinel_rules.h"
#include "components/middleware/sentinel_window.h"

namespace outrigger::components::middleware::sentinel {

/// What rules about the machine and the process look at.
struct Machine {
  std::function<double()> load;            ///< Of the last minute.
  std::function<double()> cpu;             ///< Of all CPUs, 0 to 1.
  std::function<std::int64_t()> resident;  ///< Bytes of this process.
};
/// This machine, asked once a second at most.
Machine this_machine();

/// Says which requests may pass. Thread-safe; remembers nothing but the resources of its rules.
class Guard {
 public:
  Guard(Rules rules, Machine machine);
  ~Guard();

  /// One request on its way: enter() until it neither waits nor is refused, then exit() once.
  struct Entry {
    std::string resource;
    std::size_t next_rule = 0;
    Millis began = 0;
  };
  struct Verdict {
    enum class Kind : std::uint8_t { pass, refuse, wait };
    Kind kind = Kind::pass;
    Millis wait_ms = 0;  ///< Then enter() again with the same entry.
  };
  Verdict enter(Entry& entry, Millis now);
  /// After a pass: how it went.
  void exit(const Entry& entry, bool error, Millis now);

  /// Whether a rule names the resource.
  [[nodiscard]] bool names(const std::string& resource) const;

 private:
  struct Resource;
  struct Flow;
  struct Breaker;

  Resource& make(const std::string& name);
  Resource* find(const std::string& name);
  bool system_allows(Millis now);
  bool system_rule_allows(const SystemRule& rule, Millis now);
  bool bandwidth_left(Millis now) const;
  Verdict pass_flow(Flow& flow, Millis now);
  double threshold_of(Flow& flow, Millis now);
  static Verdict throttle(Flow& flow, double threshold, Millis now);
  static bool admit(Resource& resource, Millis now);

  const Rules rules_;
  const Machine machine_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Resource>> resources_;
  std::unique_ptr<Resource> inbound_;
};

}  // namespace outrigger::components::middleware::sentinel
