#include "runtime/actors/timers.h"

#include "base/log.h"
#include "runtime/actors/firing.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actors.timers.inmemory");

// Timers of the loop have no use for delays beyond this; a longer one is waited for in parts.
constexpr Duration kDelayMax = std::chrono::hours(24);

}  // namespace

struct Timers::Entry {
  Reminder reminder;
  Schedule schedule;
  ActorMetrics::OfType metrics;
  bool removed = false;
  std::unique_ptr<Timer> timer;
};

Timers::~Timers() { OUT_ASSERT(timers_.empty()); }

Result<> Timers::add(TimerRequest request) {
  Reminder reminder;
  reminder.actor = std::move(request.actor);
  reminder.name = std::move(request.name);
  reminder.data = std::move(request.data);
  reminder.due_time = request.when.due_time;
  reminder.period = request.when.period;
  reminder.callback = std::move(request.callback);
  reminder.is_timer = true;
  const std::string key = reminder.key();
  OUT_TRY(auto schedule, Schedule::parse(request.when, wall_now(), key));
  remove(reminder.actor, reminder.name);
  if (closed_) return {};
  if (!schedule.active()) {
    log.info("Timer ", key, " has expired");
    return {};
  }
  auto entry = std::make_shared<Entry>();
  entry->metrics = metrics_.of(reminder.actor.type);
  entry->reminder = std::move(reminder);
  entry->schedule = schedule;
  entry->metrics.timers.add(1);
  timers_.insert_or_assign(key, entry);
  start(entry);
  return {};
}

void Timers::remove(const ActorRef& actor, std::string_view name) {
  const auto found = timers_.find(actor.key() + "||" + std::string(name));
  if (found != timers_.end()) forget(EntryPtr(found->second));
}

void Timers::forget(const EntryPtr& entry) {
  if (std::exchange(entry->removed, true)) return;
  entry->timer->stop();
  // It may be its own callback that runs now.
  Loop::current().post([keep = entry] {});
  entry->metrics.timers.add(-1);
  timers_.erase(entry->reminder.key());
}

void Timers::start(const EntryPtr& entry) {
  const auto delay = entry->schedule.next() - wall_now();
  const auto bounded = std::clamp<std::chrono::nanoseconds>(delay, std::chrono::nanoseconds::zero(),
                                                            std::chrono::nanoseconds(kDelayMax));
  if (!entry->timer) {
    entry->timer = std::make_unique<Timer>([this, entry = std::weak_ptr<Entry>(entry)] {
      if (auto timer = entry.lock()) due(std::move(timer));
    });
  }
  entry->timer->start(std::chrono::duration_cast<Duration>(bounded));
}

void Timers::due(EntryPtr entry) {
  if (entry->schedule.next() - wall_now() > std::chrono::milliseconds(1)) return start(entry);
  std::string actor = entry->reminder.actor.key();
  const auto [lane, idle] = lanes_.try_emplace(actor);
  lane->second.push_back(std::move(entry));
  if (idle) scope_.spawn(run_lane(std::move(actor)));
}

Task<void> Timers::run_lane(std::string actor_key) {
  for (;;) {
    auto& lane = lanes_[actor_key];
    if (lane.empty() || closed_) break;
    EntryPtr next = std::move(lane.front());
    lane.pop_front();
    if (!next->removed) co_await fire(std::move(next));
  }
  lanes_.erase(actor_key);
}

Task<void> Timers::fire(EntryPtr entry) {
  auto reminder = std::make_shared<Reminder>(entry->reminder);
  reminder->registered = entry->schedule.next();
  reminder->expires = entry->schedule.expires();
  telemetry::Span span = firing_span(tracer_, *reminder);
  auto fired = co_await router_.fire(std::move(reminder));
  end_firing(span, fired);
  if (closed_) co_return;
  entry->metrics.timers_fired[fired ? 1 : 0].add();
  // A failure does not end a timer.
  if (!fired) log.error("Error executing timer: ", fired.error());
  if (entry->removed) co_return;
  const std::string key = entry->reminder.key();
  if (fired && *fired == Fired::cancelled) {
    log.info("Timer ", key, " has been cancelled by the application");
    forget(entry);
  } else if (!entry->schedule.advance()) {
    log.info("Timer ", key, " has been completed");
    forget(entry);
  } else if (!entry->schedule.active()) {
    log.info("Timer ", key, " has expired");
    forget(entry);
  } else {
    start(entry);
  }
}

Task<void> Timers::close() {
  closed_ = true;
  while (!timers_.empty()) forget(EntryPtr(timers_.begin()->second));
  scope_.cancel();
  co_await scope_.join();
}

}  // namespace outrigger::runtime::actors
