#include "control/scheduler/watched_store.h"

#include "base/log.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.scheduler.server.store");

constexpr Duration kSayEvery = 10s;

/// What is the caller's own, or says how the world is, and nothing about the store.
bool is_an_answer(Code code) {
  switch (code) {
    case Code::already_exists:
    case Code::not_found:
    case Code::invalid_argument:
    case Code::permission_denied:
    case Code::aborted:
    case Code::cancelled: return true;
    default: return false;
  }
}

}  // namespace

WatchedStore::WatchedStore(std::unique_ptr<Store> store, const Metrics& metrics,
                           std::function<void(bool)> healthy, WatchOptions options)
    : store_(std::move(store)),
      options_(options),
      healthy_(std::move(healthy)),
      metrics_(metrics),
      trouble_("to be written",
               [this](bool healthy) {
                 healthy_now_ = healthy;
                 tell();
               }),
      shareless_([this] {
        sharing_ = false;
        log.error("This replica has had no share of the jobs for some time");
        tell();
      }) {
  metrics_.store_fails(false);
}

void WatchedStore::tell() { healthy_(healthy_now_ && sharing_); }

void WatchedStore::works(bool works) {
  if (std::exchange(works_, works) != works) metrics_.store_fails(!works);
}

void WatchedStore::doubt(const Error& error) {
  metrics_.store_failed();
  if (!doubt_) doubt_ = error;
  called_.notify_all();
}

template <class T>
Task<Result<T>> WatchedStore::watch(Task<Result<T>> call) {
  const auto mine = calls_.insert(calls_.end(), std::chrono::steady_clock::now());
  if (calls_.size() == 1) called_.notify_all();
  auto result = co_await std::move(call);
  calls_.erase(mine);
  if (!result && !is_an_answer(result.error().code())) doubt(result.error());
  co_return result;
}

Task<Result<>> WatchedStore::next_call() {
  auto called = co_await called_.wait();
  co_return called;
}

/// Returns when there is reason to doubt that the store works; false: at the end.
Task<bool> WatchedStore::in_doubt() {
  for (;;) {
    if (doubt_) co_return true;
    Result<> waited;
    if (calls_.empty()) {
      waited = co_await called_.wait();
    } else {
      waited = co_await with_timeout(next_call(), options_.slow);
    }
    if (scope_.cancellation().requested()) co_return false;
    const TimePoint now = std::chrono::steady_clock::now();
    if (!calls_.empty() && now - calls_.front() >= options_.slow) co_return true;
  }
}

Task<void> WatchedStore::look_after() {
  for (;;) {
    const bool doubted = co_await in_doubt();
    if (!doubted) co_return;
    const auto reason = std::exchange(doubt_, std::nullopt);
    auto probed = co_await with_timeout(store_->probe(), options_.probe_timeout);
    if (scope_.cancellation().requested()) co_return;
    if (!probed && probed.error().code() == Code::deadline_exceeded) {
      probed = fail(Code::deadline_exceeded, "it does not answer");
    }
    // Whoever may write jobs only can do without the probe.
    if (!probed && is_an_answer(probed.error().code())) probed = Result<>();
    const bool worked = works_;
    works(probed.has_value());
    Duration pause = options_.slow;
    const TimePoint now = std::chrono::steady_clock::now();
    if (!probed) {
      pause = std::min(trouble_.failed(probed.error()), options_.probe_pause_max);
      doubt_ = probed.error();
    } else {
      trouble_.worked();
      if (worked && reason && now - said_ >= kSayEvery) {
        said_ = now;
        log.warn("The store of jobs has failed a call: ", *reason);
      }
    }
    auto slept = co_await sleep_for(pause);
    if (!slept) co_return;
  }
}

Task<Result<>> WatchedStore::open(Store::Events& events, std::string address) {
  events_ = &events;
  shareless_.start(options_.shareless_max);
  auto opened = co_await store_->open(*this, std::move(address));
  if (!opened) {
    shareless_.stop();
    co_return opened;
  }
  scope_.spawn(look_after());
  co_return Result<>();
}

Task<void> WatchedStore::close() {
  shareless_.stop();
  scope_.cancel();
  co_await scope_.join();
  co_await store_->close();
}

Task<Result<Written>> WatchedStore::put(PutRequest request) {
  return watch(store_->put(std::move(request)));
}
Task<Result<std::optional<StoredJob>>> WatchedStore::get(std::string name) {
  return watch(store_->get(std::move(name)));
}
Task<Result<std::optional<JobId>>> WatchedStore::remove(std::string name) {
  return watch(store_->remove(std::move(name)));
}
Task<Result<std::vector<JobId>>> WatchedStore::remove_prefix(std::string prefix) {
  return watch(store_->remove_prefix(std::move(prefix)));
}
Task<Result<std::vector<NamedJob>>> WatchedStore::list(ListRequest request) {
  return watch(store_->list(std::move(request)));
}
Task<Result<std::vector<Due>>> WatchedStore::due(std::uint64_t term, Due after, WallTime until,
                                                 std::size_t limit) {
  return watch(store_->due(term, after, until, limit));
}
Task<Result<Loaded>> WatchedStore::load(std::uint64_t term, std::vector<JobId> ids) {
  return watch(store_->load(term, std::move(ids)));
}
Task<Result<std::vector<bool>>> WatchedStore::settle(std::uint64_t term,
                                                     std::vector<Settlement> settlements) {
  return watch(store_->settle(term, std::move(settlements)));
}
Task<Result<>> WatchedStore::shorten_waits(std::uint64_t term, WallTime now) {
  return watch(store_->shorten_waits(term, now));
}
Task<Result<>> WatchedStore::probe() { return store_->probe(); }

void WatchedStore::owned(Share share) {
  shareless_.stop();
  if (!std::exchange(sharing_, true)) tell();
  events_->owned(std::move(share));
}

Task<Result<>> WatchedStore::drain() { return events_->drain(); }

void WatchedStore::lost() {
  if (!shareless_.running()) shareless_.start(options_.shareless_max);
  events_->lost();
}

void WatchedStore::changed(JobId id, std::optional<JobId> replaced, WallTime due) {
  events_->changed(id, replaced, due);
}

void WatchedStore::removed(JobId id) { events_->removed(id); }

}  // namespace outrigger::control::scheduler
