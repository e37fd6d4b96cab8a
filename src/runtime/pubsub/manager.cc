#include "runtime/pubsub/manager.h"

#include <map>
#include <set>

#include "base/log.h"
#include "base/random.h"
#include "runtime/pubsub/app_subscriptions.h"

namespace outrigger::pubsub {
namespace {

using std::chrono::milliseconds;

const Logger log("dapr.runtime.processor.subscription");

// Go's backoff library, as upstream uses it for subscriptions that fail to start.
constexpr milliseconds kWaitMax(60'000);
constexpr double kGrowth = 1.5;
constexpr double kJitter = 0.5;

std::size_t hash_of(const Subscription& subscription) {
  return std::hash<std::string>()(subscription.pubsub_name + "||" + subscription.topic);
}

}  // namespace

struct SubscriptionManager::Impl {
  explicit Impl(Options given)
      : options(std::move(given)), retry([this] { scope.spawn(retry_now()); }) {}

  Options options;
  Scope scope;
  /// One change at a time: each is several waits long.
  Semaphore turn{1};
  bool active = false;
  bool closed = false;
  bool asked = false;
  std::vector<SubscriptionPtr> declared;
  std::vector<SubscriptionPtr> programmatic;
  std::set<std::string, std::less<>> open_components;
  /// What is at work, and the loop it is on.
  std::map<SubscriptionPtr, unsigned> running;
  bool failed_to_start = false;
  milliseconds wait = options.first_wait;
  Timer retry;
  /// Held weakly by what other loops post here, which may come after the end.
  std::shared_ptr<Impl*> alive = std::make_shared<Impl*>(this);

