#include "base/log.h"
#include "components/pluggable/connection.h"
#include "components/pluggable/discovery.h"
#include "components/pluggable/errors.h"
#include "components/pluggable/state_messages.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;

constexpr Logger log("state-pluggable-logger");

constexpr std::string_view kStateStore = "dapr.proto.components.v1.StateStore";
constexpr std::string_view kQueriable = "dapr.proto.components.v1.QueriableStateStore";
constexpr std::string_view kMaxSize = "dapr.proto.components.v1.TransactionalStoreMultiMaxSize";
constexpr const char* kTransact = "/dapr.proto.components.v1.TransactionalStateStore/Transact";
constexpr const char* kQuery = "/dapr.proto.components.v1.QueriableStateStore/Query";
constexpr const char* kMultiMaxSize =
    "/dapr.proto.components.v1.TransactionalStoreMultiMaxSize/MultiMaxSize";

using ToError = Error (*)(const net::grpc::Status& status);

class SocketStore final : public state::Store, state::Transactional, state::Queriable {
 public:
  SocketStore(const Socket& socket, const Metadata& metadata, std::shared_ptr<Session> session)
      : connection_({socket.path, std::string(kStateStore)}, metadata, std::move(session)),
        queriable_(socket.offers(kQueriable)),
        limits_transactions_(socket.offers(kMaxSize)) {}

  Task<Result<>> init() override;
  Task<void> close() override { return connection_.close(); }
  Task<Result<>> ping() override { return connection_.ping(); }

  Task<Result<std::optional<state::Item>>> get(state::GetRequest request) override;
  Task<Result<>> set(state::SetRequest request) override {
    return write(connection_.method("Set"), to_message(request), &write_error);
  }
  Task<Result<>> remove(state::DeleteRequest request) override {
    return write(connection_.method("Delete"), to_message(request), &write_error);
  }
  Task<Result<std::vector<state::BulkItem>>> bulk_get(std::vector<state::GetRequest> requests,
                                                      state::BulkOptions options) override;
  Task<Result<std::vector<state::BulkFailure>>> bulk_set(std::vector<state::SetRequest> requests,
                                                         state::BulkOptions options) override {
    return write_all(connection_.method("BulkSet"), to_message(requests, options), &write_error);
  }
  Task<Result<std::vector<state::BulkFailure>>> bulk_remove(
      std::vector<state::DeleteRequest> requests, state::BulkOptions options) override {
    return write_all(connection_.method("BulkDelete"), to_message(requests, options),
                     &bulk_delete_error);
  }

  [[nodiscard]] Traits traits() const noexcept override {
    return {.etag = connection_.has("ETAG"),
            .ttl = connection_.has("TTL"),
            .partition_key = connection_.has("PARTITION_KEY")};
  }

  Transactional* transactional() noexcept override {
    return connection_.has("TRANSACTIONAL") ? this : nullptr;
  }
  // ETags that do not match have no error of their own here: upstream knows none.
  Task<Result<>> multi(state::TransactionRequest request) override {
    return write(kTransact, to_message(request), &component_error);
  }
  // Asked with the first transaction, as upstream does.
  Task<void> learn_limit() override {
    if (!limits_transactions_ || std::exchange(limit_asked_, true)) co_return;
    const auto asked = co_await ask_operations_max();
    if (!asked) log.error("failed to get multi max size from state store: ", asked.error());
  }
  [[nodiscard]] std::optional<std::size_t> operations_max() const noexcept override {
    return operations_max_;
  }

  Queriable* queriable() noexcept override {
    return queriable_ || connection_.has("QUERY_API") ? this : nullptr;
  }
  Task<Result<state::QueryAnswer>> query(state::Query query, Properties metadata) override;

 private:
  /// The message of the answer.
  Task<Result<std::string>> ask(std::string path, std::string message, ToError to_error);
  Task<Result<>> write(std::string path, std::string message, ToError to_error);
  Task<Result<std::vector<state::BulkFailure>>> write_all(std::string path, std::string message,
                                                          ToError to_error);
  Task<Result<>> ask_operations_max();

  Connection connection_;
  bool queriable_;
  bool limits_transactions_;
  bool limit_asked_ = false;
  std::optional<std::size_t> operations_max_;
};

Task<Result<>> SocketStore::init() {
  OUT_CO_CHECK(co_await connection_.open());
  co_return Result<>();
}

Task<Result<>> SocketStore::ask_operations_max() {
  // Upstream's limit for this question.
  auto reply = co_await connection_.call(kMultiMaxSize, std::string(), 5s);
  if (!reply) co_return fail(std::move(reply).error());
  if (!reply->status.ok()) co_return fail(plain_error(reply->status));
  OUT_CO_TRY(const auto size, read_multi_max_size(reply->message));
  if (size > 0) operations_max_ = static_cast<std::size_t>(size);
  co_return Result<>();
}

Task<Result<std::string>> SocketStore::ask(std::string path, std::string message,
                                           ToError to_error) {
  OUT_CO_TRY(auto reply, co_await connection_.call(std::move(path), std::move(message)));
  if (!reply.status.ok()) co_return fail(to_error(reply.status));
  co_return std::move(reply.message);
}

Task<Result<>> SocketStore::write(std::string path, std::string message, ToError to_error) {
  // The answers to writes are empty.
  OUT_CO_CHECK(co_await ask(std::move(path), std::move(message), to_error));
  co_return Result<>();
}

Task<Result<std::vector<state::BulkFailure>>> SocketStore::write_all(std::string path,
                                                                     std::string message,
                                                                     ToError to_error) {
  OUT_CO_CHECK(co_await ask(std::move(path), std::move(message), to_error));
  co_return std::vector<state::BulkFailure>();
}

Task<Result<std::optional<state::Item>>> SocketStore::get(state::GetRequest request) {
  OUT_CO_TRY(const auto answer,
             co_await ask(connection_.method("Get"), to_message(request), &component_error));
  co_return read_item(answer);
}

Task<Result<std::vector<state::BulkItem>>> SocketStore::bulk_get(
    std::vector<state::GetRequest> requests, state::BulkOptions options) {
  OUT_CO_TRY(const auto answer, co_await ask(connection_.method("BulkGet"),
                                             to_message(requests, options), &component_error));
  co_return read_items(answer);
}

Task<Result<state::QueryAnswer>> SocketStore::query(state::Query query, Properties metadata) {
  OUT_CO_TRY(const auto answer,
             co_await ask(kQuery, to_message(query, metadata), &component_error));
  co_return read_query_answer(answer);
}

}  // namespace

Result<std::unique_ptr<state::Store>> make_state_store(const Socket& socket,
                                                       const Metadata& metadata,
                                                       ComponentContext& context) {
  OUT_TRY(auto session, context.shared<Session>([]() -> Result<std::shared_ptr<Session>> {
    return std::make_shared<Session>();
  }));
  return std::make_unique<SocketStore>(socket, metadata, std::move(session));
}

}  // namespace outrigger::components::pluggable
