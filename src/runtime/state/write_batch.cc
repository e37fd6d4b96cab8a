#include "runtime/state/write_batch.h"

namespace outrigger::runtime::state {
namespace {

namespace stores = components::state;

Task<Result<>> call_one(stores::Store& store, stores::SetRequest request) {
  return store.set(std::move(request));
}
Task<Result<>> call_one(stores::Store& store, stores::DeleteRequest request) {
  return store.remove(std::move(request));
}
Task<Result<std::vector<stores::BulkFailure>>> call_many(stores::Store& store,
                                                         std::vector<stores::SetRequest> requests) {
  return store.bulk_set(std::move(requests), {});
}
Task<Result<std::vector<stores::BulkFailure>>> call_many(
    stores::Store& store, std::vector<stores::DeleteRequest> requests) {
  return store.bulk_remove(std::move(requests), {});
}

// Upstream joins the texts of all failures; that many, then only what is new, and how many more.
constexpr std::size_t kToldMax = 8;

std::string join_messages(const std::vector<Error>& errors) {
  std::vector<std::string> told;
  const bool all = errors.size() <= kToldMax;
  for (const Error& error : errors) {
    std::string text(text_of(error));
    if (all || std::ranges::find(told, text) == told.end()) told.push_back(std::move(text));
    if (told.size() == kToldMax) break;
  }
  std::string joined;
  for (const std::string& text : told) {
    if (!joined.empty()) joined += '\n';
    joined += text;
  }
  if (errors.size() > told.size()) {
    joined += "\n(" + std::to_string(errors.size()) + " items failed in all)";
  }
  return joined;
}

/// Several failures as the one error that upstream makes of them.
Error join_errors(std::vector<Error> errors, Face face) {
  const auto etag = std::ranges::find_if(errors, &stores::is_etag_error);
  const auto rich = std::ranges::find_if(errors, &is_rich);
  std::string joined = join_messages(errors);
  if (std::ranges::all_of(errors, &stores::is_etag_error)) {
    const bool invalid = std::ranges::any_of(errors, &stores::is_etag_invalid);
    return invalid ? stores::etag_invalid(joined) : stores::etag_mismatch(joined);
  }
  if (face == Face::grpc && rich != errors.end()) return std::move(*rich);
  if (face == Face::http && etag != errors.end()) return std::move(*etag);
  if (rich != errors.end()) return std::move(*rich);
  if (etag == errors.end()) return Error(Code::internal, std::move(joined));
  return Error(etag->code(), etag->tag(), std::move(joined));
}

}  // namespace

template <class Request>
WriteBatch<Request>::WriteBatch(stores::Store& store, std::vector<Request> requests,
                                std::vector<Error> refusals, bool repeatable)
    : store_(store),
      pending_(std::move(requests)),
      final_(std::move(refusals)),
      single_(pending_.size() + final_.size() == 1),
      repeatable_(repeatable) {}

template <class Request>
std::vector<Request> WriteBatch<Request>::take_pending() {
  if (repeatable_) return pending_;
  return std::exchange(pending_, {});
}

template <class Request>
Task<Result<>> WriteBatch<Request>::attempt() {
  passing_.clear();
  last_message_.clear();
  if (pending_.empty() && !final_.empty()) co_return Result<>();
  Result<> done;
  if (pending_.size() == 1) {
    done = co_await write_one();
  } else {
    done = co_await write_many();
  }
  if (!done) last_message_ = done.error().message();
  co_return done;
}

template <class Request>
Task<Result<>> WriteBatch<Request>::write_one() {
  std::vector<Request> requests = take_pending();
  auto done = co_await call_one(store_, std::move(requests.front()));
  if (done) {
    pending_.clear();
    co_return done;
  }
  if (stores::is_etag_error(done.error())) {
    final_.push_back(std::move(done).error());
    pending_.clear();
    co_return Result<>();
  }
  passing_.push_back(done.error());
  co_return done;
}

template <class Request>
Task<Result<>> WriteBatch<Request>::write_many() {
  auto failures = co_await call_many(store_, take_pending());
  if (!failures) {
    passing_.push_back(failures.error());
    co_return std::unexpected(std::move(failures).error());
  }
  co_return keep_failures(*std::move(failures));
}

template <class Request>
Result<> WriteBatch<Request>::keep_failures(std::vector<stores::BulkFailure> failures) {
  std::vector<Request> still;
  // Failures mostly come in the order of their requests: the search goes on where it ended.
  auto from = pending_.begin();
  for (stores::BulkFailure& failure : failures) {
    if (stores::is_etag_error(failure.error)) {
      final_.push_back(std::move(failure.error));
      continue;
    }
    auto found = std::ranges::find(from, pending_.end(), failure.key, &Request::key);
    if (found == pending_.end()) {
      found = std::ranges::find(pending_.begin(), from, failure.key, &Request::key);
    }
    if (found != pending_.end()) {
      still.push_back(std::move(*found));
      from = std::next(found);
    }
    passing_.push_back(std::move(failure.error));
  }
  pending_ = std::move(still);
  if (passing_.empty()) return {};
  return fail(Code::internal, join_messages(passing_));
}

template <class Request>
std::optional<Error> WriteBatch<Request>::outcome(Result<> ended, Face face) const {
  std::vector<Error> errors = final_;
  if (!ended && ended.error().message() == last_message_) {
    errors.insert(errors.end(), passing_.begin(), passing_.end());
  } else if (!ended) {
    errors.push_back(std::move(ended).error());
  }
  if (errors.empty()) return std::nullopt;
  if (single_ || (errors.size() == 1 && !stores::is_etag_error(errors.front()))) {
    return std::move(errors.front());
  }
  return join_errors(std::move(errors), face);
}

template class WriteBatch<stores::SetRequest>;
template class WriteBatch<stores::DeleteRequest>;

}  // namespace outrigger::runtime::state
