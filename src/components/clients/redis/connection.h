#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/sync.h"
#include "components/clients/redis/reply_parser.h"
#include "net/transport.h"

namespace outrigger::components::redis {

class Connection;

/// A command's wait for its reply. Lives in the frame of who waits; may be destroyed before the
/// reply comes, which is then dropped.
class Call {
 public:
  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call();
  /// Result<Reply>: the reply (which may be an error reply), or why there is none.
  [[nodiscard]] auto wait() noexcept { return done_.wait(); }
  /// The command was given to the connection but no reply came: it may or may not have been done.
  [[nodiscard]] bool lost() const noexcept { return lost_; }

 private:
  friend class Connection;
  Connection* owner_ = nullptr;
  std::uint64_t number_ = 0;
  bool lost_ = false;
  Completion<Reply> done_;
};

/// One connection to a Redis server on one loop. Commands of any number of tasks go out in the
/// order they are given, those of one turn in one write, and their replies come back in that order.
/// A reply that takes too long breaks the connection, for those behind it would be late too.
class Connection final : net::Transport::Events, Loop::TurnEnd {
 public:
  /// More commands than this without a reply are refused (Code::resource_exhausted).
  static constexpr std::size_t kOutstandingMax = 100'000;

  struct Limits {
    Duration answer{0};      ///< For a reply; 0: no limit.
    Duration idle_check{0};  ///< After so long without a command a PING is sent; 0: never.
  };
  using OnPush = std::move_only_function<void(Reply push)>;

  Connection(std::unique_ptr<net::Transport> transport, Limits limits);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// Sends an encoded command. On a broken connection the call fails at once, and is not lost().
  void submit(Call& call, std::string_view command);
  /// The same for a command whose reply nobody needs.
  void submit(std::string_view command);
  /// Who gets what comes unasked: messages of channels that were subscribed to.
  void on_push(OnPush handler) { on_push_ = std::move(handler); }
  /// From here on all that comes is messages of subscriptions and their confirmations, which RESP2
  /// does not tell from replies; commands submitted from here on have no reply.
  void expect_messages() noexcept { messages_ = true; }

  [[nodiscard]] bool alive() const noexcept { return !error_; }
  /// Waits until the connection is broken.
  Task<Result<>> wait_broken();
  [[nodiscard]] const net::Peer& peer() const noexcept { return transport_->peer(); }
  /// Breaks it: outstanding calls fail with `error`.
  void close(Error error);

 private:
  friend class Call;
  struct Entry {
    Call* call = nullptr;  // nullptr: nobody waits any more.
    TimePoint since;
  };

  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_error(const Error& error) override { close(error); }
  void on_drained() override {}
  void on_turn_end() override;
  void deliver(Reply reply);
  void check_time();
  void check_idle();
  void withdraw(Call& call) noexcept;

  std::unique_ptr<net::Transport> transport_;
  Limits limits_;
  ReplyParser parser_;
  std::string out_;  // Commands of this turn.
  std::deque<Entry> entries_;
  std::uint64_t first_number_ = 0;  // Of entries_.front().
  bool messages_ = false;
  bool used_ = false;  // Since the last look at idleness.
  OnPush on_push_;
  std::optional<Error> error_;
  Signal broken_;
  Timer answer_timer_;
  Timer idle_timer_;
};

}  // namespace outrigger::components::redis
