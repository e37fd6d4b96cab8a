#include "base/log.h"
#include "base/scope.h"
#include "runtime/pubsub/courier.h"
#include "runtime/pubsub/under_policy.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

const Logger log("dapr.runtime.processor.subscription");

constexpr auto kBuryTimeout = std::chrono::seconds(30);

}  // namespace

/// Several messages on their way, and what became of each.
struct Courier::Bulk {
  brokers::BulkMessage message;
  std::string topic;
  /// nullopt: a raw payload, or an entry that is not delivered.
  std::vector<std::optional<CloudEvent>> events;
  /// Set for the entries that must be given again.
  std::vector<std::optional<Error>> errors;
  /// What goes to the application, by path, in the order of the first entry of each.
  std::vector<std::pair<std::string, std::vector<std::size_t>>> groups;
  std::uint64_t succeeded = 0;
  std::uint64_t retried = 0;
  std::uint64_t dropped = 0;
  std::chrono::nanoseconds elapsed{};

  void add_to_group(std::string path, std::size_t index) {
    for (auto& [known, indices] : groups) {
      if (known == path) return indices.push_back(index);
    }
    groups.emplace_back(std::move(path), std::vector<std::size_t>{index});
  }
};

brokers::Message Courier::letter_of(const brokers::BulkEntry& entry) const {
  brokers::Message letter;
  letter.topic = parts_.subscription->topic;
  letter.data = entry.event;
  letter.metadata = entry.metadata;
  letter.content_type = entry.content_type;
  return letter;
}

// Decides what is to be done with one entry; those for the application go into a group.
Task<void> Courier::sort_entry(Bulk* bulk, std::size_t index) {
  const brokers::BulkEntry& entry = bulk->message.entries[index];
  if (entry.entry_id.empty()) {
    log.warn(
        "Invalid blank entry id received while processing bulk pub/sub event, won't be able "
        "to process it");
    bulk->errors[index] =
        Error(Code::invalid_argument, "blank entryId supplied - won't be able to process it");
    co_return;
  }
  std::optional<CloudEvent>& event = bulk->events[index];
  if (!*raw_) {
    auto parsed = CloudEvent::parse(entry.event);
    if (!parsed) {
      log.error("error deserializing one of the messages in bulk cloud event in pubsub ", name(),
                " and topic ", bulk->topic, ": ", parsed.error());
      bulk->errors[index] = std::move(parsed).error();
      co_return;
    }
    event = *std::move(parsed);
    if (event->expired(wall_now())) {
      log.warn("dropping expired pub/sub event ", event->text("id"), " as of ",
               event->text("expiration"));
      ++bulk->dropped;
      co_await bury_quietly(letter_of(entry));
      co_return;
    }
  }
  const auto route = event ? find_route(*parts_.subscription, event->value())
                           : find_route(*parts_.subscription, cel::Value::borrow_text(entry.event));
  if (!route) {
    log.error("Error finding matching route for event in bulk subscribe ", name(), " and topic ",
              bulk->topic, " for entry id ", entry.entry_id, ": ", route.error());
    bulk->errors[index] = route.error();
  } else if (!*route) {
    log.warn("No matching route for event in pubsub ", name(), " and topic ", bulk->topic,
             "; skipping");
    ++bulk->dropped;
    co_await bury_quietly(letter_of(entry));
  } else {
    bulk->add_to_group(**route, index);
  }
}

Task<void> Courier::deliver_group(Bulk* bulk, std::string path, std::vector<std::size_t> indices) {
  BulkDelivery delivery{{}, name(), bulk->topic, path, bulk->message.metadata, {}};
  delivery.items.reserve(indices.size());
  std::vector<std::optional<EventSpan>> spans;
  spans.reserve(indices.size());
  for (const std::size_t index : indices) {
    const auto& event = bulk->events[index];
    delivery.items.push_back({bulk->message.entries[index], event ? &*event : nullptr});
    spans.push_back(event ? std::optional(span_of(*event)) : std::nullopt);
    // The last one that has a trace, as upstream.
    if (event && spans.back()->context().valid()) delivery.trace = spans.back()->context();
  }
  const auto started = Clock::now();
  std::vector<Answer> answers = co_await attempt_bulk(std::move(delivery));
  bulk->elapsed += Clock::now() - started;
  OUT_ASSERT(answers.size() == indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::size_t index = indices[i];
    if (spans[i]) end_span(*spans[i], bulk->topic, answers[i]);
    switch (answers[i].outcome) {
      case Answer::Outcome::success: ++bulk->succeeded; break;
      case Answer::Outcome::ignored: ++bulk->dropped; break;
      case Answer::Outcome::retry:
        ++bulk->retried;
        bulk->errors[index] = *std::move(answers[i].error);
        break;
      case Answer::Outcome::drop: {
        ++bulk->dropped;
        if (!has_dead_letters()) break;
        auto buried = co_await bury(letter_of(bulk->message.entries[index]));
        if (!buried) bulk->errors[index] = std::move(buried).error();
        break;
      }
    }
  }
}

