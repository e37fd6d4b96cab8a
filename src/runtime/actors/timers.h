#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/scope.h"
#include "runtime/actors/metrics.h"
#include "runtime/actors/router.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::runtime::actors {

/// A timer that the application asks for.
struct TimerRequest {
  ActorRef actor;
  std::string name;
  ScheduleText when;
  std::string callback;
  std::optional<AnyData> data;
};

/// The timers of one loop's actors. In memory: they end with the sidecar. Those of one actor fire
/// one after the other, in the order in which they are due.
class Timers {
 public:
  /// All must outlive this object. `tracer` may be nullptr.
  Timers(Router& router, const ActorMetrics& metrics, const telemetry::Tracer* tracer = nullptr)
      : router_(router), metrics_(metrics), tracer_(tracer) {}
  /// close() must have ended.
  ~Timers();

  /// Replaces one of that name. Code::unknown with upstream's text for times that make no sense.
  Result<> add(TimerRequest request);
  void remove(const ActorRef& actor, std::string_view name);
  [[nodiscard]] std::size_t size() const noexcept { return timers_.size(); }

  /// No timer fires any more; those that are firing are cancelled.
  Task<void> close();

 private:
  struct Entry;
  struct Lane;
  using EntryPtr = std::shared_ptr<Entry>;

  void start(const EntryPtr& entry);
  void due(EntryPtr entry);
  Task<void> run_lane(std::string actor_key);
  Task<void> fire(EntryPtr entry);
  void forget(const EntryPtr& entry);

  Router& router_;
  const ActorMetrics& metrics_;
  const telemetry::Tracer* tracer_;
  std::unordered_map<std::string, EntryPtr> timers_;
  /// Of actors whose timers fire now: those that wait for it.
  std::unordered_map<std::string, std::deque<EntryPtr>> lanes_;
  bool closed_ = false;
  Scope scope_;
};

}  // namespace outrigger::runtime::actors
