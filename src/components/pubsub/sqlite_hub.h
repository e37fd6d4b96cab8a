#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "components/clients/sqlite/database.h"

namespace outrigger::components::pubsub {

/// Wakes the subscriptions of one pubsub.sqlite component when there may be messages for them: at
/// once after what this process did, and after at most the poll interval for other processes, whose
/// commits a thread looks for as long as there are subscriptions. Thread-safe.
class SqliteHub {
 public:
  /// How a subscription is woken. The members without a comment belong to its loop.
  class Bell : public std::enable_shared_from_this<Bell> {
   public:
    Bell(Loop& home, std::string topic) : home_(home), topic_(std::move(topic)) {}
    /// Notified whenever one of the flags was set; also by the subscription itself.
    Signal rung;
    bool fresh = false;    ///< There is a message.
    bool stirred = false;  ///< Something in the database has changed.

   private:
    friend class SqliteHub;
    void ring(bool is_fresh);

    Loop& home_;
    const std::string topic_;
    // Whether a message to the loop is under way already, which saves one for each publication.
    std::atomic<bool> fresh_posted_{false};
    std::atomic<bool> stirred_posted_{false};
  };

  /// `plan` as of the component's executor. A database in memory is never polled.
  SqliteHub(sqlite::OpenPlan plan, Duration poll_interval);
  SqliteHub(const SqliteHub&) = delete;
  SqliteHub& operator=(const SqliteHub&) = delete;
  ~SqliteHub();

  void join(const std::shared_ptr<Bell>& bell);
  void leave(const std::shared_ptr<Bell>& bell);
  /// A message of the topic was committed by this process.
  void ring(std::string_view topic);

 private:
  void poll();
  /// Sleeps; false if polling shall end.
  bool rest(Duration time);

  const sqlite::OpenPlan plan_;
  const Duration poll_interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Bell>> bells_;
  bool closing_ = false;
  std::thread poller_;  // Started by the first subscription.
};

}  // namespace outrigger::components::pubsub
