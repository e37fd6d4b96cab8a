#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/loop.h"

/// The dissemination of one namespace's placement tables (facts/wire_notes.md, section 6): pure
/// logic, told what happens and when, asked what to send.
namespace outrigger::control::placement {

using StreamId = std::uint64_t;

/// A step of a round. `report` is also the state between rounds.
enum class Step : std::uint8_t { report, lock, update, unlock };

/// What a sidecar says, be it what it hosts or that it has taken a step.
struct HostReport {
  std::string name;
  std::int64_t port = 0;
  std::string id;
  std::string app_namespace;
  /// Actor types, sorted.
  std::vector<std::string> entities;
  std::uint32_t api_level = 0;
  /// nullopt: a sidecar of the time before steps were numbered, who means the step that is next.
  std::optional<Step> step;
  std::optional<std::uint64_t> version;
};

struct RoundRules {
  /// The answers of one sidecar may take so long in one round, all together.
  Duration timeout = std::chrono::seconds(8);
  /// What changes so soon after a round waits and makes one round together; 0: off.
  Duration coalesce_window{0};
};

/// Rounds go one after the other. A round locks, updates and unlocks every stream that was there
/// when it began, a step at a time: the next is taken when all have answered. What changes in a
/// round (streams that come or go, hosts that report other types) makes the next round. A stream
/// without actors that comes between rounds is given the tables all by itself.
class Rounds {
 public:
  struct Action {
    StreamId stream = 0;
    /// lock, update (with the tables of hosts() as they are when this is taken) or unlock.
    Step order = Step::lock;
    std::uint64_t version = 0;
    /// End the stream with this instead.
    std::optional<Error> end;
  };

  explicit Rounds(RoundRules rules) : rules_(rules) {}

  /// A stream and its first report. Ids grow.
  void add(StreamId id, HostReport host, TimePoint now);
  /// A later message of a stream.
  void report(StreamId id, HostReport host, TimePoint now);
  /// The stream has ended by itself: not after an Action that ended it.
  void remove(StreamId id, TimePoint now);
  /// To be called at deadline().
  void on_time(TimePoint now);
  [[nodiscard]] std::optional<TimePoint> deadline() const;
  /// What is to be done, in order, since the last call. To be taken after each call above.
  std::vector<Action> take_actions();

  /// No stream is left.
  [[nodiscard]] bool empty() const noexcept { return streams_.empty() && waiting_.empty(); }
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }
  [[nodiscard]] Step step() const noexcept { return step_; }
  /// The hosts of actors in the tables, in the order in which their streams came.
  [[nodiscard]] std::vector<const HostReport*> hosts() const;
  /// Streams that take part in rounds, and those of them that host actors.
  [[nodiscard]] std::size_t streams() const noexcept { return streams_.size(); }
  [[nodiscard]] std::size_t actor_streams() const noexcept { return actor_streams_; }

 private:
  struct Stream {
    HostReport host;
    bool answered = true;
    /// Its answers of this round have taken so long, but for the one that is owed since then.
    Duration spent{0};
    TimePoint owes_since;
    /// The version of tables of its own that it has not answered for yet, and how many of its
    /// answers without a version were for them.
    std::optional<std::uint64_t> own_tables;
    int own_answers = 0;
    bool has_tables = false;
  };
  struct Waiting {
    StreamId id;
    HostReport host;
  };

  void admit(StreamId id, HostReport host);
  bool answers_own_tables(Stream& stream, const HostReport& message);
  void take_report(StreamId id, Stream& stream, HostReport host, TimePoint now);
  void take_answer(Stream& stream, TimePoint now);
  void begin_round(TimePoint now);
  void enter(Step step, TimePoint now);
  void advance(TimePoint now);
  void finish(TimePoint now);
  void admit_waiting(TimePoint now);
  void expire(TimePoint now);
  void send_own_tables(StreamId id, Stream& stream);
  void set_host(Stream& stream, HostReport host);
  [[nodiscard]] Duration owed(const Stream& stream, TimePoint now) const;
  void look_ahead();

  RoundRules rules_;
  std::map<StreamId, Stream> streams_;
  std::deque<Waiting> waiting_;
  std::vector<Action> actions_;
  Step step_ = Step::report;
  std::uint64_t version_ = 0;
  std::size_t missing_ = 0;
  std::size_t actor_streams_ = 0;
  /// The tables have changed since the round began.
  bool changed_ = false;
  /// The first moment at which a stream can have used its time up.
  TimePoint deadline_;
  std::optional<TimePoint> coalescing_until_;
};

}  // namespace outrigger::control::placement
