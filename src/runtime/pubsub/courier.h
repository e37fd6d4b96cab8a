#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/pubsub/event_span.h"
#include "runtime/pubsub/postman.h"
#include "runtime/pubsub/service.h"
#include "runtime/pubsub/subscription_config.h"

namespace outrigger::pubsub {

/// Takes the messages of one subscription from the broker to the application: reads the event,
/// finds its route, has it delivered, sends what fails for good to the dead letters. Calls may
/// overlap. Everything belongs to one loop.
class Courier {
 public:
  struct Parts {
    /// Dead letters go through it. It must outlive the courier, and so must the postman.
    Service& service;
    Postman& postman;
    std::shared_ptr<OpenBroker> broker;
    SubscriptionPtr subscription;
  };
  explicit Courier(Parts parts);

  /// No error: the message is done. An error: it must be given again.
  Task<Result<>> deliver(components::pubsub::Message message);
  /// The entries that must be given again.
  Task<Result<std::vector<components::pubsub::BulkFailure>>> deliver_bulk(
      components::pubsub::BulkMessage message);

 private:
  struct Bulk;
  using Clock = std::chrono::steady_clock;

  Task<Answer> attempt(Delivery delivery);
  Task<Answer> attempt_once(Delivery delivery);
  [[nodiscard]] EventSpan span_of(const CloudEvent& event) const;
  void end_span(EventSpan& span, std::string_view topic, const Answer& answer) const;
  Task<std::vector<Answer>> attempt_bulk(BulkDelivery delivery);
  Task<Result<>> give_up(components::pubsub::Message message, std::string topic, Error why);
  Task<Result<>> finish(components::pubsub::Message message, std::string topic, Answer answer);
  Task<Result<>> bury(components::pubsub::Message message);
  Task<void> bury_quietly(components::pubsub::Message message);
  [[nodiscard]] components::pubsub::Message letter_of(
      const components::pubsub::BulkEntry& entry) const;

  Task<void> sort_entry(Bulk* bulk, std::size_t index);
  Task<void> deliver_group(Bulk* bulk, std::string path, std::vector<std::size_t> indices);
  Task<void> bury_failures(Bulk* bulk);
  void report(const Bulk& bulk) const;

  void count(std::string_view topic, std::string_view process_status, std::string_view status,
             std::chrono::nanoseconds elapsed) const;
  [[nodiscard]] bool has_dead_letters() const noexcept {
    return !parts_.subscription->dead_letter_topic.empty();
  }
  [[nodiscard]] const std::string& name() const noexcept {
    return parts_.subscription->pubsub_name;
  }

  Parts parts_;
  /// An error if the subscription's rawPayload is no boolean: then nothing can be delivered.
  Result<bool> raw_;
};

}  // namespace outrigger::pubsub
