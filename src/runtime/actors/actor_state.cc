#include "runtime/actors/actor_state.h"

#include "runtime/actors/errors.h"

namespace outrigger::runtime::actors {
namespace {

namespace stores = components::state;

constexpr std::string_view kPartitionKey = "partitionKey";

std::unexpected<Error> plain(std::string message) {
  return fail(Code::unknown, std::move(message));
}

/// What a store said, as text inside another error.
Error of_store(const Error& error) { return {Code::unknown, error.message()}; }

Task<Result<bool>> ask(Life* life, ActorRef actor) { co_return life->is_active(actor); }

}  // namespace

Result<std::shared_ptr<state::OpenStore>> ActorState::open_store() const {
  auto store = store_ ? stores_.find(*store_) : nullptr;
  if (!store) return fail(no_state_store());
  if (!store->store().traits().etag || store->store().transactional() == nullptr) {
    return plain(
        "actors: state store does not exist or incorrectly configured. Have you set the property "
        "'{\"name\": \"actorStateStore\", \"value\": \"true\"}' in your state store component "
        "file?");
  }
  return store;
}

Task<Result<std::optional<stores::Item>>> ActorState::get(ActorRef actor, std::string key) {
  auto claim = co_await where_.claim_type(actor.type);
  if (!claim) co_return fail(state_get_failed(claim.error()));
  auto store = open_store();
  if (!store) {
    if (!store.error().tag().empty()) co_return std::unexpected(std::move(store).error());
    co_return fail(state_get_failed(store.error()));
  }
  const state::OpenStore::Use use(**store);
  stores::GetRequest request;
  const std::string partition = settings_.app_id + "||" + actor.key();
  request.metadata.insert_or_assign(std::string(kPartitionKey), partition);
  request.key = partition + "||" + key;
  const resiliency::Policy policy = policy_of(**store);
  std::move_only_function<Task<Result<std::optional<stores::Item>>>()> ask = [&store, &request] {
    return (*store)->store().get(request);
  };
  auto item = co_await resiliency::run_under(&policy, std::move(ask)).under(claim->cancellation());
  if (!item) co_return fail(state_get_failed(of_store(item.error())));
  co_return item;
}

resiliency::Policy ActorState::policy_of(const state::OpenStore& store) const {
  return resiliency::component_policy(settings_.policies, store.name(),
                                      resiliency::ComponentKind::state,
                                      resiliency::Direction::outbound);
}

Task<Result<bool>> ActorState::is_active(ActorRef actor) {
  const Router::Home& home = router_.home_of(actor);
  std::move_only_function<Task<Result<bool>>()> question = [life = home.life, &actor] {
    return ask(life, actor);
  };
  auto active = co_await call_on<bool>(*home.loop, std::move(question));
  co_return active;
}

Task<Result<>> ActorState::transact(ActorRef actor, std::vector<StateOperation> operations) {
  auto claim = co_await where_.claim_type(actor.type);
  if (!claim) co_return fail(state_save_failed(claim.error()));
  auto active = co_await is_active(actor).under(claim->cancellation());
  if (!active) co_return fail(state_save_failed(active.error()));
  if (!*active) co_return fail(instance_missing());
  auto request = transaction_of(actor, std::move(operations));
  if (!request) co_return fail(state_save_failed(request.error()));
  auto store = open_store();
  if (!store) {
    if (!store.error().tag().empty()) co_return std::unexpected(std::move(store).error());
    co_return fail(state_save_failed(store.error()));
  }
  auto saved = co_await apply(*std::move(store), *std::move(request)).under(claim->cancellation());
  if (!saved) co_return fail(state_save_failed(saved.error()));
  co_return Result<>();
}

Task<Result<>> ActorState::apply(std::shared_ptr<state::OpenStore> store,
                                 stores::TransactionRequest request) {
  const state::OpenStore::Use use(*store);
  stores::Transactional& transactional = *store->store().transactional();
  co_await transactional.learn_limit();
  const auto limit = transactional.operations_max();
  if (limit && request.operations.size() > *limit) {
    co_return plain("the transaction contains more operations than supported by the state store");
  }
  const resiliency::Policy policy = policy_of(*store);
  std::move_only_function<Task<Result<>>()> multi = [&transactional, &request] {
    return transactional.multi(request);
  };
  auto done = co_await resiliency::run_under(&policy, std::move(multi));
  if (!done) co_return fail(of_store(done.error()));
  co_return Result<>();
}

Result<stores::TransactionRequest> ActorState::transaction_of(
    const ActorRef& actor, std::vector<StateOperation> operations) const {
  const std::string partition = settings_.app_id + "||" + actor.key();
  stores::TransactionRequest request;
  request.metadata.insert_or_assign(std::string(kPartitionKey), partition);
  for (StateOperation& each : operations) {
    if (!each.has_request) return plain("request data is empty");
    if (each.operation.empty()) return plain("operation is empty");
    const bool upsert = each.operation == "upsert";
    if (!upsert && each.operation != "delete") {
      return plain("operation type " + each.operation + " not supported");
    }
    if (each.key.empty()) return plain("missing key");
    const std::string key = partition + "||" + each.key;
    if (!upsert) {
      stores::DeleteRequest remove;
      remove.key = key;
      remove.etag = std::move(each.etag);
      remove.metadata = request.metadata;
      request.operations.emplace_back(std::move(remove));
      continue;
    }
    stores::SetRequest set;
    set.key = key;
    set.value = std::move(each.value);
    set.kind = each.kind;
    set.etag = std::move(each.etag);
    set.metadata = std::move(each.metadata);
    set.metadata.insert_or_assign(std::string(kPartitionKey), partition);
    if (!settings_.ttl && set.metadata.contains(std::string(stores::kTtlInSeconds))) {
      return plain("ttlInSeconds is not supported without the \"ActorStateTTL\" feature enabled");
    }
    request.operations.emplace_back(std::move(set));
  }
  return request;
}

}  // namespace outrigger::runtime::actors
