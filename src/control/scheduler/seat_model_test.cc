#include <random>
#include <set>

#include "base/pch_test.h"
#include "control/scheduler/seat.h"

// Replicas that come, go, and look at each other in any order, whose looks and words arrive late.
namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kReplicas = 4;
/// Whoever has a share of one to four has all these partitions or none that is equal to them.
constexpr std::uint64_t kPartitions = 12;

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {
    for (std::size_t i = 0; i < kReplicas; ++i) replicas_.emplace_back(name_of(i), i + 1);
  }

  void run(int steps, bool quiet) {
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      const std::size_t one = below(kReplicas);
      if (!quiet && below(150) == 0) {
        lose_lease(one);
      } else if (replicas_[one].lapsed && !quiet) {
        stay_away(one);
      } else {
        go_on(one);
      }
    }
  }
  [[nodiscard]] bool all_have_shares() const {
    return std::ranges::all_of(replicas_, [](const auto& one) { return one.seat.has_share(); });
  }
  int begun = 0, gone_on = 0;

 private:
  struct Replica {
    Replica(std::string name, std::uint64_t uid) : seat(std::move(name), 10s), own{.uid = uid} {}
    Seat seat;
    Membership own;
    bool lapsed = false;   ///< Its lease; the engine may not have noticed.
    bool written = false;  ///< Since the last share ended.
    bool to_write = true;  ///< What it has to say is on its way.
    bool draining = false;
    std::optional<Roll> looked;  ///< What it has seen is on its way.
    std::optional<Place> place;
    std::optional<Place> last_place;
    /// Partitions that another has had since the last share ended.
    std::set<std::uint64_t> others;
  };

  static std::string name_of(std::size_t number) { return "replica" + std::to_string(number); }
  std::size_t below(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
  }

  void lose_lease(std::size_t number) {
    Replica& one = replicas_[number];
    // Before the engine says so.
    one.seat.end(Seat::End::broken);
    one.place.reset();
    one.lapsed = true;
    one.looked.reset();
    one.draining = one.written = false;
    one.to_write = true;
  }

  /// For a while; comes back before the engine has noticed, or later.
  void stay_away(std::size_t number) {
    const std::size_t luck = below(20);
    if (luck == 0) {
      go_on(number);
    } else if (luck < 3) {
      engine_.erase(name_of(number));
    }
  }

  void go_on(std::size_t number) {
    Replica& one = replicas_[number];
    if (one.draining) {
      one.draining = one.written = false;
      one.seat.end(Seat::End::in_order);
      one.last_place = std::exchange(one.place, std::nullopt);
    } else if (one.to_write) {
      // A lease that has lapsed is another one when it is taken again.
      if (one.lapsed) one.seat.end(Seat::End::broken);
      one.lapsed = false;
      engine_[name_of(number)] = one.own;
      one.to_write = false;
      one.written = true;
    } else if (!one.looked) {
      one.looked.emplace();
      one.looked->members = engine_;
    } else {
      decide(number, *std::exchange(one.looked, std::nullopt));
    }
  }

  void decide(std::size_t number, Roll roll) {
    Replica& one = replicas_[number];
    Seat::Seen seen;
    seen.says = roll.digest();
    seen.said = one.written && one.own.says == seen.says;
    seen.exact = true;
    seen.roll = std::move(roll);
    switch (one.seat.see(seen)) {
      case Seat::Next::nothing: break;
      case Seat::Next::drain: one.draining = true; break;
      case Seat::Next::say:
        one.own.says = seen.says;
        one.to_write = true;
        break;
      case Seat::Next::begin: begin(number, one.seat.begin(std::move(seen))); break;
    }
  }

  void begin(std::size_t number, const Share& share) {
    Replica& one = replicas_[number];
    ++begun;
    for (std::uint64_t partition = 0; partition < kPartitions; ++partition) {
      const bool was_own = one.last_place && one.last_place->has(partition);
      if (was_own && share.continues(partition)) {
        ++gone_on;
        EXPECT_FALSE(one.others.contains(partition)) << partition << " was another's meanwhile";
      }
      if (!share.place().has(partition)) continue;
      for (Replica& other : replicas_) {
        if (&other == &one) continue;
        EXPECT_FALSE(other.place && other.place->has(partition)) << partition << " has two owners";
        other.others.insert(partition);
      }
    }
    one.others.clear();
    one.place = share.place();
  }

  std::mt19937 random_;
  std::vector<Replica> replicas_;
  std::map<std::string, Membership> engine_;
};

TEST(SchedulerSeats, NeverShareAPartitionAndKeepWhatNobodyElseHasHadWhateverComesWhen) {
  int begun = 0, gone_on = 0;
  for (unsigned seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed);
    model.run(3000, false);
    model.run(1000, true);
    EXPECT_TRUE(model.all_have_shares());
    begun += model.begun;
    gone_on += model.gone_on;
  }
  EXPECT_GT(begun, 5000);
  EXPECT_GT(gone_on, 5000);
}

}  // namespace
}  // namespace outrigger::control::scheduler
