#include "runtime/secrets/service.h"

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::runtime::secrets {
namespace {

const Logger log("dapr.runtime.api");

std::unexpected<Error> refuse(Code code, int http_status, std::string_view tag,
                              std::string message) {
  return fail(Error(code, tag, std::move(message)).with_http_status(http_status));
}

std::string denied_message(std::string_view secret, std::string_view store) {
  return "access denied by policy to get " + quoted(secret) + " from " + quoted(store);
}

}  // namespace

OpenStore::OpenStore(std::string name, std::unique_ptr<stores::SecretStore> store,
                     const telemetry::ComponentMetrics* metrics)
    : name_(std::move(name)), store_(std::move(store)) {
  if (metrics == nullptr) return;
  get = metrics->secret(name_, "get");
  bulk_get = metrics->secret(name_, "bulk_get");
}

Task<void> OpenStore::close() {
  // Not even a cancelled closer may take the store from under the calls inside.
  Cancellation never;
  auto closing = close_when_unused();
  co_await std::move(closing).under(never);
}

Task<void> OpenStore::close_when_unused() {
  while (uses_ > 0) {
    [[maybe_unused]] const auto woken = co_await unused_.wait();
  }
  co_await store_->close();
}

Service::Service(Settings settings) : settings_(std::move(settings)) {}
Service::~Service() = default;

std::shared_ptr<OpenStore> Service::add(std::shared_ptr<OpenStore> store) {
  return std::exchange(stores_[store->name()], store);
}

std::shared_ptr<OpenStore> Service::take_out(std::string_view name) {
  const auto found = stores_.find(name);
  if (found == stores_.end()) return nullptr;
  auto store = std::move(found->second);
  stores_.erase(found);
  return store;
}

std::shared_ptr<OpenStore> Service::find(std::string_view name) const {
  const auto found = stores_.find(name);
  return found == stores_.end() ? nullptr : found->second;
}

Result<std::shared_ptr<OpenStore>> Service::open_store(const std::string& name) const {
  if (auto store = find(name)) return store;
  if (stores_.empty()) {
    return refuse(Code::failed_precondition, 500, "ERR_SECRET_STORES_NOT_CONFIGURED",
                  "secret store is not configured");
  }
  return refuse(Code::invalid_argument, 401, "ERR_SECRET_STORE_NOT_FOUND",
                "failed finding secret store with key " + name);
}

bool Service::allows(std::string_view store, std::string_view secret) const {
  // As in upstream's map, the last scope of a store counts.
  for (auto scope = settings_.scopes.rbegin(); scope != settings_.scopes.rend(); ++scope) {
    if (scope->store_name == store) return scope->allows(secret);
  }
  return true;
}

Task<Result<Secret>> Service::get(std::string store_name, std::string name, Properties metadata) {
  OUT_CO_TRY(const auto store, open_store(store_name));
  if (!allows(store_name, name)) {
    co_return refuse(Code::permission_denied, 403, "ERR_PERMISSION_DENIED",
                     denied_message(name, store_name));
  }
  stores::SecretRequest request;
  request.name = name;
  request.metadata = std::move(metadata);
  const OpenStore::Use use(*store);
  const auto began = std::chrono::steady_clock::now();
  std::move_only_function<Task<Result<Secret>>()> make = [&] {
    return store->store().get(request);
  };
  const resiliency::Policy policy = policy_of(store_name);
  auto secret = co_await resiliency::run_under(&policy, std::move(make));
  store->get.record(secret.has_value(), std::chrono::steady_clock::now() - began);
  if (secret) co_return secret;
  co_return refuse(Code::internal, 500, "ERR_SECRET_GET",
                   "failed getting secret with key " + name + " from secret store " + store_name +
                       ": " + secret.error().message());
}

Task<Result<Secrets>> Service::bulk_get(std::string store_name, Properties metadata) {
  OUT_CO_TRY(const auto store, open_store(store_name));
  const OpenStore::Use use(*store);
  const auto began = std::chrono::steady_clock::now();
  std::move_only_function<Task<Result<Secrets>>()> make = [&] {
    return store->store().bulk_get(metadata);
  };
  const resiliency::Policy policy = policy_of(store_name);
  auto secrets = co_await resiliency::run_under(&policy, std::move(make));
  store->bulk_get.record(secrets.has_value(), std::chrono::steady_clock::now() - began);
  if (!secrets) {
    co_return refuse(Code::internal, 500, "ERR_SECRET_GET",
                     "failed getting secrets from secret store " + store_name + ": " +
                         secrets.error().message());
  }
  std::erase_if(*secrets, [&](const auto& one) {
    if (allows(store_name, one.first)) return false;
    log.debug(denied_message(one.first, store_name));
    return true;
  });
  co_return secrets;
}

Task<Result<Secret>> Service::fetch(std::string store_name, std::string name) {
  const auto store = find(store_name);
  if (!store) {
    co_return fail(Code::not_found, "the secret store " + store_name + " is not loaded");
  }
  stores::SecretRequest request;
  request.name = std::move(name);
  request.metadata.emplace("namespace", settings_.app_namespace);
  const OpenStore::Use use(*store);
  auto secret = co_await store->store().get(std::move(request));
  co_return secret;
}

processor::SecretSource Service::source() {
  return [this](std::string store, std::string name) {
    return fetch(std::move(store), std::move(name));
  };
}

}  // namespace outrigger::runtime::secrets
