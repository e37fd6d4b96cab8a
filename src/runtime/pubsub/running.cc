#include "runtime/pubsub/running.h"

#include "base/log.h"
#include "runtime/pubsub/relay.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;

const Logger log("dapr.runtime.processor.subscription");

}  // namespace

RunningSubscription::RunningSubscription(Courier::Parts parts)
    : parts_(std::move(parts)), courier_(parts_) {}

RunningSubscription::~RunningSubscription() { OUT_ASSERT(source_ == nullptr); }

Task<Result<>> RunningSubscription::deliver(brokers::Message message) {
  Cancellation either(co_await this_cancellation());
  const Relay relay(drained_, either);
  auto delivering =
      batcher_ ? batcher_->add(std::move(message)) : courier_.deliver(std::move(message));
  auto delivered = co_await std::move(delivering).under(either);
  co_return delivered;
}

Task<Result<std::vector<brokers::BulkFailure>>> RunningSubscription::deliver_bulk(
    brokers::BulkMessage message) {
  Cancellation either(co_await this_cancellation());
  const Relay relay(drained_, either);
  auto delivering = courier_.deliver_bulk(std::move(message));
  auto delivered = co_await std::move(delivering).under(either);
  co_return delivered;
}

Task<Result<>> RunningSubscription::open() {
  if (closing_) co_return fail(Code::unavailable, "subscription is closed");
  Cancellation opening(co_await this_cancellation());
  opening_ = &opening;
  auto work = open_now();
  auto opened = co_await std::move(work).under(opening);
  opening_ = nullptr;
  opened_signal_.notify_all();
  co_return opened;
}

Task<Result<>> RunningSubscription::open_now() {
  const Subscription& subscription = *parts_.subscription;
  brokers::Broker& broker = parts_.broker->broker();
  brokers::SubscribeRequest request;
  request.topic = parts_.broker->broker_topic(subscription.topic);
  request.metadata = subscription.metadata;
  const OpenBroker::Use use(*parts_.broker);
  brokers::BulkSubscriber* const bulk_subscriber = broker.bulk_subscriber();
  if (subscription.bulk.enabled && bulk_subscriber != nullptr) {
    brokers::BulkSubscribeOptions options;
    options.max_messages_count = static_cast<int>(subscription.bulk.messages_max());
    options.max_await_duration_ms = static_cast<int>(subscription.bulk.await_max().count());
    brokers::DeliverBulk deliver = [this](brokers::BulkMessage message) {
      return deliver_bulk(std::move(message));
    };
    OUT_CO_TRY(source_, co_await bulk_subscriber->bulk_subscribe(std::move(request), options,
                                                                 std::move(deliver)));
    co_return Result<>();
  }
  if (subscription.bulk.enabled) {
    brokers::DeliverBulk deliver = [this](brokers::BulkMessage message) {
      return deliver_bulk(std::move(message));
    };
    const auto mode =
        broker.traits().bulk_subscribe_immediate ? Batcher::Mode::at_once : Batcher::Mode::gather;
    batcher_.emplace(request.topic, subscription.bulk, std::move(deliver), mode);
  }
  brokers::Deliver deliver_one = [this](brokers::Message message) {
    return deliver(std::move(message));
  };
  OUT_CO_TRY(source_, co_await broker.subscribe(std::move(request), std::move(deliver_one)));
  co_return Result<>();
}

void RunningSubscription::give_up() {
  log.warn("the messages being delivered on topic ", parts_.subscription->topic,
           " take too long at the end of the subscription and are given up");
  drained_.request();
  if (batcher_) batcher_->cancel();
}

void RunningSubscription::limit_drain(TimePoint drain_until) {
  if (!closing_ || closed_ || drain_until >= drain_until_) return;
  drain_until_ = drain_until;
  limit_.start_at(drain_until);
}

Task<void> RunningSubscription::close_now(TimePoint drain_until) {
  drain_until_ = std::min(drain_until, Loop::current().now() + kDrainMax);
  limit_.start_at(drain_until_);
  if (opening_ != nullptr) opening_->request();
  while (opening_ != nullptr) {
    [[maybe_unused]] const auto woken = co_await opened_signal_.wait();
  }
  if (batcher_) batcher_->hurry();
  if (source_) co_await source_->close();
  if (batcher_) co_await batcher_->close();
  limit_.stop();
  source_.reset();
  closed_ = true;
  closed_signal_.notify_all();
}

Task<void> RunningSubscription::wait_closed() {
  while (!closed_) {
    [[maybe_unused]] const auto woken = co_await closed_signal_.wait();
  }
}

Task<void> RunningSubscription::close(TimePoint drain_until) {
  Cancellation never;
  auto closing = closing_ ? wait_closed() : close_now(drain_until);
  closing_ = true;
  co_await std::move(closing).under(never);
}

}  // namespace outrigger::pubsub
