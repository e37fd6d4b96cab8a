#include "runtime/pubsub/service.h"

#include <set>

#include "runtime/pubsub/errors.h"
#include "runtime/pubsub/under_policy.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;
using Clock = std::chrono::steady_clock;

const Properties kNoMetadata;

// What the envelope says of a message; views into `request` and its strings.
struct Text {
  std::string_view pubsub_name, topic, content_type, data, trace_parent, trace_state;
};

Result<std::string> make(const Text& text, const Properties* metadata, std::string_view app_id,
                         bool expires_messages) {
  Publication publication;
  publication.source = app_id;
  publication.topic = text.topic;
  publication.pubsub_name = text.pubsub_name;
  publication.content_type = text.content_type;
  publication.data = text.data;
  publication.trace_parent = text.trace_parent;
  publication.trace_state = text.trace_state;
  publication.time = wall_now();
  if (metadata != nullptr && !metadata->empty()) {
    if (!expires_messages) {
      if (const auto ttl = message_ttl(*metadata)) {
        // Saturates: a sum beyond the calendar's end would wrap into the past.
        const auto room = WallTime::max() - publication.time;
        publication.expiration = publication.time + std::min<std::chrono::nanoseconds>(*ttl, room);
      }
    }
    apply_overrides(publication, *metadata);
  }
  return make_envelope(publication);
}

// The component is gone or the topic out of scope: an answer for clients as it is.
bool is_refusal(const Error& error) {
  return error.details() != nullptr &&
         (error.tag() == "ERR_PUBSUB_FORBIDDEN" || error.tag() == "ERR_PUBSUB_NOT_FOUND");
}

void add_missing(Properties& to, const Properties& from) { to.insert(from.begin(), from.end()); }

}  // namespace

Service::Service(Settings settings) : settings_(std::move(settings)) {}
Service::~Service() = default;

std::shared_ptr<OpenBroker> Service::find(std::string_view name) const {
  const auto found = brokers_.find(name);
  return found == brokers_.end() ? nullptr : found->second;
}

std::shared_ptr<OpenBroker> Service::add(std::shared_ptr<OpenBroker> broker) {
  return std::exchange(brokers_[broker->name()], broker);
}

std::shared_ptr<OpenBroker> Service::take_out(std::string_view name) {
  const auto found = brokers_.find(name);
  if (found == brokers_.end()) return nullptr;
  auto broker = std::move(found->second);
  brokers_.erase(found);
  return broker;
}

Result<> Service::check(std::string_view pubsub_name, std::string_view topic,
                        const Properties& metadata, Face face) const {
  const PublishErrors errors(pubsub_name);
  if (pubsub_name.empty()) return fail(errors.name_empty(metadata));
  if (!brokers_.contains(pubsub_name)) {
    return fail(errors.not_found(face == Face::http ? metadata : kNoMetadata));
  }
  if (topic.empty()) return fail(errors.topic_empty(metadata));
  return {};
}

Result<std::string> Service::envelope(const OpenBroker& broker, Publish& request) const {
  const std::string trace_parent = event_trace_parent(request.trace);
  const PublishErrors errors(request.pubsub_name);
  auto raw = is_raw_payload(request.metadata);
  if (!raw) return fail(errors.bad_metadata(request.metadata, raw.error()));
  if (*raw) {
    // Only the gRPC API of upstream passes the trace on beside a raw payload.
    if (request.face == Face::grpc) {
      request.metadata["traceid"] = trace_parent;
      request.metadata["tracestate"] = request.trace.state;
    }
    return std::move(request.data);
  }
  const Text text{request.pubsub_name, request.topic, request.content_type,
                  request.data,        trace_parent,  request.trace.state};
  auto made = make(text, &request.metadata, settings_.app_id, broker.expires_messages());
  if (!made) return fail(errors.no_envelope(settings_.app_id, made.error()));
  return made;
}

Task<Result<>> Service::publish(Publish request) {
  OUT_CO_CHECK(check(request.pubsub_name, request.topic, request.metadata, request.face));
  const std::shared_ptr<OpenBroker> broker = find(request.pubsub_name);
  OUT_CO_TRY(auto data, envelope(*broker, request));
  const auto started = Clock::now();
  Result<> published;
  if (broker->scopes().may_publish(request.topic)) {
    brokers::PublishRequest message;
    message.topic = broker->broker_topic(request.topic);
    message.data = std::move(data);
    message.metadata = std::move(request.metadata);
    const OpenBroker::Use use(*broker);
    Policy policy = outbound_policy(settings_.policies, *broker);
    published =
        co_await publish_under(std::move(policy), *broker, request.face, std::move(message));
    if (!published) {
      published = fail(PublishErrors(request.pubsub_name)
                           .not_published(request.topic, published.error().message()));
    }
  } else {
    published = fail(PublishErrors(request.pubsub_name).forbidden(request.topic, app_id()));
  }
  if (settings_.metrics != nullptr) {
    broker->published(*settings_.metrics, request.topic)
        .record(published.has_value(), Clock::now() - started);
  }
  co_return published;
}

