#include "runtime/pubsub/outbox.h"

#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "runtime/pubsub/errors.h"
#include "runtime/pubsub/event_span.h"
#include "runtime/pubsub/outbox_event.h"
#include "runtime/pubsub/relay.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;
namespace state = components::state;
using std::chrono::milliseconds;

const Logger log("dapr.outbox");

// Between looks for a mark, as upstream.
constexpr int kGrowth = 3;
constexpr double kJitter = 0.1;

bool is_projection(const state::SetRequest& request) {
  const auto found = request.metadata.find("outbox.projection");
  return found != request.metadata.end() && is_truthy(found->second);
}

state::SetRequest mark(std::string key) {
  state::SetRequest request;
  request.key = std::move(key);
  request.value = "\"0\"";
  request.kind = state::ValueKind::json;
  return request;
}

Duration with_jitter(milliseconds wait) {
  const double factor = 1 - kJitter + 2 * kJitter * fast_random_unit();
  return std::chrono::duration_cast<Duration>(wait * factor);
}

}  // namespace

/// Reads one store's internal topic.
struct Outbox::Reader {
  std::string store;
  OutboxConfig config;
  std::unique_ptr<brokers::Subscription> source;
  /// Ends the waiting for marks, not the publications.
  Cancellation stopping;
};

std::optional<OutboxConfig> OutboxConfig::read(const Properties& metadata) {
  const auto value = [&](std::string_view name) {
    return std::string(components::find_property(metadata, {name}).value_or(""));
  };
  OutboxConfig config;
  config.publish_pubsub = value("outboxPublishPubsub");
  config.publish_topic = value("outboxPublishTopic");
  config.outbox_pubsub = value("outboxPubsub");
  config.discard_when_missing_state = is_truthy(value("outboxDiscardWhenMissingState"));
  if (config.publish_pubsub.empty() || config.publish_topic.empty()) return std::nullopt;
  if (config.outbox_pubsub.empty()) config.outbox_pubsub = config.publish_pubsub;
  return config;
}

Outbox::Outbox(Options options) : options_(std::move(options)) {}
Outbox::~Outbox() { OUT_ASSERT(readers_.empty()); }

void Outbox::add_store(std::string store, const Properties& metadata) {
  auto config = OutboxConfig::read(metadata);
  if (config) {
    stores_.insert_or_assign(std::move(store), *std::move(config));
  } else {
    stores_.erase(store);
  }
}

void Outbox::remove_store(const std::string& store) { stores_.erase(store); }

std::string Outbox::internal_topic(const OutboxConfig& config) const {
  return options_.app_namespace + options_.service.app_id() + config.publish_topic + "outbox";
}

Task<Result<Outbox::Operations>> Outbox::publish_internal(std::string store, Operations operations,
                                                          telemetry::TraceContext trace) {
  const std::string app_id = options_.service.app_id();
  const auto found = stores_.find(store);
  if (found == stores_.end()) {
    const Error missing(Code::not_found,
                        "error publishing internal outbox message: could not find outbox "
                        "configuration on state store " +
                            store);
    co_return fail(outbox_error(app_id, missing));
  }
  const OutboxConfig config = found->second;
  std::map<std::string, state::SetRequest> projections;
  Operations kept;
  kept.reserve(operations.size() * 2);
  for (state::Operation& operation : operations) {
    auto* const set = std::get_if<state::SetRequest>(&operation);
    if (set != nullptr && is_projection(*set)) {
      std::string key = set->key;
      projections.insert_or_assign(std::move(key), std::move(*set));
    } else {
      kept.push_back(std::move(operation));
    }
  }
  const std::string trace_parent = event_trace_parent(trace);
  const std::string topic = internal_topic(config);
  const std::size_t count = kept.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto* const set = std::get_if<state::SetRequest>(&kept[i]);
    if (set == nullptr) continue;
    std::string key = "outbox-" + uuid_v4();
    const auto projection = projections.find(set->key);
    const OutboxEvent event{key, app_id, config.outbox_pubsub, trace_parent, trace.state};
    auto text =
        make_outbox_event(event, *set, projection == projections.end() ? *set : projection->second);
    if (!text) co_return fail(outbox_error(app_id, text.error()));
    brokers::PublishRequest message;
    message.topic = topic;
    message.data = *std::move(text);
    const auto sent = co_await options_.service.send(config.outbox_pubsub, std::move(message));
    if (!sent) co_return fail(outbox_error(app_id, sent.error()));
    kept.emplace_back(mark(std::move(key)));
  }
  co_return kept;
}

