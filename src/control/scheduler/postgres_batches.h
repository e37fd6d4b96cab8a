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
  /// The client must outlive this.
  explicit PostgresBatches(components::postgres::Client& client) : client_(client) {}

  /// Begins to write.
  void start();
  /// Runs the step; errors are those of Client::query(). `row` names what it writes: transactions
  /// that write the same rows do it in one order, so that none waits for another in a circle.
  Task<Result<components::postgres::Rows>> write(std::string row, components::postgres::Step step);
  /// What has not been done fails with Code::unavailable.
  Task<void> close();

 private:
  struct Pending {
    std::string row;
    components::postgres::Step step;
    Completion<components::postgres::Rows> done;
  };
  using Batch = std::vector<std::shared_ptr<Pending>>;
  Task<void> serve();
  Task<void> write_all(Batch batch);
  Task<void> write_one(std::shared_ptr<Pending> one);

  components::postgres::Client& client_;
  std::deque<std::shared_ptr<Pending>> queue_;
  Signal came_;
  bool closed_ = false;
  Scope scope_;
};

}  // namespace outrigger::control::scheduler
