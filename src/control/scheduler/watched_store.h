#pragma once

#include <functional>
#include <list>
#include <memory>

#include "base/scope.h"
#include "control/scheduler/metrics.h"
#include "control/scheduler/store.h"
#include "control/scheduler/trouble.h"

namespace outrigger::control::scheduler {

struct WatchOptions {
  /// A call that takes longer, or fails, raises the doubt whether the store works...
  Duration slow = std::chrono::seconds(1);
  /// ...and a probe must be answered within this time to dispel it.
  Duration probe_timeout = std::chrono::seconds(2);
  /// Probes come at least so often until one is answered.
  Duration probe_pause_max = std::chrono::seconds(1);
  /// How long a replica may be without a share before that is unhealthy.
  Duration shareless_max = std::chrono::seconds(10);
};

/// A store that is looked after: what fails or does not answer is said in the log, in metrics and,
/// when it lasts, to `healthy`. A store that does not take writes is probed until it does. Calls
/// are passed on as they are, with their results. On one loop.
class WatchedStore final : public Store, private Store::Events {
 public:
  WatchedStore(std::unique_ptr<Store> store, const Metrics& metrics,
               std::function<void(bool)> healthy, WatchOptions options = {});

  Task<Result<>> open(Store::Events& events, std::string address) override;
  Task<Result<Written>> put(PutRequest request) override;
  Task<Result<std::optional<StoredJob>>> get(std::string name) override;
  Task<Result<std::optional<JobId>>> remove(std::string name) override;
  Task<Result<std::vector<JobId>>> remove_prefix(std::string prefix) override;
  Task<Result<std::vector<NamedJob>>> list(ListRequest request) override;
  Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                     std::size_t limit) override;
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override;
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override;
  Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) override;
  Task<Result<>> probe() override;
  Task<void> close() override;

 private:
  template <class T>
  Task<Result<T>> watch(Task<Result<T>> call);
  void doubt(const Error& error);
  Task<void> look_after();
  Task<bool> in_doubt();
  Task<Result<>> next_call();
  void works(bool works);
  void tell();

  // Store::Events
  void owned(Share share) override;
  Task<Result<>> drain() override;
  void lost() override;
  void changed(JobId id, std::optional<JobId> replaced, WallTime due) override;
  void removed(JobId id) override;

  std::unique_ptr<Store> store_;
  const WatchOptions options_;
  std::function<void(bool)> healthy_;
  const Metrics& metrics_;
  Store::Events* events_ = nullptr;
  Trouble trouble_;
  /// When those calls began that are under way.
  std::list<TimePoint> calls_;
  std::optional<Error> doubt_;
  TimePoint said_;
  Signal called_;
  bool works_ = true, healthy_now_ = true, sharing_ = true;
  Timer shareless_;
  Scope scope_;
};

}  // namespace outrigger::control::scheduler
