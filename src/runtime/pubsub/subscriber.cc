#include "runtime/pubsub/subscriber.h"

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/scope.h"
#include "runtime/pubsub/errors.h"

namespace outrigger::pubsub {
namespace {

const Logger log("dapr.runtime.processor.subscription");

// Upstream's limit, so that a component that hangs does not hold the shutdown.
constexpr Duration kPauseMax = std::chrono::seconds(5);

}  // namespace

/// A subscription that shall be at work here; `running` while it is.
struct Subscriber::Entry {
  SubscriptionPtr subscription;
  Stream* stream = nullptr;
  std::shared_ptr<RunningSubscription> running;
};

Subscriber::Subscriber(Service& service) : service_(service) {}
Subscriber::~Subscriber() { OUT_ASSERT(entries_.empty()); }

void Subscriber::set_app(runtime::app::Channel* app) {
  app_ = app;
  postman_.reset();
  if (app == nullptr) return;
  postman_ = app->is_grpc() ? make_grpc_postman(*app) : make_http_postman(*app);
}

void Subscriber::changed() {
  if (streams_changed_) streams_changed_();
}

Task<Result<>> Subscriber::run(std::shared_ptr<Entry> entry) {
  const Subscription& subscription = *entry->subscription;
  if (closing_.requested()) co_return fail(Code::unavailable, "subscriber is closed");
  const std::shared_ptr<OpenBroker> broker = service_.find(subscription.pubsub_name);
  if (broker == nullptr) {
    co_return fail(PublishErrors(subscription.pubsub_name).not_found({}));
  }
  if (!broker->scopes().may_subscribe(subscription.topic)) {
    co_return fail(Code::permission_denied, "subscription to topic '" + subscription.topic +
                                                "' on pubsub '" + subscription.pubsub_name +
                                                "' is not allowed");
  }
  Postman* const postman = entry->stream != nullptr ? &entry->stream->postman : postman_.get();
  if (postman == nullptr) co_return fail(Code::failed_precondition, "app channel not initialized");
  const Courier::Parts parts{service_, *postman, broker, entry->subscription};
  auto running = std::make_shared<RunningSubscription>(parts);
  entry->running = running;
  auto opened = co_await running->open();
  if (opened) co_return opened;
  if (entry->running == running) entry->running.reset();
  co_return fail(
      std::move(opened).error().context("failed to subscribe to topic " + subscription.topic));
}

Task<void> Subscriber::finish(std::shared_ptr<Entry> entry) {
  const std::shared_ptr<RunningSubscription> running = entry->running;
  if (running == nullptr) co_return;
  co_await running->close(drain_until_);
  if (entry->running == running) entry->running.reset();
}

Task<Result<>> Subscriber::start(SubscriptionPtr subscription) {
  auto entry = std::make_shared<Entry>();
  entry->subscription = std::move(subscription);
  entries_.push_back(entry);
  auto started = co_await run(entry);
  if (!started) std::erase(entries_, entry);
  co_return started;
}

Task<void> Subscriber::stop(SubscriptionPtr subscription) {
  std::shared_ptr<Entry> found;
  for (const auto& entry : entries_) {
    if (entry->subscription == subscription) found = entry;
  }
  if (found == nullptr) co_return;
  co_await finish(found);
  std::erase(entries_, found);
}

Task<Result<>> Subscriber::open_stream(Stream& stream) {
  auto entry = std::make_shared<Entry>();
  entry->subscription = stream.subscription;
  entry->stream = &stream;
  entries_.push_back(entry);
  auto started = co_await run(entry);
  if (!started) {
    std::erase(entries_, entry);
  } else {
    changed();
  }
  co_return started;
}

Task<void> Subscriber::close_stream(Stream& stream) {
  std::shared_ptr<Entry> found;
  for (const auto& entry : entries_) {
    if (entry->stream == &stream) found = entry;
  }
  if (found == nullptr) co_return;
  // A resume() may be opening it this very moment: close what there is until there is none.
  while (found->running != nullptr) co_await finish(found);
  std::erase(entries_, found);
  changed();
}

std::vector<SubscriptionPtr> Subscriber::streams() const {
  std::vector<SubscriptionPtr> found;
  for (const auto& entry : entries_) {
    if (entry->stream != nullptr) found.push_back(entry->subscription);
  }
  return found;
}

Task<void> Subscriber::suspend(std::string pubsub_name) {
  std::vector<Task<void>> tasks;
  for (const auto& entry : entries_) {
    if (entry->subscription->pubsub_name == pubsub_name) tasks.push_back(finish(entry));
  }
  co_await run_all(std::move(tasks));
}

Task<void> Subscriber::resume(std::string pubsub_name) {
  const auto entries = entries_;
  for (const auto& entry : entries) {
    const bool waits = entry->stream != nullptr && entry->running == nullptr &&
                       entry->subscription->pubsub_name == pubsub_name;
    // It may have been closed while another was opened.
    if (!waits || std::find(entries_.begin(), entries_.end(), entry) == entries_.end()) continue;
    const auto started = co_await run(entry);
    if (!started) {
      log.error("failed to reload pubsub for subscription streams ", pubsub_name, ": ",
                started.error());
    }
  }
}

void Subscriber::limit_drain(Duration drain_max) {
  drain_until_ = std::min(drain_until_, Loop::current().now() + drain_max);
  for (const auto& entry : entries_) {
    if (entry->running != nullptr) entry->running->limit_drain(drain_until_);
  }
}

Task<void> Subscriber::pause() {
  std::set<std::string> names;
  for (const auto& entry : entries_) names.insert(entry->subscription->pubsub_name);
  for (const std::string& name : names) {
    const std::shared_ptr<OpenBroker> broker = service_.find(name);
    if (broker == nullptr || broker->broker().pausable() == nullptr) continue;
    log.info("pausing subscriptions on pubsub ", name, " during graceful shutdown");
    const OpenBroker::Use use(*broker);
    auto pausing = broker->broker().pausable()->pause();
    const Duration left = drain_until_ - Loop::current().now();
    const auto paused =
        co_await with_timeout(std::move(pausing), std::clamp(left, Duration::zero(), kPauseMax));
    if (!paused && paused.error().code() != Code::unimplemented) {
      log.warn("failed to pause subscriptions on pubsub ", name,
               " during graceful shutdown: ", paused.error());
    }
  }
}

Task<void> Subscriber::shut_down() {
  closing_.request();
  std::vector<Task<void>> tasks;
  for (const auto& entry : entries_) tasks.push_back(finish(entry));
  co_await run_all(std::move(tasks));
  // A stream takes its entry out itself, once it has ended.
  std::erase_if(entries_, [](const auto& entry) { return entry->stream == nullptr; });
  const auto streams = entries_;
  for (const auto& entry : streams) entry->stream->end();
}

}  // namespace outrigger::pubsub