// The entries that failed go to the dead letters in one call; those that get there are done.
Task<void> Courier::bury_failures(Bulk* bulk) {
  brokers::BulkPublishRequest letters;
  letters.topic = parts_.subscription->dead_letter_topic;
  letters.metadata = bulk->message.metadata;
  for (std::size_t i = 0; i < bulk->errors.size(); ++i) {
    if (!bulk->errors[i]) continue;
    letters.entries.push_back(bulk->message.entries[i]);
    // An id of our own where the broker gave none, so that failures can be told apart.
    if (letters.entries.back().entry_id.empty()) {
      letters.entries.back().entry_id = "#" + std::to_string(i);
    }
  }
  if (letters.entries.empty()) co_return;
  auto sending = parts_.service.send_bulk(name(), std::move(letters));
  const auto sent = co_await with_timeout(std::move(sending), kBuryTimeout);
  if (!sent || !sent->empty()) {
    log.error("error sending message to dead letter, origin topic: ", bulk->topic,
              " dead letter topic ", parts_.subscription->dead_letter_topic,
              " err: ", sent ? sent->front().error : sent.error());
  }
  if (!sent) co_return;
  for (std::size_t i = 0; i < bulk->errors.size(); ++i) {
    if (!bulk->errors[i]) continue;
    const std::string& given = bulk->message.entries[i].entry_id;
    const std::string id = given.empty() ? "#" + std::to_string(i) : given;
    bool failed = false;
    for (const auto& failure : *sent) failed = failed || failure.entry_id == id;
    if (failed) continue;
    bulk->errors[i].reset();
    if (bulk->retried > 0) --bulk->retried;
    ++bulk->dropped;
  }
}

Task<Result<std::vector<brokers::BulkFailure>>> Courier::deliver_bulk(
    brokers::BulkMessage message) {
  message.metadata["pubsubName"] = name();
  Bulk bulk;
  bulk.topic = parts_.broker->app_topic(message.topic);
  bulk.message = std::move(message);
  const std::size_t count = bulk.message.entries.size();
  bulk.events.resize(count);
  bulk.errors.resize(count);
  if (raw_) {
    for (std::size_t i = 0; i < count; ++i) co_await sort_entry(&bulk, i);
    for (std::size_t i = 0; i < bulk.groups.size(); ++i) {
      co_await deliver_group(&bulk, bulk.groups[i].first, bulk.groups[i].second);
    }
  } else {
    log.error("error deserializing pubsub metadata: ", raw_.error());
    for (auto& error : bulk.errors) error = raw_.error();
  }
  if (has_dead_letters()) co_await bury_failures(&bulk);
  report(bulk);
  std::vector<brokers::BulkFailure> failures;
  for (std::size_t i = 0; i < count; ++i) {
    if (!bulk.errors[i]) continue;
    failures.push_back({bulk.message.entries[i].entry_id, *std::move(bulk.errors[i])});
  }
  co_return failures;
}

void Courier::report(const Bulk& bulk) const {
  const auto* metrics = parts_.service.settings().metrics;
  if (metrics == nullptr) return;
  metrics->bulk_message(name(), bulk.topic, bulk.elapsed);
  const std::pair<std::string_view, std::uint64_t> counts[] = {
      {"SUCCESS", bulk.succeeded}, {"RETRY", bulk.retried}, {"DROP", bulk.dropped}};
  for (const auto& [status, entries] : counts) {
    if (entries > 0) metrics->bulk_message_entries(name(), bulk.topic, status, entries);
  }
}

// An inbound policy of the component goes round this call, with the entries that failed only.
Task<std::vector<Answer>> Courier::attempt_bulk(BulkDelivery delivery) {
  Policy policy = inbound_policy(parts_.service.settings().policies, name());
  auto answers =
      co_await deliver_bulk_under(std::move(policy), parts_.postman, std::move(delivery));
  co_return answers;
}

}  // namespace outrigger::pubsub
