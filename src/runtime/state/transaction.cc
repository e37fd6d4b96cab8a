#include "components/state/query.h"
#include "runtime/state/json_error.h"
#include "runtime/state/service.h"
#include "runtime/state/service_calls.h"

namespace outrigger::runtime::state {
namespace {

/// Turns the steps of one transaction into the store's operations.
class StepReader {
 public:
  StepReader(OpenStore& store, Face face) noexcept
      : store_(store), errors_(store.name(), face), face_(face) {}

  Result<stores::Operation> operator()(Save& step) {
    OUT_CHECK(put_prefix(step.request.key));
    if (!refusal) refusal = std::move(step.refusal);
    return stores::Operation(std::move(step.request));
  }
  Result<stores::Operation> operator()(Remove& step) {
    OUT_CHECK(put_prefix(step.request.key));
    if (!refusal) refusal = std::move(step.refusal);
    return stores::Operation(std::move(step.request));
  }
  Result<stores::Operation> operator()(UnknownOperation& step) {
    // Upstream's gRPC API looks at the key first.
    if (face_ == Face::grpc) {
      OUT_CHECK(put_prefix(step.key));
    }
    return fail(errors_.unknown_operation(step.type));
  }
  Result<stores::Operation> operator()(MalformedOperation& step) {
    return fail(std::move(step.error));
  }

  /// The first option that no store takes.
  std::optional<Error> refusal;

 private:
  Result<> put_prefix(std::string& key) {
    if (!is_legal_key(key)) {
      // Over HTTP upstream has lost the key when it says which field is wrong.
      return fail(errors_.illegal_key(key, face_ == Face::http ? std::string_view() : key));
    }
    key = store_.prefix().apply(key);
    return {};
  }

  OpenStore& store_;
  StoreErrors errors_;
  Face face_;
};

struct Steps {
  std::vector<stores::Operation> operations;
  std::optional<Error> refusal;
};

Result<Steps> read_steps(OpenStore& store, Transaction& request) {
  const StoreErrors errors(store.name(), request.face);
  std::vector<stores::Operation> operations;
  operations.reserve(request.steps.size());
  StepReader reader(store, request.face);
  for (TransactionStep& step : request.steps) {
    OUT_TRY(auto operation, std::visit([&](auto& one) { return reader(one); }, step));
    operations.push_back(std::move(operation));
  }
  const auto max = store.store().transactional()->operations_max();
  if (max && *max > 0 && operations.size() > *max) {
    return fail(errors.too_many_operations(operations.size(), *max));
  }
  for (stores::Operation& operation : operations) {
    auto* save = std::get_if<stores::SetRequest>(&operation);
    if (save == nullptr) continue;
    if (auto done = encrypt_in_place(store, *save); !done) {
      const bool http = request.face == Face::http;
      return fail(
          http ? simple_error(400, "ERR_STATE_SAVE", errors.not_saved(done.error()).message())
               : errors.not_transacted(done.error()));
    }
  }
  return Steps{std::move(operations), std::move(reader.refusal)};
}

}  // namespace

Task<Result<>> Service::transact(Transaction request) {
  OUT_CO_CHECK(check_transactional(request.store, request.face));
  OUT_CO_TRY(const auto store, open_store(request.store, request.face));
  const OpenStore::Use use(*store);
  co_await store->store().transactional()->learn_limit();
  OUT_CO_TRY(auto steps, read_steps(*store, request));
  std::vector<stores::Operation> operations = std::move(steps.operations);
  const bool publishes = outbox_ != nullptr && outbox_->enabled(store->name());
  if (publishes && !steps.refusal) {
    auto published = co_await outbox_->publish_internal(store->name(), std::move(operations),
                                                        std::move(request.trace));
    if (!published) co_return std::unexpected(std::move(published).error());
    operations = *std::move(published);
  }
  stores::TransactionRequest multi;
  multi.operations = std::move(operations);
  multi.metadata = std::move(request.metadata);
  stores::Transactional& transactional = *store->store().transactional();
  const Stopwatch watch;
  const resiliency::Policy policy = policy_of(*store);
  Result<> done;
  if (steps.refusal) {
    done = fail(*std::move(steps.refusal));
  } else if (policy.empty()) {
    done = co_await transactional.multi(std::move(multi));
  } else {
    std::move_only_function<Task<Result<>>()> make = [&] { return transactional.multi(multi); };
    done = co_await resiliency::run_under(&policy, std::move(make));
  }
  watch.record(store->operations().transaction, done.has_value());
  if (!done) co_return fail(StoreErrors(store->name(), request.face).not_transacted(done.error()));
  co_return done;
}

Task<Result<stores::QueryAnswer>> Service::query(Query request) {
  // The same for both faces, as upstream: no application id in the errors.
  OUT_CO_TRY(const auto store, open_store(request.store, Face::grpc));
  const StoreErrors errors(store->name(), Face::grpc);
  stores::Queriable* const queriable = store->store().queriable();
  if (queriable == nullptr) co_return fail(errors.not_queriable());
  if (store->encryption() != nullptr) {
    co_return fail(errors.bad_query("cannot query encrypted store"));
  }
  constexpr std::string_view kUnreadable = "failed to parse JSON query body: ";
  if (const auto wrong = json_syntax_error(request.text, JsonExtent::whole)) {
    co_return fail(errors.bad_query(std::string(kUnreadable) + *wrong));
  }
  auto parsed = stores::parse_query(request.text);
  if (!parsed) {
    co_return fail(errors.bad_query(std::string(kUnreadable) + parsed.error().message()));
  }
  const OpenStore::Use use(*store);
  const Stopwatch watch;
  const resiliency::Policy policy = policy_of(*store);
  Result<stores::QueryAnswer> answer;
  if (policy.empty()) {
    answer = co_await queriable->query(*std::move(parsed), std::move(request.metadata));
  } else {
    std::move_only_function<Task<Result<stores::QueryAnswer>>()> make = [&] {
      return queriable->query(*parsed, request.metadata);
    };
    answer = co_await resiliency::run_under(&policy, std::move(make));
  }
  watch.record(store->operations().query, answer.has_value());
  if (!answer) co_return fail(errors.not_queried(answer.error()));
  if (answer->results.empty()) co_return stores::QueryAnswer();
  for (stores::QueryItem& item : answer->results) item.key = original_key(item.key);
  co_return answer;
}

}  // namespace outrigger::runtime::state
