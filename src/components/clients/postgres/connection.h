#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/sync.h"
#include "components/clients/postgres/options.h"
#include "components/clients/postgres/statement.h"

struct pg_conn;

namespace outrigger::components::postgres {

class Connection;

/// A unit's wait for its reply. Lives in the frame of who waits. Destroyed before the reply has
/// come, it asks the server to give the unit up.
class Call {
 public:
  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();
  /// Result<Reply>: what the server says, or why it says nothing (Code::unavailable).
  [[nodiscard]] auto wait() noexcept { return done_.wait(); }
  /// The unit was sent but no reply came: it may or may not have been done.
  [[nodiscard]] bool lost() const noexcept { return lost_; }

 private:
  friend class Connection;
  Connection* owner_ = nullptr;
  std::uint64_t number_ = 0;
  bool lost_ = false;
  Completion<Reply> done_;
};

/// Closes a connection of libpq.
struct Finish {
  void operator()(pg_conn* connection) const noexcept;
};

/// One connection to a PostgreSQL server on one loop, in pipeline mode: units of any number of
/// tasks go out at once, each a transaction of its own, and are answered in that order. So a unit
/// must not wait for another one.
class Connection final : FdWatch::Handler, Loop::TurnEnd {
 public:
  /// Hears of what its pool must know. Called at any time; must not destroy the connection.
  class Owner {
   public:
    virtual void on_progress() = 0;

   protected:
    ~Owner() = default;
  };

  /// Connects and signs in; Code::unavailable says what the server or the network said. Tries the
  /// hosts in turn, each with the connect timeout.
  static Task<Result<std::unique_ptr<Connection>>> dial(std::shared_ptr<const Settings> settings);
  Connection(std::unique_ptr<pg_conn, Finish> handle, std::shared_ptr<const Settings> settings);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Begins to work. `owner` must outlive the connection; nullptr: nobody cares.
  Result<> start(Owner* owner);
  /// Sends the unit. Not on a broken connection: then the call fails at once and is not lost().
  void submit(Call& call, const Unit& unit);

  /// Not broken.
  [[nodiscard]] bool alive() const noexcept { return !error_; }
  /// Not to be given more work: too old, too large, or its prepared statements are out of date.
  [[nodiscard]] bool retired() const noexcept { return retired_; }
  void retire() noexcept { retired_ = true; }
  /// Units without a reply.
  [[nodiscard]] std::size_t outstanding() const noexcept { return entries_.size(); }
  /// When it last became idle, and when it was made.
  [[nodiscard]] TimePoint idle_since() const noexcept { return idle_since_; }
  [[nodiscard]] TimePoint made_at() const noexcept { return made_at_; }
  /// Breaks it: outstanding calls fail with `error`.
  void close(Error error);

 private:
  friend class Call;
  /// What ends with a Sync: a unit, or the preparation of a statement for units behind it.
  struct Entry {
    Call* call = nullptr;  // nullptr: nobody waits any more.
    std::string prepares;  // The name; empty for a unit.
    Reply reply;
    [[nodiscard]] bool abandoned() const noexcept { return call == nullptr && prepares.empty(); }
  };

  void on_ready(bool readable, bool writable) override;
  void on_turn_end() override;
  void gather();
  bool prepare(const Unit& unit);
  bool send(const Unit& unit);
  bool send_step(const Step& step);
  bool end_entry(Entry entry);
  void flush();
  bool receive();
  bool take_result(pg_result* result);
  void finish_entry();
  void fail_broken(std::string_view doing);
  void withdraw(Call& call) noexcept;
  void check_head();
  void watch_head();
  void cancel_head();

  std::unique_ptr<pg_conn, Finish> handle_;
  std::shared_ptr<const Settings> settings_;
  Owner* owner_ = nullptr;
  FdWatch watch_;
  int sent_this_turn_ = 0;  // Units.
  std::deque<Entry> entries_;
  std::uint64_t first_number_ = 0;  // Of entries_.front().
  std::unordered_set<std::string> prepared_;
  std::optional<Error> error_;
  bool retired_ = false;
  TimePoint made_at_;
  TimePoint idle_since_;
  std::optional<std::uint64_t> watched_;    // The number of the entry the timer runs for.
  std::optional<std::uint64_t> cancelled_;  // Of the entry that a cancel was last sent for.
  Timer head_timer_;
};

}  // namespace outrigger::components::postgres
