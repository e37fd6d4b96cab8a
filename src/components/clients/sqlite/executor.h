#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/scope.h"
#include "components/clients/sqlite/database.h"

namespace outrigger::components::sqlite {

namespace detail {

/// One piece of work on its way from a loop to a thread of the executor and back.
class Job {
 public:
  Job(Loop& home, TimePoint deadline) : home(home), deadline(deadline) {}
  virtual ~Job() = default;
  /// Does the work and keeps its result. May be called again: the last result counts.
  virtual void run(Database& database) = 0;
  [[nodiscard]] virtual bool failed() const = 0;
  virtual void fail_with(Error error) = 0;
  /// Gives the result to the waiting task, on the home loop.
  virtual void deliver() = 0;

  Loop& home;
  const TimePoint deadline;
};

}  // namespace detail

/// The threads that work on one database, for all loops: one that writes and, if readers need not
/// wait for it (WAL), two that read. Work given in from many loops is done in batches: all writes
/// that wait are put in one transaction, each under a savepoint of its own, and are answered once
/// it is committed, so that an answered write is as durable as SQLite's settings make it while one
/// flush to disk serves many. A write that fails is undone alone and spoils no other.
///
/// Writes that need not be flushed (Client::write_unflushed()) are committed without waiting for
/// the disk, unless their batch has others; with a journal other than WAL they are as all others.
///
/// Thread-safe. Used by way of a Client. The destructor finishes what is queued.
class Executor {
 public:
  /// Prepares a database that was just opened: creates tables and so on. Runs on the writer's
  /// connection, outside any transaction.
  using Setup = std::move_only_function<Result<>(Database&)>;
  explicit Executor(OpenPlan plan, Setup setup);
  ~Executor();

  /// Runs `work` as a write every `interval` from when the database is open; again at once, after
  /// other writes that wait, as long as it answers true. Failures are handed to `failed`. Before
  /// the first open only.
  void every(Duration interval, std::move_only_function<Result<bool>(Database&)> work,
             std::move_only_function<void(const Error&)> failed);

 private:
  friend class Client;
  enum class Kind : std::uint8_t { open, write, write_unflushed, read };
  /// False if the executor is ending. What is queued is limited by its clients.
  bool submit(Kind kind, std::shared_ptr<detail::Job> job);
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One loop's way to an Executor. Must be closed before it is destroyed if any call was cancelled.
class Client {
 public:
  template <class T>
  using Work = std::move_only_function<Result<T>(Database&)>;

  /// `timeout`: how long a call may wait and run. Of one client's calls some thousands are queued;
  /// more than that wait until there is room.
  Client(std::shared_ptr<Executor> executor, Duration timeout);

  /// Opens the database unless another client did so already; after an error, tries again.
  Task<Result<>> open();
  /// Runs `work` on the writing thread inside a transaction; it is committed when this returns a
  /// value. The work may be run twice (after another one of its batch broke the transaction), so
  /// it must not use up what it captured. It must not begin or end transactions.
  template <class T>
  Task<Result<T>> write(Work<T> work) {
    auto result = co_await call<T>(Executor::Kind::write, std::move(work));
    co_return result;
  }
  /// The same for what may be forgotten if the machine fails: done when every process sees it.
  template <class T>
  Task<Result<T>> write_unflushed(Work<T> work) {
    auto result = co_await call<T>(Executor::Kind::write_unflushed, std::move(work));
    co_return result;
  }
  /// Runs `work` on a thread that reads, inside a transaction. It sees every write that has been
  /// answered. A statement of it that runs past the timeout is stopped.
  template <class T>
  Task<Result<T>> read(Work<T> work) {
    auto result = co_await call<T>(Executor::Kind::read, std::move(work));
    co_return result;
  }
  /// Returns when no answer is under way any more.
  Task<void> close();

 private:
  /// Several batches, so that the next one is there when one is done.
  static constexpr std::size_t kQueuedMax = 2048;
  /// What a job on its way needs of the client, which may be gone before it.
  struct State {
    /// A newcomer must not overtake those who wait.
    [[nodiscard]] bool full() const noexcept {
      return pending >= kQueuedMax || changed.has_waiters();
    }
    std::size_t pending = 0;
    Signal changed;
    Signal done;
  };
  static Task<void> wait_for_answers(std::shared_ptr<State> state);
  static Task<Result<>> room(std::shared_ptr<State> state);
  static Task<Result<>> wait_for_room(std::shared_ptr<State> state, Duration timeout);
  template <class T>
  class TypedJob;
  template <class T>
  Task<Result<T>> call(Executor::Kind kind, Work<T> work) {
    const TimePoint deadline = std::chrono::steady_clock::now() + timeout_;
    if (state_->full()) {
      OUT_CO_CHECK(co_await wait_for_room(state_, timeout_));
    }
    auto job = std::make_shared<TypedJob<T>>(state_, deadline, std::move(work));
    const bool accepted = executor_->submit(kind, job);
    if (!accepted) co_return fail(Code::unavailable, "the database is being closed");
    ++state_->pending;
    auto result = co_await job->completion.wait();
    co_return result;
  }

  std::shared_ptr<Executor> executor_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  Duration timeout_;
};

template <class T>
class Client::TypedJob final : public detail::Job {
 public:
  TypedJob(std::shared_ptr<State> state, TimePoint deadline, Work<T> work)
      : Job(Loop::current(), deadline), state_(std::move(state)), work_(std::move(work)) {}

  void run(Database& database) override { result_.emplace(work_(database)); }
  [[nodiscard]] bool failed() const override { return !result_ || !*result_; }
  void fail_with(Error error) override { result_.emplace(std::unexpected(std::move(error))); }
  void deliver() override {
    --state_->pending;
    state_->changed.notify_one();
    state_->done.notify_all();
    completion.set(std::move(*result_));
  }

  Completion<T> completion;

 private:
  std::shared_ptr<State> state_;
  Work<T> work_;
  std::optional<Result<T>> result_;
};

}  // namespace outrigger::components::sqlite
