#pragma once

#include "control/leadership/tenure.h"
#include "control/scheduler/membership.h"

namespace outrigger::control::scheduler {

/// A replica's seat among those that share the jobs: the share that it has, and what it is to do
/// when it has looked at the others. Without I/O and without a clock.
class Seat {
 public:
  /// What a look has shown.
  struct Seen {
    Roll roll;
    /// What there is to be said of these replicas.
    std::uint64_t says = 0;
    /// The engine has that of us, written since our last share ended and since the last of the
    /// replicas came.
    bool said = false;
    /// And so it has of all others that say something anew at each change.
    bool followed = true;
    /// `says` is said of these replicas only: nobody can take it for others as many.
    bool exact = false;
  };
  /// How a share ends.
  enum class End : std::uint8_t {
    in_order,  ///< The others know of it when this replica says something anew.
    broken,    ///< They may know already.
  };
  enum class Next : std::uint8_t {
    nothing,  ///< All is as it was, or others are waited for.
    drain,    ///< The replicas are others: drain_share(), then end(). Asked for once.
    say,      ///< Write what there is to be said, and look again.
    begin,    ///< All say the same: begin().
  };

  /// `key`: its own in the roll. `time_to_live`: of the lease that its record is bound to.
  Seat(std::string key, Duration time_to_live) : key_(std::move(key)), tenure_(time_to_live) {}

  /// As Tenure::renewed(). `now`: a lease that was over may have been another's meanwhile.
  void renewed(TimePoint asked, TimePoint now) noexcept {
    if (!tenure_.runs(now)) since_.reset();
    tenure_.renewed(asked);
  }
  /// The share must end by then if the lease is not renewed.
  [[nodiscard]] TimePoint until() const noexcept { return tenure_.until(); }

  [[nodiscard]] Next see(const Seen& seen);
  /// After Next::begin: the share, under a term of its own.
  Share begin(Seen seen);
  /// Whether there was a share.
  bool end(End how) noexcept;

  [[nodiscard]] bool has_share() const noexcept { return agreed_.has_value(); }
  /// Of the latest share.
  [[nodiscard]] std::uint64_t term() const noexcept { return term_; }
  /// Whether what is done under this term may be done now.
  [[nodiscard]] bool holds(std::uint64_t term, TimePoint now) const noexcept {
    return agreed_ && term == term_ && tenure_.runs(now);
  }

 private:
  void note_place(const Seen& seen);

  std::string key_;
  Tenure tenure_;
  /// Who shares the jobs, while this replica has a share.
  std::optional<Roll> agreed_;
  bool exact_ = false;  ///< They are.
  bool draining_ = false;
  std::uint64_t term_ = 0;
  /// Share::since of the next share.
  std::optional<std::vector<Place>> since_;
};

}  // namespace outrigger::control::scheduler
