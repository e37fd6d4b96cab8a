#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/grpc/server.h"
#include "runtime/api/router.h"

/// The metadata API: what this sidecar is, and the shutdown API beside it.
namespace outrigger::runtime::metadata {

struct ComponentFacts {
  std::string name, type, version;
  std::vector<std::string> capabilities;
};
struct SubscriptionFacts {
  struct Rule {
    std::string match, path;
  };
  enum class Type : std::uint8_t { unknown = 0, declarative = 1, programmatic = 2, streaming = 3 };
  std::string pubsub_name, topic, dead_letter_topic;
  std::map<std::string, std::string> metadata;
  std::vector<Rule> rules;
  Type type = Type::unknown;
};
struct AppFacts {
  struct Health {
    std::string path;  ///< Empty for gRPC applications.
    std::string interval, timeout;
    int threshold = 0;
  };
  int port = 0;
  std::string protocol, channel_address;
  int concurrency_max = 0;
  std::optional<Health> health;
};
struct ActorFacts {
  enum class Runtime : std::uint8_t { initializing = 0, disabled = 1, running = 2 };
  struct Count {
    std::string type;
    std::size_t count = 0;
  };
  Runtime runtime = Runtime::disabled;
  bool host_ready = false;
  std::string placement = "placement: disconnected";
  std::vector<Count> active;
};
/// A circuit breaker that was used, in the words of the metrics: "app_orders", "orders:checkout",
/// "half-open".
struct BreakerFacts {
  std::string target, key, state;
};
/// Everything but the extended metadata that API callers set. Immutable once published.
struct Facts {
  std::string app_id, runtime_version;
  std::vector<std::string> enabled_features;
  std::vector<ComponentFacts> components;
  std::vector<SubscriptionFacts> subscriptions;
  std::vector<std::string> http_endpoints, resiliencies;
  AppFacts app;
  ActorFacts actors;
  /// The schedulers that are known; empty if none is.
  std::vector<std::string> scheduler_addresses;
  /// Not in upstream's answer: left out if it is empty.
  std::vector<BreakerFacts> breakers;
};
/// As the JSON list that clients of both APIs see.
[[nodiscard]] std::string breakers_json(const std::vector<BreakerFacts>& breakers);
/// Its name: a member of the HTTP answer, and an entry of the extended metadata over gRPC, whose
/// message has no other place for it. Of an entry that a client has set so, the client's is shown.
inline constexpr std::string_view kBreakers = "circuitBreakers";

/// One for the process; any thread.
class Service {
 public:
  void publish(std::shared_ptr<const Facts> facts);
  /// How to bring the facts up to date before they are shown; may be asked on any loop. Set before
  /// the servers start.
  void set_refresh(std::function<Task<void>()> refresh) { refresh_ = std::move(refresh); }
  /// The facts as they are now.
  Task<std::shared_ptr<const Facts>> current();
  [[nodiscard]] std::shared_ptr<const Facts> facts() const;
  /// An empty key is ignored, as upstream does.
  void set_extended(const std::string& key, std::string value);
  /// With upstream's own entry, the runtime's version.
  [[nodiscard]] std::map<std::string, std::string> extended() const;

 private:
  std::function<Task<void>()> refresh_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Facts> facts_ = std::make_shared<Facts>();
  std::map<std::string, std::string> extended_;
};

/// Asked by the shutdown API. `force`: the process is to end at once.
using Shutdown = std::function<void(bool force)>;

void add_http_routes(api::Router& router, Service& service, Shutdown shutdown);
void add_grpc_methods(net::grpc::Service& server, Service& service, Shutdown shutdown);

}  // namespace outrigger::runtime::metadata
