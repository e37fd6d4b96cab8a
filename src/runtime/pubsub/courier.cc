#include "runtime/pubsub/courier.h"

#include "base/log.h"
#include "base/scope.h"
#include "runtime/pubsub/under_policy.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

const Logger log("dapr.runtime.processor.subscription");

// Upstream's limit for a dead letter, so that a broker that hangs does not hold its subscriber.
constexpr auto kBuryTimeout = std::chrono::seconds(30);

}  // namespace

Courier::Courier(Parts parts)
    : parts_(std::move(parts)), raw_(is_raw_payload(parts_.subscription->metadata)) {}

void Courier::count(std::string_view topic, std::string_view process_status,
                    std::string_view status, std::chrono::nanoseconds elapsed) const {
  const auto* metrics = parts_.service.settings().metrics;
  if (metrics != nullptr) metrics->message(name(), topic, process_status, status, elapsed);
}

EventSpan Courier::span_of(const CloudEvent& event) const {
  const auto parent = telemetry::parse_traceparent(event.trace_parent());
  // An event without a trace gets no span, as upstream.
  return parent ? EventSpan(parts_.service.settings().tracer, *parent)
                : EventSpan(nullptr, telemetry::TraceContext());
}

void Courier::end_span(EventSpan& span, std::string_view topic, const Answer& answer) const {
  if (!span.recorded()) return;
  const std::string name = "pubsub/" + std::string(topic);
  EventSpan::End end{name, telemetry::SpanKind::client, topic, std::nullopt};
  if (answer.error) end.error = answer.error->message();
  span.end(end);
}

Task<Result<>> Courier::bury(brokers::Message message) {
  brokers::PublishRequest letter;
  letter.topic = parts_.subscription->dead_letter_topic;
  letter.data = std::move(message.data);
  letter.metadata = std::move(message.metadata);
  letter.content_type = std::move(message.content_type);
  auto sending = parts_.service.send(name(), std::move(letter));
  auto sent = co_await with_timeout(std::move(sending), kBuryTimeout);
  if (!sent) {
    log.error("error sending message to dead letter, origin topic: ", message.topic,
              " dead letter topic ", parts_.subscription->dead_letter_topic,
              " err: ", sent.error());
  }
  co_return sent;
}

// For messages that are done in any case.
Task<void> Courier::bury_quietly(brokers::Message message) {
  if (!has_dead_letters()) co_return;
  [[maybe_unused]] const auto buried = co_await bury(std::move(message));
}

// A message that cannot be delivered at all.
Task<Result<>> Courier::give_up(brokers::Message message, std::string topic, Error why) {
  if (has_dead_letters()) {
    const auto buried = co_await bury(std::move(message));
    if (buried) {
      count(topic, "drop", "", {});
      co_return Result<>();
    }
  }
  count(topic, "retry", "", {});
  co_return fail(std::move(why));
}

Task<Result<>> Courier::finish(brokers::Message message, std::string topic, Answer answer) {
  switch (answer.outcome) {
    case Answer::Outcome::success:
    case Answer::Outcome::ignored: co_return Result<>();
    case Answer::Outcome::drop: {
      if (!has_dead_letters()) co_return Result<>();
      auto buried = co_await bury(std::move(message));
      if (buried) co_return Result<>();
      count(topic, "retry", "", {});
      co_return fail(Code::unknown, "pubsub message dropped");
    }
    case Answer::Outcome::retry: break;
  }
  auto given_up = co_await give_up(std::move(message), std::move(topic), *std::move(answer.error));
  co_return given_up;
}

Task<Result<>> Courier::deliver(brokers::Message message) {
  if (message.content_type) message.metadata["content-type"] = *message.content_type;
  message.metadata["pubsubName"] = name();
  std::string topic(parts_.broker->app_topic(message.topic));
  const auto refuse = [&](std::string_view what, const Error& why) {
    log.error(what, " in pubsub ", name(), " and topic ", topic, ": ", why);
    return give_up(std::move(message), topic, why);
  };
  if (!raw_) {
    auto given_up = co_await refuse("error deserializing pubsub metadata", raw_.error());
    co_return given_up;
  }
  CloudEvent::Message source;
  source.data = has_dead_letters() ? message.data : std::move(message.data);
  source.topic = topic;
  source.pubsub_name = name();
  source.framing = *raw_ ? CloudEvent::Framing::raw_payload : CloudEvent::Framing::envelope;
  const auto event = CloudEvent::read(std::move(source), message.metadata);
  if (!event) {
    auto given_up = co_await refuse("error deserializing cloud event", event.error());
    co_return given_up;
  }
  if (event->expired(wall_now())) {
    log.warn("dropping expired pub/sub event ", event->text("id"), " as of ",
             event->text("expiration"));
    count(topic, "drop", "", {});
    co_await bury_quietly(std::move(message));
    co_return Result<>();
  }
  const auto route = find_route(*parts_.subscription, event->value());
  if (!route) {
    auto given_up = co_await refuse("error finding matching route for event", route.error());
    co_return given_up;
  }
  if (!*route) {
    log.debug("no matching route for event ", event->text("id"), " in pubsub ", name(),
              " and topic ", topic, "; skipping");
    count(topic, "drop", "success", {});
    co_await bury_quietly(std::move(message));
    co_return Result<>();
  }
  EventSpan span = span_of(*event);
  const Delivery delivery{*event, name(), topic, **route, message.metadata, span.context()};
  Answer answer = co_await attempt(delivery);
  end_span(span, topic, answer);
  if (answer.outcome == Answer::Outcome::success) co_return Result<>();
  auto finished = co_await finish(std::move(message), std::move(topic), std::move(answer));
  co_return finished;
}

Task<Answer> Courier::attempt(Delivery delivery) {
  Policy policy = inbound_policy(parts_.service.settings().policies, name());
  Deliver once = [this](Delivery one) { return attempt_once(std::move(one)); };
  auto answer = co_await deliver_under(std::move(policy), std::move(delivery), std::move(once));
  co_return answer;
}

Task<Answer> Courier::attempt_once(Delivery delivery) {
  const std::string_view topic = delivery.topic;
  const auto started = Clock::now();
  Answer answer = co_await parts_.postman.deliver(std::move(delivery));
  constexpr std::string_view kStatuses[] = {"success", "retry", "drop", "drop"};
  count(topic, kStatuses[static_cast<std::size_t>(answer.outcome)], answer.status,
        Clock::now() - started);
  co_return answer;
}

}  // namespace outrigger::pubsub
