#include "components/pluggable/registry.h"

#include "base/log.h"
#include "base/strings.h"

namespace outrigger::components::pluggable {

// Each block's implementation defines its function in its own file.
Result<std::unique_ptr<state::Store>> make_state_store(const Socket& socket,
                                                       const Metadata& metadata,
                                                       ComponentContext& context);
Result<std::unique_ptr<pubsub::Broker>> make_broker(const Socket& socket, const Metadata& metadata,
                                                    ComponentContext& context);
Result<std::unique_ptr<secretstores::SecretStore>> make_secret_store(const Socket& socket,
                                                                     const Metadata& metadata,
                                                                     ComponentContext& context);

namespace {

constexpr Logger log("pluggable-components-grpc-connector");

// Only the program knows its fields.
std::vector<FieldInfo> no_fields() { return {}; }

template <class Component>
class SocketKind final : public Maker<Component>::Object {
 public:
  using Function = Result<std::unique_ptr<Component>> (*)(const Socket&, const Metadata&,
                                                          ComponentContext&);
  SocketKind(std::string_view category, Socket socket, Function function)
      : socket_(std::move(socket)),
        type_(std::string(category) + "." + to_lower(socket_.name)),
        function_(function) {}

  Result<std::unique_ptr<Component>> make(const Metadata& metadata,
                                          ComponentContext& context) const override {
    return function_(socket_, metadata, context);
  }
  [[nodiscard]] Kind<Component> row() const {
    return {.type = type_, .version = "v1", .make = Maker<Component>(*this), .fields = &no_fields};
  }

 private:
  Socket socket_;
  std::string type_;
  Function function_;
};

template <class Component>
using SocketKinds = std::vector<std::unique_ptr<SocketKind<Component>>>;

template <class Component>
SocketKinds<Component> kinds_of(const std::vector<Socket>& sockets, std::string_view category,
                                std::string_view service,
                                typename SocketKind<Component>::Function function) {
  SocketKinds<Component> kinds;
  for (const Socket& socket : sockets) {
    if (!socket.offers(service)) continue;
    kinds.push_back(std::make_unique<SocketKind<Component>>(category, socket, function));
    log.info("pluggable component '", socket.name, "' was successfully registered for '", service,
             "'");
  }
  return kinds;
}

template <class Component>
std::vector<Kind<Component>> join(std::span<const Kind<Component>> built_in,
                                  const SocketKinds<Component>& kinds) {
  std::vector<Kind<Component>> rows(built_in.begin(), built_in.end());
  for (const auto& kind : kinds) {
    const auto row = kind->row();
    std::erase_if(rows, [&](const auto& other) {
      return other.type == row.type && other.version == row.version;
    });
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

struct Registry::Impl {
  SocketKinds<state::Store> state_stores;
  SocketKinds<pubsub::Broker> brokers;
  SocketKinds<secretstores::SecretStore> secret_stores;
};

Registry::Registry(std::vector<Socket> sockets) : impl_(std::make_unique<Impl>()) {
  impl_->state_stores = kinds_of<state::Store>(
      sockets, "state", "dapr.proto.components.v1.StateStore", &make_state_store);
  impl_->brokers =
      kinds_of<pubsub::Broker>(sockets, "pubsub", "dapr.proto.components.v1.PubSub", &make_broker);
  impl_->secret_stores = kinds_of<secretstores::SecretStore>(
      sockets, "secretstores", "dapr.proto.components.v1.SecretStore", &make_secret_store);
}
Registry::~Registry() = default;
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;

std::vector<Kind<state::Store>> Registry::state_stores(
    std::span<const Kind<state::Store>> built_in) const {
  return join(built_in, impl_->state_stores);
}
std::vector<Kind<pubsub::Broker>> Registry::brokers(
    std::span<const Kind<pubsub::Broker>> built_in) const {
  return join(built_in, impl_->brokers);
}
std::vector<Kind<secretstores::SecretStore>> Registry::secret_stores(
    std::span<const Kind<secretstores::SecretStore>> built_in) const {
  return join(built_in, impl_->secret_stores);
}

}  // namespace outrigger::components::pluggable
