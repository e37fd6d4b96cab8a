#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "components/clients/sqlite/executor.h"
#include "components/pubsub/broker.h"
#include "components/pubsub/sqlite_hub.h"
#include "components/pubsub/sqlite_tables.h"

namespace outrigger::components::pubsub {

/// What the subscriptions of one component have in common.
struct SqliteConsumer {
  std::string group;
  std::chrono::milliseconds visibility_timeout{};
  std::chrono::milliseconds redeliver_interval{};
  /// How often a subscription notes that its group is in use.
  std::chrono::milliseconds touch_interval{};
  std::size_t concurrency = 1;
  std::size_t in_flight_max = 1;
  bool strict_order = false;
};

/// One subscription of pubsub.sqlite: takes messages under a lease, ahead of need as far as the
/// subscriber is quick, delivers them, and tells the database what became of them. What it has to
/// say and to ask goes in one write at a time, so that the writes grow with the load.
class SqliteSubscription final : public Subscription, private Cancellation::Callback {
 public:
  /// All that is given by reference outlives the subscription.
  struct Parts {
    sqlite::Client& client;
    std::shared_ptr<SqliteHub> hub;
    std::shared_ptr<const SqliteTables> tables;
    std::shared_ptr<const SqliteConsumer> consumer;
    std::string topic;
    SqliteTables::Group group;
    Deliver deliver;
  };
  explicit SqliteSubscription(Parts parts);
  ~SqliteSubscription() override;

  /// Waits for the messages being handled; if cancelled, cancels them. What was taken and not begun
  /// is there for others at once.
  Task<void> close() override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Look : std::uint8_t { no, first, take };

  Task<void> run();
  Task<bool> talk();
  Task<void> look();
  Task<bool> join_again();
  SqliteTables::Exchange next_exchange();
  void take_in(SqliteTables::Exchanged answer, std::int64_t lease_until);
  void put_back(SqliteTables::Exchange& exchange);
  void forget(std::int64_t id);
  [[nodiscard]] std::size_t capacity() const;
  [[nodiscard]] bool has_to_talk() const;
  [[nodiscard]] bool ended() const;
  void release_unbegun();
  void start_timer();
  void report(const Error& error);

  void start_workers();
  Task<void> work();
  Task<void> handle(SqliteTables::Taken taken);
  Task<bool> try_until_done(SqliteTables::Taken taken);
  Task<Result<>> give(SqliteTables::Taken taken);
  void learn(Clock::duration took);

  void on_cancel() noexcept override;

  Parts parts_;
  const std::int64_t owner_;
  std::shared_ptr<SqliteHub::Bell> bell_;
  Timer timer_;

  std::deque<SqliteTables::Taken> ready_;
  std::size_t ready_bytes_ = 0;
  /// When the lease ends of what is ready or being handled.
  std::unordered_map<std::int64_t, std::int64_t> leases_;
  std::vector<std::int64_t> done_, failed_, released_;

  Look look_ = Look::take;
  std::optional<std::int64_t> due_;
  Clock::time_point touched_;
  std::size_t limit_;
  double seconds_each_ = 0;
  std::size_t workers_ = 0;
  int failures_ = 0;
  bool closing_ = false;
  bool closed_ = false;

  Cancellation never_;
  Scope scope_;
};

}  // namespace outrigger::components::pubsub
