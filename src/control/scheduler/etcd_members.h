#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/clients/etcd/client.h"
#include "control/scheduler/seat.h"

/// How replicas share the jobs in etcd, as upstream's do, so that both kinds can share the work:
/// each keeps a key under "dapr/leadership/", bound to a lease, that says how many replicas it
/// counts. When all count the same, each has the jobs of its place in the order of the keys
/// (facts/wire_notes.md, section 21b). While all are ours, they say in place of the number who the
/// replicas are, which nobody can take for others as many.
namespace outrigger::control::scheduler {

/// The value of a replica's key.
[[nodiscard]] std::string encode(const Membership& membership);
/// Code::data_loss for bytes that are no such record.
struct EtcdMember {
  Membership membership;
  /// It writes its key again at each change of the replicas: ours do, upstream's only when their
  /// number changes.
  bool repeats = false;
  /// It says Roll::digest(), marked as such, where all others can: upstream's say their number.
  bool exact = false;
};
Result<EtcdMember> decode_member(std::string_view bytes);

/// Takes part in sharing the work. On one loop.
class EtcdMembers {
 public:
  struct Self {
    std::string id;
    std::string address;
    /// Of the lease. Upstream's is 20 s.
    std::chrono::seconds time_to_live{10};
  };

  EtcdMembers(components::etcd::Client& client, Self self, ShareEvents events);
  /// leave() must have ended.
  ~EtcdMembers();

  void join();
  /// What must hold of the store for this replica to still have the share of this term.
  [[nodiscard]] std::optional<components::etcd::Compare> fence(std::uint64_t term) const;
  /// That this replica's key is bound to.
  [[nodiscard]] std::int64_t lease() const noexcept { return lease_; }
  /// Gives the share up at once, for the others.
  Task<void> leave();

 private:
  Task<void> live();
  Task<Result<>> take_part();
  Task<void> give_back();
  Task<Result<>> enter();
  Task<void> renew(Cancellation* life);
  Task<Result<>> follow();
  Task<Result<std::int64_t>> look();
  Task<Result<>> hand_over();
  [[nodiscard]] Result<Seat::Seen> read(const components::etcd::RangeReply& found) const;
  Task<Result<>> settle(Seat::Seen seen);
  Task<Result<>> say(std::uint64_t says);
  void begin(Seat::Seen seen);
  void stand_down(Seat::End how, std::string_view why);

  components::etcd::Client& client_;
  Self self_;
  ShareEvents events_;
  std::string key_;
  Membership own_;
  std::int64_t lease_ = 0;
  /// Of our key; 0 before it is written.
  std::int64_t revision_ = 0;
  Seat seat_;
  Cancellation* life_ = nullptr;  ///< Of the present lease.
  Timer expiry_;
  Scope scope_;
};

}  // namespace outrigger::control::scheduler
