#include "components/pubsub/sqlite_subscription.h"

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "base/time_format.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;
using sqlite::Client;
using sqlite::Database;

const Logger log("dapr.contrib.pubsub.sqlite");

/// As much work is taken ahead: enough to hide the way to the database and back, and little enough
/// not to keep much from the other consumers of the group.
constexpr double kSecondsAhead = 0.05;
constexpr std::size_t kBytesAhead = 8UL << 20;
/// After the database refused; doubles up to 64 times that.
constexpr Duration kFirstPause = 50ms;
constexpr int kPauseDoublings = 6;
/// A subscription that is being closed does not wait for a broken database for ever: its leases
/// will end by themselves.
constexpr int kLastFailures = 4;

std::int64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}
std::int64_t wall_ms() {
  const auto now = wall_now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::int64_t new_owner() { return static_cast<std::int64_t>(fast_random_below(INT64_MAX - 1)) + 1; }

}  // namespace

SqliteSubscription::SqliteSubscription(Parts parts)
    : parts_(std::move(parts)),
      owner_(new_owner()),
      bell_(std::make_shared<SqliteHub::Bell>(Loop::current(), parts_.topic)),
      timer_([this] { bell_->rung.notify_all(); }),
      touched_(Clock::now()),
      limit_(parts_.consumer->concurrency) {
  parts_.hub->join(bell_);
  scope_.spawn(run(), never_);
}

SqliteSubscription::~SqliteSubscription() { OUT_ASSERT(closed_); }

Task<void> SqliteSubscription::close() {
  closing_ = true;
  parts_.hub->leave(bell_);
  bell_->rung.notify_all();
  Cancellation* const mine = co_await this_cancellation();
  if (mine != nullptr && mine->requested()) {
    on_cancel();
  } else if (mine != nullptr) {
    mine->add(*this);
  }
  co_await scope_.join();
  unlink();
  timer_.stop();
  closed_ = true;
  parts_.hub->ring(parts_.topic);  // For others that may take what was given back.
}

void SqliteSubscription::on_cancel() noexcept { scope_.cancel(); }

// --- The conversation with the database.

Task<void> SqliteSubscription::run() {
  while (!ended()) {
    if (closing_) release_unbegun();
    if (bell_->fresh || (due_ && *due_ <= now_ms())) look_ = Look::take;
    if (bell_->stirred && look_ == Look::no) look_ = Look::first;
    bell_->fresh = bell_->stirred = false;
    if (look_ == Look::first && capacity() > 0 && !has_to_talk()) co_await look();
    if (has_to_talk()) {
      const bool answered = co_await talk();
      if (answered) {
        failures_ = 0;
        start_workers();
        continue;
      }
      if (closing_ && failures_ >= kLastFailures) break;
      auto paused = co_await sleep_for(kFirstPause * (1 << std::min(failures_, kPauseDoublings)));
      OUT_ASSERT(paused);  // Under never_.
      continue;
    }
    if (ended() || bell_->fresh || bell_->stirred) continue;
    start_timer();
    auto woken = co_await bell_->rung.wait();
    OUT_ASSERT(woken);
  }
}

bool SqliteSubscription::ended() const {
  return closing_ && workers_ == 0 && ready_.empty() && done_.empty() && failed_.empty() &&
         released_.empty();
}

std::size_t SqliteSubscription::capacity() const {
  if (closing_) return 0;
  if (parts_.consumer->strict_order && !leases_.empty()) return 0;
  // Not for a single message each time when many more could be taken.
  const std::size_t free = limit_ > leases_.size() ? limit_ - leases_.size() : 0;
  const bool worth_it = free > limit_ / 2 || ready_.empty();
  return worth_it && ready_bytes_ < kBytesAhead ? free : 0;
}

bool SqliteSubscription::has_to_talk() const {
  if (!done_.empty() || !failed_.empty() || !released_.empty()) return true;
  if (look_ == Look::take && capacity() > 0) return true;
  if (Clock::now() - touched_ >= parts_.consumer->touch_interval && !closing_) return true;
  const std::int64_t soon = now_ms() + (parts_.consumer->visibility_timeout.count() * 2 / 3);
  return std::ranges::any_of(leases_, [soon](const auto& one) { return one.second < soon; });
}