Task<Result<>> Outbox::subscribe(std::string store) {
  const auto found = stores_.find(store);
  if (found == stores_.end()) co_return Result<>();
  // After a change the old topic is read on: what was sent there may not have come yet.
  const ReaderKey key{store, found->second.outbox_pubsub, found->second.publish_topic};
  if (const auto known = readers_.find(key); known != readers_.end()) {
    const std::shared_ptr<Reader> old = known->second;
    if (old->config == found->second) co_return Result<>();
    readers_.erase(known);
    Cancellation never;
    auto ending = end(old);
    co_await std::move(ending).under(never);
    auto again = co_await subscribe(std::move(store));
    co_return again;
  }
  auto reader = std::make_shared<Reader>();
  reader->store = store;
  reader->config = found->second;
  const auto broker = options_.service.find(reader->config.outbox_pubsub);
  if (broker == nullptr) {
    co_return fail(Code::not_found, "could not subscribe to internal outbox topic: outbox pubsub " +
                                        reader->config.outbox_pubsub + " not loaded");
  }
  readers_.emplace(key, reader);
  brokers::SubscribeRequest request;
  request.topic = broker->broker_topic(internal_topic(reader->config));
  // The reader holds its subscription, so the subscription must not hold the reader.
  const std::weak_ptr<Reader> weak = reader;
  brokers::Deliver on_message = [this, weak](brokers::Message message) {
    return deliver(weak.lock(), std::move(message.data));
  };
  const OpenBroker::Use use(*broker);
  auto source = co_await broker->broker().subscribe(std::move(request), std::move(on_message));
  const auto mine = readers_.find(key);
  const bool wanted = mine != readers_.end() && mine->second == reader;
  if (source) {
    reader->source = *std::move(source);
    if (!wanted) co_await end(reader);
    co_return Result<>();
  }
  if (wanted) readers_.erase(mine);
  co_return std::unexpected(std::move(source).error());
}

Task<Result<bool>> Outbox::find_mark(std::shared_ptr<Reader> reader, std::string key) {
  const TimePoint give_up = std::chrono::steady_clock::now() + options_.wait_total;
  milliseconds wait = options_.wait_first;
  for (;;) {
    const auto there = co_await options_.marks.has(reader->store, key);
    if (there && *there) co_return true;
    if (std::chrono::steady_clock::now() + wait > give_up) {
      if (!there) co_return std::unexpected(there.error());
      co_return false;
    }
    OUT_CO_CHECK(co_await sleep_for(with_jitter(wait)));
    wait = std::min(options_.wait_max, wait * kGrowth);
  }
}

Task<Result<>> Outbox::remove_mark(std::string store, std::string key) {
  const TimePoint give_up = std::chrono::steady_clock::now() + options_.wait_total;
  milliseconds wait = options_.wait_first;
  for (;;) {
    auto removed = co_await options_.marks.remove(store, key);
    if (removed || std::chrono::steady_clock::now() + wait > give_up) co_return removed;
    OUT_CO_CHECK(co_await sleep_for(with_jitter(wait)));
    wait = std::min(options_.wait_max, wait * kGrowth);
  }
}

Task<Result<>> Outbox::deliver(std::shared_ptr<Reader> reader, std::string data) {
  if (reader == nullptr) co_return fail(Code::unavailable, "the outbox is closed");
  const OutboxConfig& config = reader->config;
  OUT_CO_TRY(auto message, readdress(data, config.publish_pubsub, config.publish_topic));
  Cancellation either(co_await this_cancellation());
  const Relay relay(reader->stopping, either);
  auto looking = find_mark(reader, message.id);
  auto found = co_await std::move(looking).under(either);
  if (!found && reader->stopping.requested()) co_return std::unexpected(std::move(found).error());
  if (!found || !*found) {
    const std::string why = found ? "cannot publish outbox message to topic " +
                                        config.publish_topic + " with pubsub " +
                                        config.publish_pubsub + ": outbox state not found"
                                  : found.error().message();
    // Only a store that answered has shown that the transaction was not made.
    if (found && config.discard_when_missing_state) {
      log.error("failed to publish outbox topic to pubsub ", config.publish_pubsub, ": ", why,
                ", discarding message");
      co_return Result<>();
    }
    log.error("failed to publish outbox topic to pubsub ", config.publish_pubsub, ": ", why,
              ", rejecting for later processing");
    co_return fail(Code::failed_precondition, why);
  }
  brokers::PublishRequest request;
  request.topic = config.publish_topic;
  request.data = std::move(message.data);
  request.content_type = std::move(message.content_type);
  OUT_CO_CHECK(co_await options_.service.send(config.publish_pubsub, std::move(request)));
  auto removed = co_await remove_mark(reader->store, message.id);
  co_return removed;
}

Task<void> Outbox::end(std::shared_ptr<Reader> reader) {
  reader->stopping.request();
  if (reader->source) co_await reader->source->close();
  reader->source.reset();
}

Task<void> Outbox::unsubscribe(std::string pubsub_name) {
  Cancellation never;
  std::vector<std::shared_ptr<Reader>> ending;
  for (auto each = readers_.begin(); each != readers_.end();) {
    if (pubsub_name.empty() || each->second->config.outbox_pubsub == pubsub_name) {
      ending.push_back(each->second);
      each = readers_.erase(each);
    } else {
      ++each;
    }
  }
  for (const auto& reader : ending) {
    auto task = end(reader);
    co_await std::move(task).under(never);
  }
}

Task<void> Outbox::close() { return unsubscribe(""); }

}  // namespace outrigger::pubsub
