#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "components/pubsub/broker.h"
#include "runtime/app/channel.h"
#include "runtime/pubsub/cloudevents_parse.h"
#include "runtime/telemetry/trace_context.h"

/// How events get to the application: over HTTP, over gRPC, or on a stream that it has opened.
namespace outrigger::pubsub {

/// One event on its way. What it refers to lives until the postman has answered.
struct Delivery {
  const CloudEvent& event;
  std::string_view pubsub_name;
  std::string_view topic;
  std::string_view path;
  /// Of the message, and pubsubName.
  const Properties& metadata;
  /// Sent with the call if it has a trace id.
  telemetry::TraceContext trace;
};

/// What the application made of an event.
struct Answer {
  enum class Outcome : std::uint8_t {
    success,
    retry,
    drop,     ///< To the dead letters if there are any, and no more.
    ignored,  ///< The application has no such method: acknowledged, without dead letter.
  };
  Outcome outcome = Outcome::success;
  /// The label `status` of the metrics.
  std::string_view status;
  /// Set with `retry`.
  std::optional<Error> error;
  /// With `retry`: the status of HTTP or gRPC that the application answered with, if it did.
  std::optional<std::int32_t> code;

  static Answer retry(Error why, std::optional<std::int32_t> code = std::nullopt) {
    return {Outcome::retry, "", std::move(why), code};
  }
};

/// Several events for one path.
struct BulkDelivery {
  struct Item {
    /// The message as it came; of an event that is no raw payload without its data.
    const components::pubsub::BulkEntry& entry;
    /// nullptr: a raw payload.
    const CloudEvent* event;
  };
  std::vector<Item> items;
  std::string_view pubsub_name;
  std::string_view topic;
  std::string_view path;
  const Properties& metadata;
  /// Of one of the events: there is but one for a request.
  telemetry::TraceContext trace;
};

/// Hands events to the application, on one loop. Calls may overlap.
class Postman {
 public:
  virtual ~Postman() = default;
  virtual Task<Answer> deliver(Delivery delivery) = 0;
  /// One answer for each item, in their order.
  virtual Task<std::vector<Answer>> deliver_bulk(BulkDelivery delivery) = 0;
};

/// For an application that speaks HTTP, and one that speaks gRPC. The channel must live longer.
std::unique_ptr<Postman> make_http_postman(runtime::app::Channel& app);
std::unique_ptr<Postman> make_grpc_postman(runtime::app::Channel& app);

/// The type of the envelope round several events.
inline constexpr std::string_view kBulkEventType = "com.dapr.event.sent.bulk";

/// The answers that go to all of `count` events alike.
std::vector<Answer> answer_all(std::size_t count, const Answer& answer);

}  // namespace outrigger::pubsub
