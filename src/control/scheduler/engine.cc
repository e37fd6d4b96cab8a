#include "control/scheduler/engine.h"

#include <limits>

#include "base/log.h"
#include "base/random.h"
#include "control/scheduler/record.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.scheduler.server.engine");

/// What is asked of the store at once.
constexpr std::size_t kReadMax = 10'000;
constexpr std::size_t kLoadMax = 256;
constexpr std::size_t kSettleMax = 128;
/// The alarm is always set, for it tells of a clock that was set.
constexpr auto kAlarmMax = 24h;
/// For what sidecars have answered when the service ends.
constexpr Duration kSettleGrace = 3s;

constexpr JobId kLastId = std::numeric_limits<JobId>::max() >> 1;
constexpr Due kBeginning{WallTime::min(), 0};

}  // namespace

Engine::Engine(Store& store, Clock& clock, Metrics& metrics, EngineOptions options,
               std::function<void(bool)> healthy)
    : store_(store),
      clock_(clock),
      metrics_(metrics),
      options_(options),
      healthy_(std::move(healthy)),
      reading_("to be read", [this](bool works) { tell_health(reads_work_, works); }),
      settling_("to take what became of triggers",
                [this](bool works) { tell_health(settling_works_, works); }),
      dispatcher_(*this, metrics),
      retry_([this] { poke(); }) {}

Engine::~Engine() = default;

void Engine::tell_health(bool& part, bool works) {
  part = works;
  healthy_(reads_work_ && settling_works_);
}

Task<Result<>> Engine::open(std::string address) {
  OUT_CO_CHECK(clock_.start(*this));
  scope_ = std::make_unique<Scope>();
  OUT_CO_CHECK(co_await store_.open(*this, std::move(address)));
  scope_->spawn(read_ahead());
  scope_->spawn(trigger_ready());
  scope_->spawn(settle_answers());
  co_return Result<>();
}

bool Engine::settled_all() const noexcept { return unsettled_.empty() && at_store_.empty(); }

Task<Result<>> Engine::wait_settled() {
  while (share_ && !settled_all()) {
    OUT_CO_CHECK(co_await calmer_.wait());
  }
  co_return Result<>();
}

Task<void> Engine::wind_down(Duration limit) {
  winding_down_ = true;
  Cancellation never;
  auto drained = co_await with_timeout(drain(), limit).under(never);
  if (!drained) log.warn("Sidecars are still at work on triggers; they may repeat");
}

Task<void> Engine::close() {
  clock_.stop();
  retry_.stop();
  if (scope_) {
    Cancellation never;
    auto settled = co_await with_timeout(wait_settled(), kSettleGrace).under(never);
    if (!settled) log.warn("The results of some triggers are not written down: they may repeat");
    scope_->cancel();
    co_await scope_->join();
    scope_.reset();
  }
  co_await store_.close();
}

// --- Who has which share. ---

bool Engine::mine(std::uint64_t partition_id) const noexcept {
  return share_ && share_->place().has(partition_id);
}

void Engine::owned(Share share) {
  if (hosts_.addresses != share.hosts) {
    hosts_ = {hosts_.version + 1, share.hosts};
    hosts_changed_.notify_all();
  }
  dispatcher_.set_share(share.index, share.total);
  // A share that is told of anew, to be read anew, may be about to end.
  if (!share_ || share_->term != share.term) {
    draining_ = false;
    carry_over(share);
  }
  share_ = std::move(share);
  start_over_ = true;
  poke();
  ready_changed_.notify_all();
  unsettled_changed_.notify_all();
}

/// What sidecars are at work on, or have answered, stays as it is if no other replica can have had
/// the job since. What else they answer is nobody's: the job may be sent again before that.
void Engine::carry_over(const Share& share) {
  const auto moved = [&share](const Unsettled& one) { return !share.continues(one.partition_id); };
  std::erase_if(unsettled_, moved);
  std::erase_if(at_store_, moved);
  std::unordered_map<JobId, State> kept;
  const auto keep = [this, &kept](JobId id, State state) {
    if (is(id, state)) kept.emplace(id, state);
  };
  for (const auto& one : unsettled_) keep(one.settlement.id, State::settling);
  for (const auto& one : at_store_) keep(one.settlement.id, State::settling);
  std::erase_if(flights_, [&share](const auto& entry) {
    return !share.continues(entry.second.life.job().partition_id);
  });
  for (const auto& [id, flight] : flights_) keep(id, State::flying);
  known_ = std::move(kept);
  dispatcher_.disown([this](JobId id) { return !flights_.contains(id); });
  if (!known_.empty()) log.info("Triggers that go on under the new share: ", known_.size());
}

