#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/pubsub/broker.h"
#include "runtime/pubsub/subscription_config.h"

namespace outrigger::pubsub {

/// Makes batches of messages that come one by one, for brokers that have none: a batch is given
/// away when it is full or when its first message has waited long enough, one batch at a time.
/// Everything belongs to one loop.
class Batcher {
 public:
  /// Whether a message waits for others, or only batches with those that wait already: for brokers
  /// that give the next message when the one before is done.
  enum class Mode : std::uint8_t { gather, at_once };
  /// `deliver` must live until close() has ended.
  Batcher(std::string topic, const BulkSubscribe& options, components::pubsub::DeliverBulk deliver,
          Mode mode = Mode::gather);

  /// Returns when the message's batch has been handled: no error if the message is done.
  Task<Result<>> add(components::pubsub::Message message);
  /// From now on nothing waits for a batch to fill.
  void hurry();
  /// Cancels the batches that are being handled.
  void cancel() noexcept { scope_.cancel(); }
  /// Waits for the batches being handled. No add() may be running.
  Task<void> close();

 private:
  struct Pending {
    components::pubsub::BulkEntry entry;
    /// Shared: the one who waits may be cancelled before the batch is done.
    std::shared_ptr<Completion<>> done;
  };
  void begin_batch();
  void arrange_next();
  Task<void> handle(std::vector<Pending> batch);

  std::string topic_;
  std::size_t messages_max_;
  Duration await_max_;
  components::pubsub::DeliverBulk deliver_;
  std::vector<Pending> pending_;
  bool busy_ = false;
  bool hurry_ = false;
  Scope scope_;
  Timer timer_;
};

}  // namespace outrigger::pubsub
