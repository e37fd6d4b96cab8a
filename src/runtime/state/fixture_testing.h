#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "components/state/query.h"
#include "components/state/registry.h"
#include "net/grpc/frame.h"
#include "net/grpc/server.h"
#include "runtime/api/http_api.h"
#include "runtime/state/grpc.h"
#include "runtime/state/http.h"
#include "runtime/state/service.h"

/// The state API on one loop, through its HTTP and gRPC faces, without sockets. For tests.
namespace outrigger::runtime::state::testing {

/// Answers every call with what a test sets, and keeps the last requests.
class FakeStore : public stores::Store, public stores::Transactional, public stores::Queriable {
 public:
  std::optional<Error> error;
  /// By stored key: what single items answer.
  std::map<std::string, Error> errors_of_keys;
  /// Of these, those that are well the next time.
  std::set<std::string> fails_once;
  std::optional<Item> item;
  std::optional<stores::QueryAnswer> answer;
  std::optional<std::size_t> max;
  bool with_transactions = true;
  bool with_queries = true;
  std::vector<stores::GetRequest> gets;
  std::vector<stores::SetRequest> sets;
  std::vector<stores::DeleteRequest> removes;
  std::vector<stores::TransactionRequest> transactions;
  int bulk_sets = 0;
  int bulk_removes = 0;

  Task<Result<>> init() override { co_return Result<>(); }
  Task<Result<std::optional<Item>>> get(stores::GetRequest request) override {
    gets.push_back(request);
    if (auto wrong = error_of(request.key)) co_return fail(*std::move(wrong));
    co_return item;
  }
  Task<Result<>> set(stores::SetRequest request) override {
    sets.push_back(request);
    if (auto wrong = error_of(request.key)) co_return fail(*std::move(wrong));
    co_return Result<>();
  }
  Task<Result<>> remove(stores::DeleteRequest request) override {
    removes.push_back(request);
    if (auto wrong = error_of(request.key)) co_return fail(*std::move(wrong));
    co_return Result<>();
  }
  Task<Result<std::vector<stores::BulkItem>>> bulk_get(std::vector<stores::GetRequest> requests,
                                                       stores::BulkOptions options) override {
    if (error) co_return fail(*error);
    auto answers = co_await Store::bulk_get(std::move(requests), options);
    co_return answers;
  }
  Task<Result<std::vector<stores::BulkFailure>>> bulk_set(std::vector<stores::SetRequest> requests,
                                                          stores::BulkOptions options) override {
    ++bulk_sets;
    if (error) co_return fail(*error);
    auto failures = co_await Store::bulk_set(std::move(requests), options);
    co_return failures;
  }
  Task<Result<std::vector<stores::BulkFailure>>> bulk_remove(
      std::vector<stores::DeleteRequest> requests, stores::BulkOptions options) override {
    ++bulk_removes;
    if (error) co_return fail(*error);
    auto failures = co_await Store::bulk_remove(std::move(requests), options);
    co_return failures;
  }
  Task<Result<>> multi(stores::TransactionRequest request) override {
    transactions.push_back(request);
    if (error) co_return fail(*error);
    co_return Result<>();
  }
  Task<Result<stores::QueryAnswer>> query(components::state::Query, Properties) override {
    if (error) co_return fail(*error);
    co_return answer.value_or(stores::QueryAnswer());
  }
  Task<void> close() override { co_return; }

  [[nodiscard]] std::optional<std::size_t> operations_max() const noexcept override { return max; }
  [[nodiscard]] Traits traits() const noexcept override { return {.etag = true, .ttl = true}; }
  Transactional* transactional() noexcept override { return with_transactions ? this : nullptr; }
  Queriable* queriable() noexcept override { return with_queries ? this : nullptr; }

 private:
  [[nodiscard]] std::optional<Error> error_of(const std::string& key) {
    const auto found = errors_of_keys.find(key);
    if (found == errors_of_keys.end()) return error;
    const Error wrong = found->second;
    if (fails_once.erase(key) > 0) errors_of_keys.erase(found);
    return wrong;
  }
};

/// What a gRPC call ended with.
struct GrpcAnswer {
  net::grpc::Status status;
  std::string message;
  std::optional<ErrorDetails> details;
};

/// The application "app" asks. Every request runs a loop of its own to its end.
class Fixture {
  Loop loop_;  // Outlives the stores, which have timers on it.

 public:
  explicit Fixture(Service::Settings settings = {}) : service(with_facts(std::move(settings))) {
    add_http_routes(router_, service);
    add_grpc_methods(grpc_, service);
  }

  /// Adds an in-memory store of the registry.
  void add_in_memory(const std::string& name, OpenStore::Settings settings = {}) {
    const auto* kind = components::find_kind(stores::kinds(), "state.in-memory", "v1");
    components::Metadata metadata;
    metadata.name = name;
    components::ComponentContext context{loop_, "app"};
    add(name, kind->make(metadata, context).value(), std::move(settings));
  }
  FakeStore& add_fake(const std::string& name, OpenStore::Settings settings = {}) {
    auto store = std::make_unique<FakeStore>();
    FakeStore& kept = *store;
    add(name, std::move(store), std::move(settings));
    return kept;
  }
  void add(const std::string& name, std::unique_ptr<stores::Store> store,
           OpenStore::Settings settings) {
    components::Metadata metadata;
    metadata.name = name;
    settings.name = name;
    if (settings.prefix.text().empty()) {
      settings.prefix = KeyPrefix::from(metadata, {"app", ""}).value();
    }
    service.add(
        std::make_shared<OpenStore>(std::move(settings), std::move(store), &metrics.component));
  }

  net::Response http(std::string method, std::string target, std::string body = {},
                     net::Headers headers = {}) {
    net::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.headers = std::move(headers);
    request.body = std::move(body);
    return run_on(loop_, api_.handle(std::move(request)));
  }

  template <class Message>
  GrpcAnswer grpc(std::string_view method, const Message& message) {
    return grpc_raw(method, message.SerializeAsString());
  }
  GrpcAnswer grpc_raw(std::string_view method, std::string_view message) {
    net::Request request;
    request.method = "POST";
    request.target = "/dapr.proto.runtime.v1.Dapr/" + std::string(method);
    request.headers.add("content-type", "application/grpc");
    std::string framed;
    net::grpc::append_frame(framed, message);
    request.body = std::move(framed);
    const net::Response response = run_on(loop_, grpc_.handle(std::move(request)));
    GrpcAnswer answer;
    const bool only_trailers = response.headers.contains("grpc-status");
    answer.status = net::grpc::status_of(only_trailers ? response.headers : response.body.trailers);
    if (answer.status.ok()) answer.message = response.body.whole.substr(5);
    if (!answer.status.details_bin.empty()) {
      answer.details = net::grpc::decode_details(answer.status.details_bin).value();
    }
    return answer;
  }

  telemetry::RuntimeMetrics metrics{telemetry::MetricsOptions{.app_id = "app"}};
  Service service;

 private:
  static std::shared_ptr<const api::HttpApiSettings> api_settings() {
    auto settings = std::make_shared<api::HttpApiSettings>();
    settings->body_bytes_max = 4U << 20;
    return settings;
  }
  Service::Settings with_facts(Service::Settings settings) const {
    settings.app_id = "app";
    settings.metrics = &metrics.component;
    return settings;
  }

  api::Router router_;
  api::HttpApi api_{api_settings(), router_, metrics};
  net::grpc::Service grpc_;
};

}  // namespace outrigger::runtime::state::testing
