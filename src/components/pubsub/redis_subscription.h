#pragma once

#include <set>
#include <string>

#include "base/scope.h"
#include "components/clients/redis/client.h"
#include "components/pubsub/broker.h"
#include "components/pubsub/redis_stream.h"

namespace outrigger::components::pubsub {

/// How messages are read and given again.
struct RedisDelivery {
  /// How often messages are looked for that were not acknowledged; 0: never.
  std::chrono::nanoseconds redeliver_interval = std::chrono::seconds(15);
  /// How long the application may take for one message, after which it is given again; 0: for ever.
  std::chrono::nanoseconds processing_timeout = std::chrono::seconds(60);
  /// Messages of a subscription that may wait here.
  std::size_t queue_depth = 100;

  [[nodiscard]] bool redelivers() const noexcept {
    return redeliver_interval.count() > 0 && processing_timeout.count() > 0;
  }
};

/// One consumer of a group of a stream. New messages are read as long as there is room for them; a
/// message is acknowledged once it was delivered without error, and otherwise stays pending at the
/// server until it is old enough to be claimed again, by this or another consumer.
class RedisSubscription final : public Subscription {
 public:
  /// `client` and `workers`, which limits how many messages are delivered at once, must outlive it.
  RedisSubscription(redis::Client& client, Semaphore& workers, redis_stream::Group group,
                    RedisDelivery delivery, Deliver deliver);
  ~RedisSubscription() override;
  /// Makes the group if there is none, and begins.
  Task<Result<>> start();
  Task<void> close() override;

 private:
  using Entry = redis_stream::Entry;

  Task<Result<>> create_group();
  Task<void> read_loop();
  Task<Result<>> read_once();
  Task<void> reclaim_loop();
  Task<Result<>> reclaim();
  Task<Result<>> claim(std::vector<std::string> ids);
  Task<Result<>> forget_gone(std::vector<std::string> ids);
  Task<Result<>> wait_for_room();
  void begin(Entry entry);
  Task<void> process(Entry entry);
  Task<Result<>> deliver(Entry* entry);
  Task<Result<>> recover(Error error);
  [[nodiscard]] std::size_t room() const noexcept;

  redis::Client& client_;
  Semaphore& workers_;
  redis_stream::Group group_;
  RedisDelivery delivery_;
  Deliver deliver_;
  redis::Lane lane_;
  bool open_ = false;
  std::set<std::string, std::less<>> in_hand_;  // Ids of messages that wait here or are delivered.
  Signal finished_one_;
  Cancellation waiting_;  // Of messages whose turn has not come.
  Scope readers_;
  Scope deliveries_;
};

}  // namespace outrigger::components::pubsub