Task<Result<>> Engine::drain() {
  draining_ = true;
  if (share_ && !flights_.empty()) {
    log.info("The share ends: waiting for triggers that sidecars are at work on: ",
             flights_.size());
  }
  while (share_ && (!flights_.empty() || !settled_all())) {
    OUT_CO_CHECK(co_await calmer_.wait());
  }
  co_return Result<>();
}

void Engine::lost() {
  share_.reset();
  draining_ = false;
  dispatcher_.forget_waiting();
  std::erase_if(known_, [](const auto& entry) {
    return entry.second != State::flying && entry.second != State::settling;
  });
  alarms_.clear();
  ready_.clear();
  woken_.clear();
  calmer_.notify_all();
}

void Engine::changed(JobId id, std::optional<JobId> replaced, WallTime due) {
  if (replaced) forget(*replaced);
  if (share_ && !known_.contains(id)) enqueue({due, id});
}

void Engine::removed(JobId id) { forget(id); }

// --- What is due, and when. ---

bool Engine::is(JobId id, State state) const {
  const auto found = known_.find(id);
  return found != known_.end() && found->second == state;
}

/// Keeps it in memory if it is due soon; else it will be read in time.
void Engine::enqueue(Due due) {
  if (due > std::max(horizon_, reading_to_)) {
    known_.erase(due.id);
    return;
  }
  known_[due.id] = State::queued;
  alarms_.push(due);
  if (alarms_.size() > 2 * options_.queued_max) poke();
  take_due();
}

void Engine::forget(JobId id) {
  if (known_.erase(id) == 0) return;
  if (flights_.erase(id) > 0) calmer_.notify_all();
  dispatcher_.forget(id);
}

void Engine::make_ready(JobId id) {
  known_[id] = State::ready;
  ready_.push_back(id);
  ready_changed_.notify_all();
}

void Engine::take_due() {
  const WallTime now = clock_.now();
  while (const Due* first = alarms_.first()) {
    if (first->when > now || ready_.size() >= options_.ready_max) break;
    const JobId id = first->id;
    alarms_.pop();
    if (is(id, State::queued)) make_ready(id);
  }
  if (alarms_.size() < options_.queued_max / 2) poke();
  arm(now);
}

// What has come due since `now` is for the alarm, which goes off at once.
void Engine::arm(WallTime now) {
  WallTime when = now + kAlarmMax;
  // What is due already waits for room among the ready ones, not for the clock.
  if (const Due* first = alarms_.first(); first != nullptr && first->when > now) {
    when = std::min(when, first->when);
  }
  const WallTime read_at = horizon_ == kBeginning ? now : horizon_.when - options_.window / 2;
  if (read_at > now) when = std::min(when, read_at);
  if (armed_ && *armed_ > now && *armed_ <= when) return;
  armed_ = when;
  clock_.arm(when);
}

void Engine::on_time() {
  armed_.reset();
  poke();
  take_due();
}

void Engine::on_jump() {
  log.warn("The clock was set; what is due is reckoned anew");
  armed_.reset();
  start_over_ = true;
  poke();
  take_due();
}

void Engine::poke() {
  look_ahead_ = true;
  look_ahead_signal_.notify_all();
}

Task<void> Engine::read_ahead() {
  for (;;) {
    while (!look_ahead_ || !share_) {
      auto woken = co_await look_ahead_signal_.wait();
      if (!woken) co_return;
    }
    look_ahead_ = false;
    Result<bool> more = true;
    if (std::exchange(start_over_, false)) {
      waits_to_shorten_ = true;
      forget_queued();
    }
    if (waits_to_shorten_) co_await shorten_waits();
    while (more && *more && share_ && !start_over_) {
      more = co_await read_some();
    }
    if (scope_->cancellation().requested()) co_return;
    shed();
    if (!more && more.error().code() != Code::aborted) {
      retry_.start(reading_.failed(more.error()));
    } else if (more) {
      reading_.worked();
    }
  }
}

void Engine::forget_queued() {
  std::erase_if(known_, [](const auto& entry) { return entry.second == State::queued; });
  alarms_.clear();
  horizon_ = kBeginning;
  reading_to_ = kBeginning;
}

/// Waits that a clock which was set back has made too long. A store that takes no writes keeps them
/// long, but no job from being read.
Task<void> Engine::shorten_waits() {
  const std::uint64_t term = share_->term;
  auto shortened = co_await store_.shorten_waits(term, clock_.now());
  if (!share_ || share_->term != term) co_return;
  if (!shortened) {
    retry_.start(settling_.failed(shortened.error()));
    co_return;
  }
  settling_.worked();
  waits_to_shorten_ = false;
  forget_queued();
}

