#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/component.h"

/// Message brokers behind the publish and subscribe APIs.
namespace outrigger::components::pubsub {

struct PublishRequest {
  std::string topic;
  std::string data;
  Properties metadata;
  std::optional<std::string> content_type;
};

/// A message as it came from the broker.
struct Message {
  std::string topic;
  std::string data;
  Properties metadata;
  std::optional<std::string> content_type;
};

/// Handles one message. No error: it is done and is acknowledged. An error: the broker gives it
/// again, to this or another consumer, by its own rules (redelivery delay, limits).
using Deliver = std::function<Task<Result<>>(Message message)>;

struct BulkEntry {
  std::string entry_id;
  std::string event;
  std::string content_type;
  Properties metadata;
};
struct BulkPublishRequest {
  std::string topic;
  std::vector<BulkEntry> entries;
  Properties metadata;
};
struct BulkFailure {
  std::string entry_id;
  Error error;
};
struct BulkMessage {
  std::string topic;
  std::vector<BulkEntry> entries;
  Properties metadata;
};
/// Handles several messages; the entries that failed (all of them if it is an error) are given
/// again.
using DeliverBulk = std::function<Task<Result<std::vector<BulkFailure>>>(BulkMessage message)>;

struct SubscribeRequest {
  std::string topic;
  Properties metadata;
};
struct BulkSubscribeOptions {
  int max_messages_count = 100;
  int max_await_duration_ms = 1000;
};

/// A running subscription on the loop it was made on.
class Subscription {
 public:
  virtual ~Subscription() = default;
  /// Takes no new messages, waits for those being handled, then returns. Messages not acknowledged
  /// are given to others. Must have ended before destruction.
  virtual Task<void> close() = 0;
};

/// Brokers that take many messages in one call.
class BulkPublisher {
 public:
  /// The entries that failed. An error: all of them.
  virtual Task<Result<std::vector<BulkFailure>>> bulk_publish(BulkPublishRequest request) = 0;

 protected:
  ~BulkPublisher() = default;
};
/// Brokers that deliver many at once.
class BulkSubscriber {
 public:
  virtual Task<Result<std::unique_ptr<Subscription>>> bulk_subscribe(SubscribeRequest request,
                                                                     BulkSubscribeOptions options,
                                                                     DeliverBulk deliver) = 0;

 protected:
  ~BulkSubscriber() = default;
};

/// Brokers that can be told to give no new messages while what they gave is still worked off. It
/// concerns the whole component: every subscription, of every loop.
class Pausable {
 public:
  /// Closing a subscription after this first works off what is on its way. Code::unimplemented: it
  /// cannot after all, and nothing has changed. Give it a deadline with with_timeout().
  virtual Task<Result<>> pause() = 0;
  virtual Task<Result<>> resume() = 0;

 protected:
  ~Pausable() = default;
};

/// A message broker. One object per configured component and loop (components/component.h);
/// publish from any loop's object reaches subscriptions of every loop's. Calls may overlap.
class Broker {
 public:
  virtual ~Broker() = default;
  virtual Task<Result<>> init() = 0;
  /// Done means the broker has it, as durably as it promises.
  virtual Task<Result<>> publish(PublishRequest request) = 0;
  /// Begins to deliver on this loop. Subscriptions of the same consumer group share the messages;
  /// each other group gets its own copy. `deliver` is called for several messages at once only if
  /// the component promises no order or is configured so.
  virtual Task<Result<std::unique_ptr<Subscription>>> subscribe(SubscribeRequest request,
                                                                Deliver deliver) = 0;
  virtual Task<Result<>> ping() { co_return Result<>(); }
  /// All subscriptions are closed by then.
  virtual Task<void> close() = 0;

  /// Abilities that have no call of their own.
  struct Traits {
    bool message_ttl = false;  ///< Reads ttlInSeconds itself.
    bool subscribe_wildcards = false;
    /// Gives the next message when the one before is done: a batch of several would never fill.
    bool bulk_subscribe_immediate = false;
    /// The codes of its errors are its own, for retry policies that name some.
    bool status_errors = false;
  };
  [[nodiscard]] virtual Traits traits() const noexcept = 0;
  virtual BulkPublisher* bulk_publisher() noexcept { return nullptr; }
  virtual BulkSubscriber* bulk_subscriber() noexcept { return nullptr; }
  virtual Pausable* pausable() noexcept { return nullptr; }
};

/// The broker's abilities in upstream's words: "MESSAGE_TTL", "SUBSCRIBE_WILDCARDS",
/// "BULK_PUBSUB", "BULK_SUBSCRIBE_IMMEDIATE".
[[nodiscard]] std::vector<std::string> features(Broker& broker);

}  // namespace outrigger::components::pubsub