void SqliteSubscription::start_timer() {
  auto wake = touched_ + parts_.consumer->touch_interval;
  const auto not_after = [&wake](std::int64_t ms) {
    wake = std::min(wake, Clock::time_point(std::chrono::milliseconds(ms)));
  };
  if (due_ && capacity() > 0) not_after(*due_);
  for (const auto& [id, until] : leases_) {
    not_after(until - (parts_.consumer->visibility_timeout.count() * 2 / 3) + 1);
  }
  timer_.start_at(wake);
}

SqliteTables::Exchange SqliteSubscription::next_exchange() {
  const auto& consumer = *parts_.consumer;
  const std::int64_t now = now_ms();
  SqliteTables::Exchange exchange{.group = parts_.group,
                                  .owner = owner_,
                                  .now = now,
                                  .wall = wall_ms(),
                                  .retry_at = now + consumer.redeliver_interval.count(),
                                  .lease_until = now + consumer.visibility_timeout.count(),
                                  .bytes_max = kBytesAhead,
                                  .strict = consumer.strict_order};
  exchange.done.swap(done_);
  exchange.failed.swap(failed_);
  exchange.released.swap(released_);
  const std::int64_t soon = now + (consumer.visibility_timeout.count() * 3 / 4);
  for (const auto& [id, until] : leases_) {
    if (until < soon) exchange.renewed.push_back(id);
  }
  if (look_ == Look::take) exchange.wanted = capacity();
  if (Clock::now() - touched_ >= consumer.touch_interval) {
    exchange.touch = true;
    touched_ = Clock::now();
  }
  return exchange;
}

/// One exchange; false if the database refused it.
Task<bool> SqliteSubscription::talk() {
  auto exchange = std::make_shared<SqliteTables::Exchange>(next_exchange());
  if (exchange->wanted > 0) look_ = Look::no;
  Client::Work<SqliteTables::Exchanged> work = [tables = parts_.tables,
                                                exchange](Database& database) {
    return tables->exchange(database, *exchange);
  };
  // If the machine fails, no consumer lives on that would mind a lease; and what was done is done
  // again, as anything may be.
  auto answer = co_await parts_.client.write_unflushed(std::move(work));
  if (!answer) {
    report(answer.error());
    put_back(*exchange);
    co_return false;
  }
  if (answer->gone) {
    const bool joined = co_await join_again();
    co_return joined;
  }
  take_in(std::move(*answer), exchange->lease_until);
  for (const auto id : exchange->renewed) {
    if (auto found = leases_.find(id); found != leases_.end()) {
      found->second = exchange->lease_until;
    }
  }
  co_return true;
}

void SqliteSubscription::take_in(SqliteTables::Exchanged answer, std::int64_t lease_until) {
  for (const auto id : answer.lost) forget(id);
  if (answer.more) look_ = Look::take;
  due_ = answer.due;
  for (auto& taken : answer.taken) {
    leases_[taken.id] = lease_until;
    ready_bytes_ += taken.data.size();
    ready_.push_back(std::move(taken));
  }
}

/// A lease that has gone to somebody else: if the message is not begun yet it must not be.
void SqliteSubscription::forget(std::int64_t id) {
  const auto found = std::ranges::find(ready_, id, &SqliteTables::Taken::id);
  if (found == ready_.end()) return;
  ready_bytes_ -= found->data.size();
  ready_.erase(found);
  leases_.erase(id);
}

void SqliteSubscription::put_back(SqliteTables::Exchange& exchange) {
  done_.insert(done_.end(), exchange.done.begin(), exchange.done.end());
  failed_.insert(failed_.end(), exchange.failed.begin(), exchange.failed.end());
  released_.insert(released_.end(), exchange.released.begin(), exchange.released.end());
  if (exchange.wanted > 0) look_ = Look::take;
}

void SqliteSubscription::report(const Error& error) {
  ++failures_;
  if (failures_ > 1) return;
  log.error("subscription to topic ", parts_.topic, " has no access to the database: ", error);
}

Task<void> SqliteSubscription::look() {
  look_ = Look::no;
  Client::Work<SqliteTables::Outlook> work = [tables = parts_.tables, group = parts_.group,
                                              now = now_ms()](Database& database) {
    return tables->look(database, group, now);
  };
  auto outlook = co_await parts_.client.read(std::move(work));
  // The exchange that follows an error says what is wrong.
  if (!outlook || outlook->ready) look_ = Look::take;
  if (outlook) due_ = outlook->due;
}