Task<Result<bool>> Engine::read_some() {
  const WallTime now = clock_.now();
  if (alarms_.size() >= options_.queued_max) co_return false;
  // Half of what was read has come to pass before more is.
  if (horizon_.when > now && horizon_.when - now > options_.window / 2) co_return false;
  const std::uint64_t term = share_->term;
  const Due all{now + options_.window, kLastId};
  reading_to_ = all;
  auto found = co_await store_.due(term, horizon_, all.when, kReadMax);
  if (!share_ || share_->term != term || start_over_) co_return true;
  if (!found) {
    reading_to_ = horizon_;
    co_return std::unexpected(std::move(found).error());
  }
  for (const Due& due : *found) {
    const bool is_new = known_.try_emplace(due.id, State::queued).second;
    if (is_new) alarms_.push(due);
  }
  const bool more = found->size() >= kReadMax;
  horizon_ = all;
  if (more) horizon_ = found->back();
  reading_to_ = horizon_;
  take_due();
  co_return more;
}

/// Gives back what is due last when much more was written than is kept.
void Engine::shed() {
  if (alarms_.size() <= 2 * options_.queued_max) return;
  auto cut = alarms_.cut(options_.queued_max);
  for (const Due& due : cut.dropped) {
    if (is(due.id, State::queued)) known_.erase(due.id);
  }
  horizon_ = std::min(horizon_, cut.last_kept);
  reading_to_ = horizon_;
}

// --- Triggers. ---

/// From both queues, so that a million that a stream wakes do not hold up what has just come due.
std::vector<JobId> Engine::next_ready() {
  std::vector<JobId> ids;
  bool gone = false;
  const auto take = [this, &ids, &gone](std::deque<JobId>& queue, std::size_t size) {
    for (; !queue.empty() && ids.size() < size; queue.pop_front()) {
      const bool wanted = is(queue.front(), State::ready);
      if (wanted) ids.push_back(queue.front());
      gone = gone || !wanted;
    }
  };
  take(ready_, kLoadMax / 2);
  take(woken_, kLoadMax);
  take(ready_, kLoadMax);
  // They were woken for room that others can have.
  if (gone) dispatcher_.offer_room();
  return ids;
}

Task<void> Engine::trigger_ready() {
  for (;;) {
    while ((ready_.empty() && woken_.empty()) || !may_send()) {
      auto changed = co_await ready_changed_.wait();
      if (!changed) co_return;
    }
    const std::vector<JobId> ids = next_ready();
    const std::uint64_t term = share_->term;
    auto loaded = co_await store_.load(term, ids);
    if (scope_->cancellation().requested()) co_return;
    if (!share_ || share_->term != term) continue;
    const std::size_t looked_up = loaded && may_send() ? loaded->looked_up : 0;
    ready_.insert(ready_.begin(), ids.begin() + static_cast<std::ptrdiff_t>(looked_up), ids.end());
    if (!loaded) {
      const Duration pause = reading_.failed(loaded.error());
      auto slept = co_await sleep_for(pause);
      if (!slept) co_return;
      continue;
    }
    reading_.worked();
    if (!may_send()) continue;
    std::unordered_set<JobId> missing(ids.begin(),
                                      ids.begin() + static_cast<std::ptrdiff_t>(looked_up));
    for (auto& job : loaded->jobs) {
      missing.erase(job.id);
      if (is(job.id, State::ready)) trigger(std::move(job));
    }
    for (const JobId id : missing) forget(id);
    if (!missing.empty()) dispatcher_.offer_room();
    take_due();
  }
}

void Engine::trigger(LoadedJob loaded) {
  if (loaded.due > clock_.now()) {
    dispatcher_.forget(loaded.id);
    enqueue({loaded.due, loaded.id});
    dispatcher_.offer_room();
    return;
  }
  const auto give_up = [&](const Error& error) {
    // It stays in the store: somebody may mend it.
    log.error("The job ", loaded.name, " cannot be triggered: ", error);
    metrics_.undelivered(Metrics::Type::unknown);
    forget(loaded.id);
    dispatcher_.offer_room();
  };
  auto job = decode_job(loaded.job);
  if (!job) return give_up(job.error());
  auto target = target_of(*job);
  if (!target) return give_up(target.error());
  const std::string prefix = prefix_of(*target);
  if (!loaded.name.starts_with(prefix)) {
    return give_up(Error(Code::data_loss, "its name does not begin with " + prefix));
  }
  std::optional<Counter> counter;
  if (loaded.counter) {
    auto decoded = decode_counter(*loaded.counter);
    if (!decoded) return give_up(decoded.error());
    counter = *decoded;
  }
  Delivery delivery{.name = loaded.name.substr(prefix.size()),
                    .payload = std::move(job->job.payload),
                    .metadata = std::move(job->job.metadata->value)};
  job->job.payload.reset();
  job->job.metadata.reset();
  auto life = Life::resume(*std::move(job), counter, loaded.due);
  if (!life) return give_up(life.error());
  deliver(loaded, *std::move(life), *target, std::move(delivery));
}