Task<Result<>> Service::send(std::string pubsub_name, brokers::PublishRequest request) {
  const std::shared_ptr<OpenBroker> broker = find(pubsub_name);
  if (broker == nullptr) co_return fail(PublishErrors(pubsub_name).gone(request.topic));
  if (!broker->scopes().may_publish(request.topic)) {
    co_return fail(PublishErrors(pubsub_name).forbidden(request.topic, app_id()));
  }
  request.topic = broker->broker_topic(request.topic);
  const OpenBroker::Use use(*broker);
  Policy policy = outbound_policy(settings_.policies, *broker);
  auto sent = co_await publish_under(std::move(policy), *broker, Face::grpc, std::move(request));
  co_return sent;
}

Task<Result<std::vector<brokers::BulkFailure>>> Service::send_bulk(
    std::string pubsub_name, brokers::BulkPublishRequest request, Face face) {
  const std::shared_ptr<OpenBroker> broker = find(pubsub_name);
  if (broker == nullptr) co_return fail(PublishErrors(pubsub_name).gone(request.topic));
  if (!broker->scopes().may_publish(request.topic)) {
    co_return fail(PublishErrors(pubsub_name).forbidden(request.topic, app_id()));
  }
  request.topic = broker->broker_topic(request.topic);
  const OpenBroker::Use use(*broker);
  Policy policy = outbound_policy(settings_.policies, *broker);
  auto sent = co_await publish_bulk_under(std::move(policy), *broker, face, std::move(request));
  co_return sent;
}

Result<std::vector<brokers::BulkEntry>> Service::entries(const OpenBroker& broker,
                                                         BulkPublish& request,
                                                         std::vector<EventSpan>& spans) const {
  const PublishErrors errors(request.pubsub_name);
  auto raw = is_raw_payload(request.metadata);
  if (!raw) return fail(errors.bad_metadata(request.metadata, raw.error()));
  std::set<std::string_view> ids;
  std::vector<brokers::BulkEntry> made;
  made.reserve(request.entries.size());
  for (BulkPublish::Entry& entry : request.entries) {
    if (entry.entry_id.empty() || !ids.insert(entry.entry_id).second) {
      return fail(errors.bad_entries(request.topic, settings_.app_id,
                                     "entryId is duplicated or not present for entry"));
    }
    if (entry.metadata) add_missing(*entry.metadata, request.metadata);
    brokers::BulkEntry out;
    out.entry_id = entry.entry_id;
    if (*raw) {
      out.event = std::move(entry.data);
    } else {
      const auto& trace = spans.emplace_back(settings_.tracer, request.trace).context();
      const std::string trace_parent = event_trace_parent(trace);
      const Text text{request.pubsub_name, request.topic, entry.content_type,
                      entry.data,          trace_parent,  trace.state};
      auto event = make(text, entry.metadata ? &*entry.metadata : nullptr, settings_.app_id,
                        broker.expires_messages());
      if (!event) return fail(errors.no_envelope(settings_.app_id, event.error()));
      out.event = *std::move(event);
    }
    out.content_type = std::move(entry.content_type);
    if (entry.metadata) out.metadata = *std::move(entry.metadata);
    made.push_back(std::move(out));
  }
  return made;
}

void Service::record_bulk(const BulkPublish& request, bool success,
                          std::chrono::nanoseconds elapsed) const {
  if (settings_.metrics == nullptr) return;
  settings_.metrics->bulk_publish(request.pubsub_name, request.topic).record(success, elapsed);
}

Task<BulkPublished> Service::bulk_publish_to(std::shared_ptr<OpenBroker> broker,
                                             BulkPublish& request, std::vector<EventSpan>& spans) {
  BulkPublished outcome;
  const PublishErrors errors(request.pubsub_name);
  brokers::BulkPublishRequest message;
  if (auto made = entries(*broker, request, spans)) {
    message.entries = *std::move(made);
  } else {
    outcome.error = std::move(made).error();
    co_return outcome;
  }
  message.topic = request.topic;
  message.metadata = request.metadata;
  const auto started = Clock::now();
  auto sent = co_await send_bulk(request.pubsub_name, std::move(message), request.face);
  record_bulk(request, sent && sent->empty(), Clock::now() - started);
  if (sent) {
    outcome.failures = *std::move(sent);
    if (!outcome.failures.empty()) {
      outcome.error = errors.not_published(request.topic, outcome.failures.front().error.message());
    }
    co_return outcome;
  }
  if (is_refusal(sent.error())) {
    outcome.error = std::move(sent).error();
    co_return outcome;
  }
  for (const BulkPublish::Entry& entry : request.entries) {
    outcome.failures.push_back({entry.entry_id, sent.error()});
  }
  outcome.error = errors.not_published(request.topic, sent.error().message());
  co_return outcome;
}

Task<BulkPublished> Service::bulk_publish(BulkPublish request) {
  auto checked = check(request.pubsub_name, request.topic, request.metadata, request.face);
  if (!checked) co_return BulkPublished{{}, std::move(checked).error()};
  std::vector<EventSpan> spans;
  auto outcome = co_await bulk_publish_to(find(request.pubsub_name), request, spans);
  EventSpan::End end{request.span_name, telemetry::SpanKind::producer, "", std::nullopt};
  if (outcome.error) end.error = outcome.error->message();
  for (EventSpan& span : spans) span.end(end);
  co_return outcome;
}

}  // namespace outrigger::pubsub