  void changed() {
    if (options.changed) options.changed();
  }
  [[nodiscard]] std::vector<SubscriptionPtr> wanted() const;
  Task<Result<>> ask_app();
  Task<void> start_one(SubscriptionPtr subscription);
  Task<void> stop_one(SubscriptionPtr subscription, unsigned loop);
  Task<void> reconcile();
  Task<void> retry_now();
  Task<void> opened(std::string pubsub_name, std::shared_ptr<Completion<>> done);
  Task<void> on_every_loop(std::function<Task<void>(Subscriber*)> work);
  void arrange_retry();
};

std::vector<SubscriptionPtr> SubscriptionManager::Impl::wanted() const {
  std::vector<SubscriptionPtr> wanted;
  if (!active || closed) return wanted;
  for (SubscriptionPtr& each : merge_subscriptions(declared, programmatic)) {
    if (open_components.contains(each->pubsub_name)) wanted.push_back(std::move(each));
  }
  return wanted;
}

Task<Result<>> SubscriptionManager::Impl::ask_app() {
  if (asked || open_components.empty()) co_return Result<>();
  runtime::app::Channel* const app = options.subscribers.front()->app();
  if (app == nullptr) {
    log.warn(
        "app channel not initialized, make sure -app-port is specified if pubsub "
        "subscription is required");
    co_return Result<>();
  }
  if (!options.ask_app) {
    asked = true;
    log.warn(
        "Skipping programmatic subscription loading (see 'disable-init-endpoints' "
        "flag/annotation)");
    co_return Result<>();
  }
  auto asking = fetch_app_subscriptions(app, options.first_wait);
  auto fetched = co_await std::move(asking).under(scope.cancellation());
  // An answer that is wrong stays wrong; an application that could not be reached is asked again.
  asked = fetched || fetched.error().code() == Code::invalid_argument;
  if (!fetched) co_return std::unexpected(std::move(fetched).error());
  std::map<std::string_view, std::string> topics;
  for (const SubscriptionPtr& each : *fetched) {
    std::string& list = topics[each->pubsub_name];
    list += (list.empty() ? "" : " ") + each->topic;
  }
  for (const auto& [pubsub, list] : topics) {
    log.info("app is subscribed to the following topics: [[", list, "]] through pubsub=", pubsub);
  }
  programmatic = *std::move(fetched);
  changed();
  co_return Result<>();
}

Task<void> SubscriptionManager::Impl::start_one(SubscriptionPtr subscription) {
  const auto loop = static_cast<unsigned>(hash_of(*subscription) % options.subscribers.size());
  Subscriber* const subscriber = options.subscribers[loop];
  std::move_only_function<Task<Result<>>()> work = [subscriber, subscription] {
    return subscriber->start(subscription);
  };
  const auto started = co_await call_on<void>(options.loops[loop], std::move(work));
  if (started) {
    running.emplace(subscription, loop);
    co_return;
  }
  log.error("Failed to start subscription for pubsub ", subscription->pubsub_name, ", topic ",
            subscription->topic, ": ", started.error());
  // A topic out of scope stays so: no use in trying again.
  if (started.error().code() != Code::permission_denied) failed_to_start = true;
}

Task<void> SubscriptionManager::Impl::stop_one(SubscriptionPtr subscription, unsigned loop) {
  Subscriber* const subscriber = options.subscribers[loop];
  struct Stop {
    static Task<Result<>> run(Subscriber* subscriber, SubscriptionPtr subscription) {
      co_await subscriber->stop(std::move(subscription));
      co_return Result<>();
    }
  };
  std::move_only_function<Task<Result<>>()> work = [subscriber, subscription] {
    return Stop::run(subscriber, subscription);
  };
  [[maybe_unused]] const auto stopped =
      co_await call_on<void>(options.loops[loop], std::move(work));
}

Task<void> SubscriptionManager::Impl::reconcile() {
  retry.stop();
  const std::vector<SubscriptionPtr> goal = wanted();
  const std::set<SubscriptionPtr> keep(goal.begin(), goal.end());
  std::vector<Task<void>> stops;
  for (auto each = running.begin(); each != running.end();) {
    if (keep.contains(each->first)) {
      ++each;
      continue;
    }
    stops.push_back(stop_one(each->first, each->second));
    each = running.erase(each);
  }
  co_await run_all(std::move(stops));
  failed_to_start = false;
  std::vector<Task<void>> starts;
  for (const SubscriptionPtr& each : goal) {
    if (!running.contains(each)) starts.push_back(start_one(each));
  }
  co_await run_all(std::move(starts));
  arrange_retry();
}

void SubscriptionManager::Impl::arrange_retry() {
  if (!failed_to_start || !active || closed) {
    wait = options.first_wait;
    return;
  }
  const double factor = 1 - kJitter + 2 * kJitter * fast_random_unit();
  retry.start(std::chrono::duration_cast<Duration>(wait * factor));
  wait = std::min(kWaitMax, std::chrono::duration_cast<milliseconds>(wait * kGrowth));
}

Task<void> SubscriptionManager::Impl::retry_now() {
  if (!co_await turn.acquire()) co_return;
  co_await reconcile();
  turn.release();
}

Task<void> SubscriptionManager::Impl::on_every_loop(std::function<Task<void>(Subscriber*)> work) {
  return run_on_all(options.loops, [this, work = std::move(work)](unsigned i) {
    return work(options.subscribers[i]);
  });
}

SubscriptionManager::SubscriptionManager(Options options)
    : impl_(std::make_unique<Impl>(std::move(options))) {
  Loop* const home = &impl_->options.loops[0];
  const std::weak_ptr<Impl*> weak = impl_->alive;
  for (Subscriber* subscriber : impl_->options.subscribers) {
    subscriber->on_streams_changed([home, weak] {
      home->post([weak] {
        if (const auto impl = weak.lock()) (*impl)->changed();
      });
    });
  }
}
SubscriptionManager::~SubscriptionManager() = default;

Result<> SubscriptionManager::declare(const resources::Subscription& resource) {
  if (!resources::in_scope(resource.scopes, impl_->options.app_id)) return {};
  OUT_TRY(auto subscription, make_subscription(resource));
  std::erase_if(impl_->declared, [&](const auto& each) { return each->name == resource.name; });
  impl_->declared.push_back(std::move(subscription));
  impl_->changed();
  return {};
}

void SubscriptionManager::undeclare(const std::string& name) {
  std::erase_if(impl_->declared, [&](const auto& each) { return each->name == name; });
  impl_->changed();
}

Task<void> SubscriptionManager::apply() {
  if (!co_await impl_->turn.acquire()) co_return;
  co_await impl_->reconcile();
  impl_->turn.release();
}

Task<void> SubscriptionManager::Impl::opened(std::string pubsub_name,
                                             std::shared_ptr<Completion<>> done) {
  if (co_await turn.acquire()) {
    open_components.insert(pubsub_name);
    auto resume = [&pubsub_name](Subscriber* subscriber) {
      return subscriber->resume(pubsub_name);
    };
    co_await on_every_loop(std::move(resume));
    if (active) {
      const auto answered = co_await ask_app();
      if (!answered) log.warn("failed to subscribe to topics: ", answered.error());
      co_await reconcile();
    }
    turn.release();
  }
  done->set(Result<>());
}

Task<void> SubscriptionManager::component_opened(std::string pubsub_name) {
  // Whoever opens the component may run out of time; its subscriptions must start all the same.
  const auto done = std::make_shared<Completion<>>();
  impl_->scope.spawn(impl_->opened(std::move(pubsub_name), done));
  [[maybe_unused]] const auto waited = co_await done->wait();
}

Task<void> SubscriptionManager::component_closing(std::string pubsub_name) {
  Cancellation never;
  auto acquiring = impl_->turn.acquire();
  [[maybe_unused]] const auto acquired = co_await std::move(acquiring).under(never);
  impl_->open_components.erase(pubsub_name);
  auto stopping = impl_->reconcile();
  co_await std::move(stopping).under(never);
  auto suspending = impl_->on_every_loop(
      [&pubsub_name](Subscriber* subscriber) { return subscriber->suspend(pubsub_name); });
  co_await std::move(suspending).under(never);
  impl_->turn.release();
}

Task<Result<>> SubscriptionManager::app_healthy() {
  OUT_CO_CHECK(co_await impl_->turn.acquire());
  Result<> outcome;
  if (!impl_->active && !impl_->closed) {
    outcome = co_await impl_->ask_app();
    if (outcome) {
      impl_->active = true;
      co_await impl_->reconcile();
    }
  }
  impl_->turn.release();
  co_return outcome;
}

Task<void> SubscriptionManager::app_unhealthy() {
  if (!co_await impl_->turn.acquire()) co_return;
  impl_->active = false;
  co_await impl_->reconcile();
  impl_->turn.release();
}

Task<void> SubscriptionManager::shut_down() {
  // Ends a question to the application that is under way, and so the turn of who asks it.
  impl_->closed = true;
  impl_->scope.cancel();
  Cancellation never;
  auto acquiring = impl_->turn.acquire();
  [[maybe_unused]] const auto acquired = co_await std::move(acquiring).under(never);
  impl_->active = false;
  auto pausing = impl_->on_every_loop([](Subscriber* subscriber) { return subscriber->pause(); });
  co_await std::move(pausing).under(never);
  auto stopping = impl_->reconcile();
  co_await std::move(stopping).under(never);
  auto ending =
      impl_->on_every_loop([](Subscriber* subscriber) { return subscriber->shut_down(); });
  co_await std::move(ending).under(never);
  impl_->retry.stop();
  impl_->turn.release();
  co_await impl_->scope.join();
}

Task<void> SubscriptionManager::limit_drain(Duration drain_max) {
  struct Limit {
    static Task<void> set(Subscriber* subscriber, Duration drain_max) {
      subscriber->limit_drain(drain_max);
      co_return;
    }
  };
  Cancellation never;
  auto limiting = impl_->on_every_loop(
      [drain_max](Subscriber* subscriber) { return Limit::set(subscriber, drain_max); });
  co_await std::move(limiting).under(never);
}

Task<std::vector<SubscriptionPtr>> SubscriptionManager::list() {
  auto all = merge_subscriptions(impl_->declared, impl_->programmatic);
  struct Collect {
    static Task<Result<std::vector<SubscriptionPtr>>> from(Subscriber* subscriber) {
      co_return subscriber->streams();
    }
  };
  for (unsigned i = 0; i < impl_->options.subscribers.size(); ++i) {
    Subscriber* const subscriber = impl_->options.subscribers[i];
    std::move_only_function<Task<Result<std::vector<SubscriptionPtr>>>()> collect = [subscriber] {
      return Collect::from(subscriber);
    };
    auto streams =
        co_await call_on<std::vector<SubscriptionPtr>>(impl_->options.loops[i], std::move(collect));
    if (streams) all.insert(all.end(), streams->begin(), streams->end());
  }
  co_return all;
}

}  // namespace outrigger::pubsub
