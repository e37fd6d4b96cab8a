#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "runtime/pubsub/cloudevents.h"
#include "runtime/pubsub/event_span.h"
#include "runtime/pubsub/open_broker.h"
#include "runtime/resiliency/policies.h"
#include "runtime/telemetry/runtime_metrics.h"
#include "runtime/telemetry/tracer.h"

namespace outrigger::pubsub {

/// The API that a request came by; upstream differs in small things.
enum class Face : std::uint8_t { http, grpc };

/// A message that an application publishes.
struct Publish {
  std::string pubsub_name;
  std::string topic;
  std::string content_type;
  std::string data;
  Properties metadata;
  telemetry::TraceContext trace;
  Face face = Face::http;
};

struct BulkPublish {
  struct Entry {
    std::string entry_id;
    std::string content_type;
    std::string data;
    /// nullopt: the entry has none, and then the request's does not count for it either.
    std::optional<Properties> metadata;
  };
  std::string pubsub_name;
  std::string topic;
  std::vector<Entry> entries;
  Properties metadata;
  telemetry::TraceContext trace;
  Face face = Face::http;
  /// Of the spans of its entries.
  std::string_view span_name;
};

struct BulkPublished {
  std::vector<components::pubsub::BulkFailure> failures;
  /// As clients see it; set if anything failed.
  std::optional<Error> error;
};

/// The publish API on one loop: what is published gets its envelope here and goes to the brokers
/// of this loop. Calls may overlap; all of them belong to the loop.
class Service {
 public:
  struct Settings {
    std::string app_id;
    /// nullptr: nothing is counted.
    const telemetry::ComponentMetrics* metrics = nullptr;
    /// nullptr: traces pass through as they came.
    const telemetry::Tracer* tracer = nullptr;
    /// Of this loop; nullptr: there are none.
    const runtime::resiliency::Policies* policies = nullptr;
  };
  explicit Service(Settings settings);
  ~Service();
  [[nodiscard]] const std::string& app_id() const noexcept { return settings_.app_id; }
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }

  /// Whether the request names a component and a topic; for faces that read the message later.
  [[nodiscard]] Result<> check(std::string_view pubsub_name, std::string_view topic,
                               const Properties& metadata, Face face) const;
  /// Done means the broker has the message. Errors are as clients see them.
  Task<Result<>> publish(Publish request);
  Task<BulkPublished> bulk_publish(BulkPublish request);

  /// Hands a message to the broker as it is, for the runtime itself (dead letters, outbox). The
  /// topic is checked against the scopes, and prefixed if the component is namespace-scoped.
  Task<Result<>> send(std::string pubsub_name, components::pubsub::PublishRequest request);
  /// The same for many; the entries that failed, in an error all of them.
  Task<Result<std::vector<components::pubsub::BulkFailure>>> send_bulk(
      std::string pubsub_name, components::pubsub::BulkPublishRequest request,
      Face face = Face::grpc);

  /// Puts it into use. Gives the one whose place it took, for the caller to close, or nullptr. That
  /// one's subscriptions on this loop must have been closed.
  std::shared_ptr<OpenBroker> add(std::shared_ptr<OpenBroker> broker);
  /// Takes the component out of use and gives it, for the caller to close; nullptr if there is
  /// none. Its subscriptions on this loop must have been closed.
  std::shared_ptr<OpenBroker> take_out(std::string_view name);
  [[nodiscard]] std::shared_ptr<OpenBroker> find(std::string_view name) const;

 private:
  Result<std::string> envelope(const OpenBroker& broker, Publish& request) const;
  Result<std::vector<components::pubsub::BulkEntry>> entries(const OpenBroker& broker,
                                                             BulkPublish& request,
                                                             std::vector<EventSpan>& spans) const;
  Task<BulkPublished> bulk_publish_to(std::shared_ptr<OpenBroker> broker, BulkPublish& request,
                                      std::vector<EventSpan>& spans);
  void record_bulk(const BulkPublish& request, bool success,
                   std::chrono::nanoseconds elapsed) const;

  Settings settings_;
  std::map<std::string, std::shared_ptr<OpenBroker>, std::less<>> brokers_;
};

/// Publishes the entries one by one, 100 at a time as upstream, for brokers that take no batches.
/// The broker must not be closed meanwhile.
Task<std::vector<components::pubsub::BulkFailure>> publish_each(
    components::pubsub::Broker& broker, components::pubsub::BulkPublishRequest request);

}  // namespace outrigger::pubsub
