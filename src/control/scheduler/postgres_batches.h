#pragma once

#include <deque>
#include <memory>
#include <string>

#include "base/scope.h"
#include "components/clients/postgres/client.h"

namespace outrigger::control::scheduler {

/// Writes that are done many with one transaction, so that one flush of the server's disk serves
/// all that came while the one before was under way. A write that is refused is refused alone. On
/// one loop.
class PostgresBatches {
 public:
  struct Limits {
    /// That wait; more are refused. A second's work.
    std::size_t queued_max = 20'000;
    /// Writes that a server which hangs has kept waiting for longer are not begun: their callers
    /// have given up.
    Duration queued_for = std::chrono::seconds(10);
  };
  /// The client must outlive this.
  explicit PostgresBatches(components::postgres::Client& client) : client_(client) {}
  PostgresBatches(components::postgres::Client& client, Limits limits)
      : client_(client), limits_(limits) {}

  /// Begins to write.
  void start();
  /// Runs the step; errors are those of Client::query(), Code::resource_exhausted if too many wait,
  /// and Code::deadline_exceeded for one that has waited too long. `row` names what it writes:
  /// batches that write the same rows do it in one order, so that none waits for another in a
  /// circle.
  Task<Result<components::postgres::Rows>> write(std::string row, components::postgres::Step step);
  /// What has not been done fails with Code::unavailable.
  Task<void> close();

 private:
  struct Pending {
    std::string row;
    components::postgres::Step step;
    TimePoint since;
    std::uint64_t number = 0;  ///< In the order in which they came.
    Completion<components::postgres::Rows> done;
  };
  using Batch = std::vector<std::shared_ptr<Pending>>;
  Task<void> serve();
  void drop_late();
  Task<void> write_all(Batch batch);
  Task<void> write_one(std::shared_ptr<Pending> one);

  components::postgres::Client& client_;
  const Limits limits_;
  std::deque<std::shared_ptr<Pending>> queue_;
  std::uint64_t last_ = 0;
  Signal came_;
  bool closed_ = false;
  Scope scope_;
};

}  // namespace outrigger::control::scheduler
