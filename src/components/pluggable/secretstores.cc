#include "components/pluggable/connection.h"
#include "components/pluggable/discovery.h"
#include "components/pluggable/messages.h"
#include "components/secretstores/secret_store.h"
#include "dapr/proto/components/v1/secretstore.pb.h"

namespace outrigger::components::pluggable {
namespace {

namespace proto = dapr::proto::components::v1;

using secretstores::Secret;
using Secrets = std::map<std::string, Secret, std::less<>>;

class SocketSecretStore final : public secretstores::SecretStore {
 public:
  SocketSecretStore(const Socket& socket, const Metadata& metadata,
                    std::shared_ptr<Session> session)
      : connection_({socket.path, "dapr.proto.components.v1.SecretStore"}, metadata,
                    std::move(session)) {}

  Task<Result<>> init() override { return connection_.open(); }
  Task<void> close() override { return connection_.close(); }
  Task<Result<>> ping() override { return connection_.ping(); }
  Task<Result<Secret>> get(secretstores::SecretRequest request) override;
  Task<Result<Secrets>> bulk_get(Properties metadata) override;
  [[nodiscard]] Traits traits() const noexcept override {
    return {.several_keys_per_secret = connection_.has("MULTIPLE_KEY_VALUES_PER_SECRET")};
  }

 private:
  Connection connection_;
};

Task<Result<Secret>> SocketSecretStore::get(secretstores::SecretRequest request) {
  proto::GetSecretRequest message;
  message.set_key(request.name);
  copy_to(request.metadata, message.mutable_metadata());
  auto reply = co_await connection_.call(connection_.method("Get"), message.SerializeAsString());
  OUT_CO_TRY(const auto answer, read_reply<proto::GetSecretResponse>(reply, &status_error));
  co_return to_properties(answer.data());
}

Task<Result<Secrets>> SocketSecretStore::bulk_get(Properties metadata) {
  proto::BulkGetSecretRequest message;
  copy_to(metadata, message.mutable_metadata());
  auto reply =
      co_await connection_.call(connection_.method("BulkGet"), message.SerializeAsString());
  OUT_CO_TRY(const auto answer, read_reply<proto::BulkGetSecretResponse>(reply, &status_error));
  Secrets secrets;
  for (const auto& [name, secret] : answer.data()) {
    secrets.emplace(name, to_properties(secret.secrets()));
  }
  co_return secrets;
}

}  // namespace

Result<std::unique_ptr<secretstores::SecretStore>> make_secret_store(const Socket& socket,
                                                                     const Metadata& metadata,
                                                                     ComponentContext& context) {
  OUT_TRY(auto session, context.shared<Session>([]() -> Result<std::shared_ptr<Session>> {
    return std::make_shared<Session>();
  }));
  return std::make_unique<SocketSecretStore>(socket, metadata, std::move(session));
}

}  // namespace outrigger::components::pluggable
