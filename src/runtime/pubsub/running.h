#pragma once

#include <memory>
#include <optional>

#include "runtime/pubsub/batcher.h"
#include "runtime/pubsub/courier.h"

namespace outrigger::pubsub {

/// A subscription at work on one loop: between the broker that gives messages and the courier that
/// delivers them. close() must have ended before it is destroyed, if open() was successful.
class RunningSubscription {
 public:
  explicit RunningSubscription(Courier::Parts parts);
  ~RunningSubscription();
  RunningSubscription(const RunningSubscription&) = delete;
  RunningSubscription& operator=(const RunningSubscription&) = delete;

  Task<Result<>> open();
  /// Upstream's.
  static constexpr Duration kDrainMax = std::chrono::seconds(30);
  /// Cancels an open() that has not ended yet. Takes no new messages and waits for those being
  /// delivered until then, and no longer than kDrainMax; then these are cancelled, and given again
  /// by the broker. May be called more than once; each call returns when it is closed. Cannot be
  /// cancelled.
  Task<void> close(TimePoint drain_until);
  /// A close() that is under way waits no longer than until then.
  void limit_drain(TimePoint drain_until);

 private:
  Task<Result<>> deliver(components::pubsub::Message message);
  Task<Result<std::vector<components::pubsub::BulkFailure>>> deliver_bulk(
      components::pubsub::BulkMessage message);
  Task<Result<>> open_now();
  Task<void> close_now(TimePoint drain_until);
  void give_up();
  Task<void> wait_closed();

  Courier::Parts parts_;
  Courier courier_;
  std::optional<Batcher> batcher_;
  std::unique_ptr<components::pubsub::Subscription> source_;
  /// Requested when deliveries must end at once.
  Cancellation drained_;
  /// Of the open() that is under way.
  Cancellation* opening_ = nullptr;
  Signal opened_signal_;
  bool closing_ = false;
  bool closed_ = false;
  Signal closed_signal_;
  TimePoint drain_until_;
  Timer limit_{[this] { give_up(); }};
};

}  // namespace outrigger::pubsub
