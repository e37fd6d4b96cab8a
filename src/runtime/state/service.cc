#include "runtime/state/service.h"

#include "base/json.h"
#include "runtime/state/service_calls.h"
#include "runtime/state/write_batch.h"

namespace outrigger::runtime::state {
namespace {

/// What is encrypted of a value: as upstream, the text of a JSON string without its quotes.
Result<std::string> encrypted(const Encryption& encryption, const stores::SetRequest& request) {
  if (request.kind == stores::ValueKind::json) {
    if (auto text = json::string_value(request.value)) return encryption.encrypt(*text);
  }
  return encryption.encrypt(request.value);
}

}  // namespace

Result<> encrypt_in_place(const OpenStore& store, stores::SetRequest& request) {
  if (store.encryption() == nullptr) return {};
  OUT_TRY(request.value, encrypted(*store.encryption(), request));
  request.kind = stores::ValueKind::bytes;
  return {};
}

Service::Service(Settings settings) : settings_(std::move(settings)) {}
Service::~Service() = default;

std::shared_ptr<OpenStore> Service::add(std::shared_ptr<OpenStore> store) {
  if (outbox_ != nullptr) outbox_->store_opened(store->name(), store->properties());
  return std::exchange(stores_[store->name()], store);
}

std::shared_ptr<OpenStore> Service::take_out(std::string_view name) {
  const auto found = stores_.find(name);
  if (found == stores_.end()) return nullptr;
  auto store = std::move(found->second);
  stores_.erase(found);
  if (outbox_ != nullptr) outbox_->store_closing(store->name());
  return store;
}

std::shared_ptr<OpenStore> Service::find(std::string_view name) const {
  const auto found = stores_.find(name);
  return found == stores_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<OpenStore>> Service::open_store(std::string_view name, Face face,
                                                       bool tell_app_id) const {
  if (auto store = find(name)) return store;
  const StoreErrors errors(name, face);
  const std::string_view app_id = tell_app_id ? std::string_view(settings_.app_id) : "";
  return fail(stores_.empty() ? errors.not_configured(app_id) : errors.not_found(app_id));
}

Result<> Service::check(std::string_view store, Face face) const {
  OUT_CHECK(open_store(store, face));
  return {};
}

Result<> Service::check_transactional(std::string_view store, Face face) const {
  OUT_TRY(const auto found, open_store(store, face));
  if (found->store().transactional() == nullptr) {
    return fail(StoreErrors(store, face).no_transactions());
  }
  return {};
}

namespace {

std::unexpected<Error> gone(const std::string& name) {
  return fail(Code::not_found, "state store " + name + " is not found");
}

}  // namespace

Task<Result<bool>> Service::contains(std::string store_name, std::string stored_key) {
  const auto store = find(store_name);
  if (!store) co_return gone(store_name);
  stores::GetRequest request;
  request.key = std::move(stored_key);
  const OpenStore::Use use(*store);
  const auto item = co_await store->store().get(std::move(request));
  if (!item) co_return fail(item.error());
  co_return item->has_value();
}

Task<Result<>> Service::erase(std::string store_name, std::string stored_key) {
  const auto store = find(store_name);
  if (!store) co_return gone(store_name);
  stores::DeleteRequest request;
  request.key = std::move(stored_key);
  const OpenStore::Use use(*store);
  auto done = co_await store->store().remove(std::move(request));
  co_return done;
}

Task<Result<std::optional<Item>>> Service::get(Get request) {
  OUT_CO_TRY(const auto store, open_store(request.store, request.face));
  const StoreErrors errors(store->name(), request.face);
  const std::string key = std::move(request.request.key);
  if (!is_legal_key(key)) co_return fail(errors.illegal_key(key));
  request.request.key = store->prefix().apply(key);
  const OpenStore::Use use(*store);
  const Stopwatch watch;
  const resiliency::Policy policy = policy_of(*store);
  Result<std::optional<Item>> item;
  if (policy.empty()) {
    item = co_await store->store().get(std::move(request.request));
  } else {
    std::move_only_function<Task<Result<std::optional<Item>>>()> make = [&] {
      return store->store().get(request.request);
    };
    item = co_await resiliency::run_under(&policy, std::move(make));
  }
  watch.record(store->operations().get, item.has_value());
  if (!item) co_return fail(errors.not_gotten(key, item.error()));
  if (*item && store->encryption() != nullptr) {
    auto value = store->encryption()->decrypt((*item)->value, store->name());
    if (!value) co_return fail(errors.not_gotten(key, value.error()));
    (*item)->value = *std::move(value);
  }
  co_return item;
}

namespace {

/// A value that cannot be decrypted is an error of its key alone.
void finish(stores::BulkItem& answer, const OpenStore& store) {
  answer.key = original_key(answer.key);
  if (!answer.item || !*answer.item || store.encryption() == nullptr) return;
  auto value = store.encryption()->decrypt((*answer.item)->value, store.name());
  if (value) {
    (*answer.item)->value = *std::move(value);
  } else {
    answer.item = std::unexpected(std::move(value).error());
  }
}

}  // namespace

Task<Result<std::vector<stores::BulkItem>>> Service::bulk_get(BulkGet request) {
  OUT_CO_TRY(const auto store, open_store(request.store, request.face));
  if (request.keys.empty()) co_return std::vector<stores::BulkItem>();
  const StoreErrors errors(store->name(), request.face);
  std::vector<stores::GetRequest> gets;
  gets.reserve(request.keys.size());
  for (const std::string& key : request.keys) {
    if (!is_legal_key(key)) co_return fail(errors.illegal_key(key));
    stores::GetRequest one;
    one.key = store->prefix().apply(key);
    one.metadata = request.metadata;
    gets.push_back(std::move(one));
  }
  stores::BulkOptions options;
  options.parallelism = static_cast<std::size_t>(std::max<std::int64_t>(request.parallelism, 0));
  const OpenStore::Use use(*store);
  const Stopwatch watch;
  const resiliency::Policy policy = policy_of(*store);
  Result<std::vector<stores::BulkItem>> answers;
  if (policy.empty()) {
    answers = co_await store->store().bulk_get(std::move(gets), options);
  } else {
    std::move_only_function<Task<Result<std::vector<stores::BulkItem>>>()> make = [&] {
      return store->store().bulk_get(gets, options);
    };
    answers = co_await resiliency::run_under(&policy, std::move(make));
  }
  watch.record(store->operations().bulk_get, answers.has_value());
  if (!answers) co_return fail(errors.not_gotten_in_bulk(answers.error()));
  for (stores::BulkItem& answer : *answers) finish(answer, *store);
  co_return answers;
}

template <class Request>
Task<std::optional<Error>> Service::write(std::shared_ptr<OpenStore> store,
                                          std::vector<Write<Request>> writes, Operation operation,
                                          Face face) {
  std::vector<Request> requests;
  requests.reserve(writes.size());
  std::vector<Error> refusals;
  for (Write<Request>& one : writes) {
    if (one.refusal) {
      refusals.push_back(*std::move(one.refusal));
    } else {
      requests.push_back(std::move(one.request));
    }
  }
  const resiliency::Policy policy = policy_of(*store);
  const OpenStore::Use use(*store);
  const Stopwatch watch;
  WriteBatch<Request> batch(store->store(), std::move(requests), std::move(refusals),
                            !policy.empty());
  std::move_only_function<Task<Result<>>()> attempt = [&batch] { return batch.attempt(); };
  Result<> ended = co_await resiliency::run_under(&policy, std::move(attempt));
  auto failed = batch.outcome(std::move(ended), face);
  watch.record(store->operations().*operation, !failed);
  co_return failed;
}

Task<Result<>> Service::save(std::string store_name, std::vector<Save> writes, Face face) {
  OUT_CO_TRY(const auto store, open_store(store_name, face));
  if (writes.empty()) co_return Result<>();
  const StoreErrors errors(store->name(), face);
  for (Save& one : writes) {
    std::string& key = one.request.key;
    if (key.empty()) co_return fail(errors.empty_key());
    if (!is_legal_key(key)) co_return fail(errors.illegal_key(key));
    key = store->prefix().apply(key);
    if (auto done = encrypt_in_place(*store, one.request); !done) {
      co_return fail(errors.not_saved(done.error()));
    }
  }
  auto failed = co_await write<stores::SetRequest>(store, std::move(writes),
                                                   &OpenStore::Operations::set, face);
  if (failed) co_return fail(errors.not_saved(*failed));
  co_return Result<>();
}

Task<Result<>> Service::remove(std::string store_name, Remove one, Face face) {
  OUT_CO_TRY(const auto store, open_store(store_name, face));
  const StoreErrors errors(store->name(), face);
  const std::string key = std::move(one.request.key);
  if (!is_legal_key(key)) co_return fail(errors.illegal_key(key));
  one.request.key = store->prefix().apply(key);
  std::vector<Remove> writes;
  writes.push_back(std::move(one));
  auto failed = co_await write<stores::DeleteRequest>(store, std::move(writes),
                                                      &OpenStore::Operations::remove, face);
  if (failed) co_return fail(errors.not_deleted(key, *failed));
  co_return Result<>();
}

Task<Result<>> Service::bulk_remove(std::string store_name, std::vector<Remove> writes) {
  OUT_CO_TRY(const auto store, open_store(store_name, Face::grpc));
  const StoreErrors errors(store->name(), Face::grpc);
  for (Remove& one : writes) {
    std::string& key = one.request.key;
    if (!is_legal_key(key)) co_return fail(errors.illegal_key(key));
    key = store->prefix().apply(key);
  }
  auto failed = co_await write<stores::DeleteRequest>(
      store, std::move(writes), &OpenStore::Operations::bulk_remove, Face::grpc);
  if (failed) co_return fail(errors.not_deleted_in_bulk(*failed));
  co_return Result<>();
}

}  // namespace outrigger::runtime::state