/// The group was forgotten by a clean-up: so long was this process stopped, or out of touch.
Task<bool> SqliteSubscription::join_again() {
  log.warn("consumer group ", parts_.consumer->group, " of topic ", parts_.topic,
           " had been forgotten; it begins anew");
  Client::Work<SqliteTables::Group> work = [tables = parts_.tables, topic = parts_.topic,
                                            name = parts_.consumer->group](Database& database) {
    return tables->join(database, topic, name, wall_ms());
  };
  auto joined = co_await parts_.client.write(std::move(work));
  if (!joined) {
    report(joined.error());
    co_return false;
  }
  parts_.group = *joined;
  look_ = Look::take;
  co_return true;
}

void SqliteSubscription::release_unbegun() {
  for (const auto& taken : ready_) {
    leases_.erase(taken.id);
    released_.push_back(taken.id);
  }
  ready_.clear();
  ready_bytes_ = 0;
}

// --- The deliveries.

void SqliteSubscription::start_workers() {
  // Each takes one at least, before this goes on.
  while (workers_ < parts_.consumer->concurrency && !ready_.empty() && !closing_) {
    ++workers_;
    scope_.spawn(work());
  }
}

Task<void> SqliteSubscription::work() {
  while (!ready_.empty() && !closing_) {
    auto taken = std::move(ready_.front());
    ready_.pop_front();
    ready_bytes_ -= taken.data.size();
    const std::int64_t id = taken.id;
    if (leases_[id] > now_ms()) {
      co_await handle(std::move(taken));
    } else {
      // This process was stopped for so long that the message may be with somebody else by now.
      look_ = Look::take;
    }
    leases_.erase(id);
    bell_->rung.notify_all();
  }
  --workers_;
  bell_->rung.notify_all();
}

Task<void> SqliteSubscription::handle(SqliteTables::Taken taken) {
  const std::int64_t id = taken.id;
  if (parts_.consumer->strict_order) {
    const bool done = co_await try_until_done(std::move(taken));
    (done ? done_ : released_).push_back(id);
    co_return;
  }
  auto handled = co_await give(std::move(taken));
  if (handled) {
    done_.push_back(id);
  } else if (scope_.cancellation().requested()) {
    released_.push_back(id);
  } else {
    log.warn("message of topic ", parts_.topic,
             " was not handled and will be given again: ", handled.error());
    failed_.push_back(id);
  }
}

/// False if the subscription is being closed before.
Task<bool> SqliteSubscription::try_until_done(SqliteTables::Taken taken) {
  for (;;) {
    auto handled = co_await give(taken);
    if (handled) co_return true;
    if (closing_) co_return false;
    log.warn("message of topic ", parts_.topic,
             " was not handled and will be given again: ", handled.error());
    const auto again = Clock::now() + parts_.consumer->redeliver_interval;
    Timer alarm([this] { bell_->rung.notify_all(); });
    alarm.start_at(again);
    while (Clock::now() < again && !closing_) {
      if (!co_await bell_->rung.wait()) break;
    }
    if (closing_) co_return false;
  }
}

Task<Result<>> SqliteSubscription::give(SqliteTables::Taken taken) {
  Message message;
  message.topic = parts_.topic;
  message.data = std::move(taken.data);
  message.content_type = std::move(taken.content_type);
  auto metadata = unpack_properties(taken.metadata);
  if (!metadata) {
    log.error("message ", taken.id, " of topic ", parts_.topic, " has unreadable metadata");
  } else {
    message.metadata = std::move(*metadata);
  }
  const auto begun = Clock::now();
  auto handled = co_await parts_.deliver(std::move(message));
  learn(Clock::now() - begun);
  co_return handled;
}

void SqliteSubscription::learn(Clock::duration took) {
  const double seconds = std::max(std::chrono::duration<double>(took).count(), 1e-6);
  seconds_each_ = seconds_each_ == 0 ? seconds : (seconds_each_ * 0.8) + (seconds * 0.2);
  const auto& consumer = *parts_.consumer;
  const double ahead = kSecondsAhead / seconds_each_ * static_cast<double>(consumer.concurrency);
  const auto highest = static_cast<double>(consumer.in_flight_max);
  limit_ = std::max(consumer.concurrency, static_cast<std::size_t>(std::min(ahead, highest)));
}

}  // namespace outrigger::components::pubsub