void Engine::deliver(LoadedJob& loaded, Life life, const Target& target, Delivery delivery) {
  if (!life.next()) {
    dispatcher_.forget(loaded.id);
    settle(loaded.id, life);
    dispatcher_.offer_room();
    return;
  }
  switch (dispatcher_.offer(loaded.id, target, std::move(delivery))) {
    case Dispatcher::Outcome::sent:
      known_[loaded.id] = State::flying;
      flights_.insert_or_assign(loaded.id, Flight{std::move(life), Metrics::type_of(target),
                                                  std::chrono::steady_clock::now()});
      break;
    case Dispatcher::Outcome::undeliverable:
      metrics_.undelivered(Metrics::type_of(target));
      [[fallthrough]];
    case Dispatcher::Outcome::waits: known_[loaded.id] = State::waiting; break;
  }
}

void Engine::answered(JobId id, Answer answer) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return;
  Flight& flight = found->second;
  metrics_.triggered(flight.type, answer, std::chrono::steady_clock::now() - flight.since);
  if (answer == Answer::success) {
    flight.life.succeeded();
  } else {
    flight.life.failed();
  }
  settle(id, flight.life);
  flights_.erase(found);
}

bool Engine::undelivered(JobId id) {
  const auto found = flights_.find(id);
  if (found == flights_.end()) return false;
  metrics_.undelivered(found->second.type);
  flights_.erase(found);
  calmer_.notify_all();
  if (!share_) {
    known_.erase(id);  // Who has the next share reads it anew.
    return false;
  }
  known_[id] = State::waiting;
  return true;
}

void Engine::again(JobId id) {
  if (!known_.contains(id)) return;
  known_[id] = State::ready;
  woken_.push_back(id);
  ready_changed_.notify_all();
}

// --- What became of them. ---

void Engine::settle(JobId id, const Life& life) {
  Settlement settlement{.id = id, .counter = life.counter(), .waking = life.next()};
  if (settlement.waking) settlement.waking->due = due_at(*settlement.waking, clock_.now());
  known_[id] = State::settling;
  unsettled_.push_back({std::move(settlement), life.job().partition_id});
  unsettled_changed_.notify_all();
}

Task<void> Engine::settle_answers() {
  for (;;) {
    while (unsettled_.empty() || !share_) {
      calmer_.notify_all();
      auto woken = co_await unsettled_changed_.wait();
      if (!woken) co_return;
    }
    const auto count = std::min(unsettled_.size(), kSettleMax);
    std::vector<Settlement> batch;
    for (; batch.size() < count; unsettled_.pop_front()) {
      batch.push_back(unsettled_.front().settlement);
      at_store_.push_back(std::move(unsettled_.front()));
    }
    const std::uint64_t term = share_->term;
    auto there = co_await store_.settle(term, batch);
    const bool over = !share_ || share_->term != term;
    // Of another share by now, which has left what is its own: to be settled under that one.
    if (over || !there) unsettled_.insert(unsettled_.begin(), at_store_.begin(), at_store_.end());
    at_store_.clear();
    if (over) continue;
    if (!there) {
      const Duration pause = settling_.failed(there.error());
      auto slept = co_await sleep_for(pause);
      if (!slept) co_return;
      continue;
    }
    settling_.worked();
    for (std::size_t i = 0; i < count; ++i) settled(batch[i], (*there)[i]);
  }
}

void Engine::settled(const Settlement& settlement, bool there) {
  if (!is(settlement.id, State::settling)) return;
  if (there && settlement.waking) {
    enqueue({settlement.waking->due, settlement.id});
  } else {
    known_.erase(settlement.id);
  }
}

Engine::Counts Engine::counts() const noexcept {
  return {.known = known_.size(), .queued = alarms_.size(), .in_flight = flights_.size()};
}

}  // namespace outrigger::control::scheduler
