#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/scope.h"
#include "components/clients/postgres/client.h"
#include "control/scheduler/seat.h"

namespace outrigger::control::scheduler {

/// What must hold in the store for a replica to still have its share: parameters of kFence.
struct PostgresFence {
  std::string id;
  std::int64_t uid = 0;
  std::int64_t round = 0;
};

/// How replicas share the jobs in PostgreSQL: as in etcd, with rows that expire in place of keys
/// under leases, looked at each second. On one loop.
class PostgresMembers {
 public:
  struct Self {
    std::string id;
    std::string address;
    Duration time_to_live = std::chrono::seconds(10);
    Duration interval = std::chrono::seconds(1);
    /// Of one look, which renews as well: after one that fails there is time for two more.
    Duration look_max = std::chrono::milliseconds(2500);
  };

  /// The table must be there when join() is called.
  PostgresMembers(components::postgres::Client& client, Self self, ShareEvents events);
  /// leave() must have ended.
  ~PostgresMembers();

  void join();
  [[nodiscard]] std::optional<PostgresFence> fence(std::uint64_t term) const;
  Task<void> leave();

  static const components::postgres::Statement& table_statement();

 private:
  struct Seen {
    bool ours = false;
    std::int64_t round = 0;  ///< That we have written.
    Roll roll;
  };
  Task<void> live();
  Task<Result<Seen>> look();
  Task<Result<components::postgres::Reply>> ask(components::postgres::Unit unit);
  Task<Result<components::postgres::Reply>> try_once(components::postgres::Unit unit);
  /// Whether there is something new to be said at once.
  bool settle(Seen seen);
  /// While rows are looked at, and ours is renewed, as before.
  Task<void> hand_over();
  Task<Result<>> anything_new();
  void begin(Seat::Seen seen);
  void stand_down(Seat::End how, std::string_view why);

  components::postgres::Client& client_;
  Self self_;
  ShareEvents events_;
  Membership own_;
  /// Its own: no job waits before a renewal, and one that does not answer is replaced.
  std::unique_ptr<components::postgres::Connection> connection_;
  bool connection_works_ = false;
  /// Counted up when a share ends; a share begins when the row has it.
  std::int64_t round_ = 1;
  Seat seat_;
  Signal handed_over_;
  Timer expiry_;
  Scope scope_;
};

}  // namespace outrigger::control::scheduler
