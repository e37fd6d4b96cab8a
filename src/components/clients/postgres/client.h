#pragma once

#include <memory>
#include <vector>

#include "base/scope.h"
#include "components/clients/postgres/connection.h"

namespace outrigger::components::postgres {

/// Whether a unit may be repeated when it is not known if it was done.
enum class Effect : std::uint8_t { read, write };

/// PostgreSQL for one component on one loop: connections that are made as they are needed, shared
/// by all tasks, and replaced when they break or grow old.
class Client final : Connection::Owner, Loop::TurnEnd {
 public:
  Client(Loop& loop, std::shared_ptr<const Settings> settings);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  /// Runs a unit within the settings' timeout. An error: there is no answer of the server.
  /// Transactions that the server gave up for the sake of others (deadlocks) are repeated, and so
  /// is what cannot have been done; a `read` is repeated after a broken connection, too.
  Task<Result<Reply>> run(Unit unit, Effect effect);
  /// Runs one step; a refusal is an error.
  Task<Result<Rows>> query(Step step, Effect effect);
  /// Whether the server answers.
  Task<Result<>> ping();
  /// A connection that nobody else uses, for what takes long: not counted, and the caller's.
  Task<Result<std::unique_ptr<Connection>>> dedicated();

  /// Closes the connections. No calls may be running.
  Task<void> close();
  [[nodiscard]] const Settings& settings() const noexcept { return *settings_; }

 private:
  Task<Result<Reply>> persist(Unit unit, Effect effect);
  Task<Result<std::shared_ptr<Connection>>> acquire();
  std::shared_ptr<Connection> least_loaded() const noexcept;
  void grow();
  bool take_slot() noexcept;
  Task<void> connect();
  void on_progress() override;
  void on_turn_end() override;
  void sweep();

  std::shared_ptr<const Settings> settings_;
  Loop& loop_;
  Scope scope_;
  std::vector<std::shared_ptr<Connection>> connections_;
  Signal changed_;
  bool connecting_ = false;
  bool closed_ = false;
  std::uint64_t attempts_ = 0;  // Ended ones.
  int failures_ = 0;            // In a row.
  std::optional<Error> failure_;
  Timer age_timer_;
};

}  // namespace outrigger::components::postgres
