#pragma once

#include <optional>
#include <string>
#include <vector>

#include "components/state/store.h"
#include "runtime/state/errors.h"

namespace outrigger::runtime::state {

/// The writes of one request on their way into the store: what was written stays written, what
/// failed may be tried again, and a mismatched ETag is final.
template <class Request>
class WriteBatch {
 public:
  /// `repeatable`: whether attempt() may be called more than once.
  WriteBatch(components::state::Store& store, std::vector<Request> requests,
             std::vector<Error> refusals, bool repeatable);

  /// Writes what is still to be written. The error is that of writes which another attempt may
  /// mend.
  Task<Result<>> attempt();
  /// What became of the request: nullopt if all was written. `ended` is the last attempt's result,
  /// or that of whoever made the attempts.
  [[nodiscard]] std::optional<Error> outcome(Result<> ended, Face face) const;

 private:
  Task<Result<>> write_one();
  Task<Result<>> write_many();
  Result<> keep_failures(std::vector<components::state::BulkFailure> failures);
  std::vector<Request> take_pending();

  components::state::Store& store_;
  std::vector<Request> pending_;
  std::vector<Error> final_;
  std::vector<Error> passing_;
  std::string last_message_;
  bool single_;
  bool repeatable_;
};

}  // namespace outrigger::runtime::state
