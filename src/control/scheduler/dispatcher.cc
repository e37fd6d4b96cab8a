#include "control/scheduler/dispatcher.h"

namespace outrigger::control::scheduler {
namespace {

/// Woken when a stream has room: about what it takes before it is full again.
constexpr int kWokenForRoom = 256;
/// No job has this id.
constexpr JobId kNobody = 0;
constexpr std::size_t kGroupsSweepMin = 1000;

std::string limiter_key(std::string_view name_space, std::string_view shown) {
  std::string key(name_space);
  // Namespaces have no such byte.
  key += '\n';
  key += shown;
  return key;
}

std::string shown_as(const std::string& actor_type, const std::optional<std::string>& key) {
  return key ? actor_type + ":" + *key : actor_type;
}

Target group_target(const WatchRequest& request, Target::Kind kind, std::string actor_type) {
  Target target;
  target.kind = kind;
  target.app_id = request.app_id;
  target.name_space = request.name_space;
  target.actor_type = std::move(actor_type);
  return target;
}

std::vector<std::string> groups_of(const WatchRequest& request) {
  std::vector<std::string> groups;
  if (request.jobs) groups.push_back(group_of(group_target(request, Target::Kind::job, "")));
  for (const auto& type : request.actor_types) {
    groups.push_back(group_of(group_target(request, Target::Kind::actor, type)));
  }
  std::ranges::sort(groups);
  const auto same = std::ranges::unique(groups);
  groups.erase(same.begin(), same.end());
  return groups;
}

}  // namespace

std::uint32_t Dispatcher::part_of(std::uint32_t count) const noexcept {
  if (total_ <= 1) return count;
  const auto base = static_cast<std::uint32_t>(count / total_);
  // Less than one each would starve some; the sum is then more than the limit, as upstream's.
  if (base == 0) return 1;
  return index_ < count % total_ ? base + 1 : base;
}

Dispatcher::Limiters Dispatcher::limiters_for(const Target& target) const {
  Limiters found;
  if (target.kind != Target::Kind::actor) return found;
  std::string key = limiter_key(target.name_space, target.actor_type);
  if (limiters_.contains(key)) found.push_back(std::move(key));
  if (target.concurrency_key) {
    key = limiter_key(target.name_space, shown_as(target.actor_type, target.concurrency_key));
    if (limiters_.contains(key)) found.push_back(std::move(key));
  }
  return found;
}

/// 0 if all are full.
WatcherId Dispatcher::choose(Group& group) const {
  const std::size_t count = group.watchers.size();
  for (std::size_t tried = 0; tried < count; ++tried) {
    const WatcherId id = group.watchers[group.turn++ % count];
    if (!connected_.at(id).watcher->full()) return id;
  }
  return 0;
}

bool Dispatcher::acquire(const Limiters& limiters) {
  for (const auto& key : limiters) {
    const auto found = limiters_.find(key);
    if (found == limiters_.end()) continue;
    if (found->second.taken >= part_of(found->second.count)) return false;
  }
  for (const auto& key : limiters) {
    const auto found = limiters_.find(key);
    if (found == limiters_.end()) continue;
    gauges_.in_flight(found->second.shown, ++found->second.taken);
  }
  return true;
}

void Dispatcher::release(const Limiters& limiters) {
  for (const auto& key : limiters) {
    const auto found = limiters_.find(key);
    if (found == limiters_.end()) continue;
    auto& limiter = found->second;
    if (limiter.taken > 0) --limiter.taken;
    gauges_.in_flight(limiter.shown, limiter.taken);
  }
  for (const auto& key : limiters) {
    const auto found = limiters_.find(key);
    if (found != limiters_.end()) admit(found->second);
  }
}

/// Lets go on who can. Not only the first: that one may wait for another limit as well.
void Dispatcher::admit(Limiter& limiter) {
  for (std::size_t tries = limiter.waiting.size(); tries > 0; --tries) {
    if (limiter.taken >= part_of(limiter.count)) break;
    const auto job = limiter.waiting.pop(waiting_);
    if (!job) break;
    const auto needs = needs_.find(*job);
    if (needs == needs_.end()) continue;  // It waits for something else by now.
    if (!acquire(needs->second)) {
      blocking(needs->second).waiting.push(*job, waiting_);
      continue;
    }
    holds_[*job] = std::move(needs->second);
    needs_.erase(needs);
    waiting_.erase(*job);
    owner_.again(*job);
  }
  gauges_.pending(limiter.shown, limiter.waiting.size());
}

void Dispatcher::wait(Backlog& backlog, JobId job) {
  backlog.push(job, waiting_);
  waiting_.insert(job);
}

Dispatcher::Limiter& Dispatcher::blocking(const Limiters& needs) {
  const auto found = std::ranges::find_if(needs, [this](const auto& key) {
    const auto limiter = limiters_.find(key);
    return limiter != limiters_.end() && limiter->second.taken >= part_of(limiter->second.count);
  });
  OUT_ASSERT(found != needs.end());
  return limiters_.at(*found);
}

void Dispatcher::wait_for_limit(JobId job, Limiters needs) {
  // At the one that holds it up, so that what frees that one looks here.
  Limiter& limiter = blocking(needs);
  gauges_.throttled(limiter.shown);
  wait(limiter.waiting, job);
  needs_[job] = std::move(needs);
  gauges_.pending(limiter.shown, limiter.waiting.size());
}

void Dispatcher::sweep_groups() {
  if (groups_.size() < sweep_groups_at_) return;
  for (auto it = groups_.begin(); it != groups_.end();) {
    it->second.waiting.sweep(waiting_);
    const bool empty = it->second.watchers.empty() && it->second.waiting.size() == 0;
    it = empty ? groups_.erase(it) : std::next(it);
  }
  sweep_groups_at_ = std::max(kGroupsSweepMin, 2 * groups_.size());
}

void Dispatcher::wake_all(Backlog& backlog) {
  while (const auto job = backlog.pop(waiting_)) {
    waiting_.erase(*job);
    needs_.erase(*job);
    owner_.again(*job);
  }
}

Dispatcher::Outcome Dispatcher::offer(JobId job, const Target& target, Delivery delivery) {
  Limiters held;
  if (auto node = holds_.extract(job)) held = std::move(node.mapped());
  std::string name = group_of(target);
  sweep_groups();
  Group& group = groups_[name];
  const WatcherId id = choose(group);
  if (id == 0) {
    wait(group.waiting, job);
    const bool nobody = group.watchers.empty();
    release(held);
    return nobody ? Outcome::undeliverable : Outcome::waits;
  }
  if (held.empty()) {
    auto needed = limiters_for(target);
    if (!needed.empty() && !acquire(needed)) {
      wait_for_limit(job, std::move(needed));
      return Outcome::waits;
    }
    held = std::move(needed);
  }
  Connected& connected = connected_.at(id);
  const std::uint64_t trigger = ++connected.last_trigger;
  connected.flights.emplace(trigger, Flight{job, std::move(name), std::move(held)});
  connected.watcher->send(trigger, std::move(delivery));
  return Outcome::sent;
}

void Dispatcher::forget(JobId job) {
  waiting_.erase(job);
  needs_.erase(job);
  if (auto node = holds_.extract(job)) release(node.mapped());
}

void Dispatcher::forget_waiting() {
  waiting_.clear();
  needs_.clear();
  const auto holds = std::exchange(holds_, {});
  for (const auto& [job, held] : holds) release(held);
  for (auto& [key, limiter] : limiters_) {
    limiter.waiting = {};
    gauges_.pending(limiter.shown, 0);
  }
  std::erase_if(groups_, [](const auto& entry) { return entry.second.watchers.empty(); });
  for (auto& [name, group] : groups_) group.waiting = {};
}

void Dispatcher::disown(const std::function<bool(JobId)>& such) {
  for (auto& [id, connected] : connected_) {
    for (auto& [trigger, flight] : connected.flights) {
      if (such(flight.job)) flight.job = kNobody;
    }
  }
}

void Dispatcher::set_share(std::uint64_t index, std::uint64_t total) {
  index_ = index;
  total_ = std::max<std::uint64_t>(total, 1);
  for (auto& [key, limiter] : limiters_) admit(limiter);
}

void Dispatcher::set_limits(Connected& connected, const WatchRequest& request) {
  for (const auto& limit : request.limits) {
    std::string shown = shown_as(limit.actor_type, limit.concurrency_key);
    std::string key = limiter_key(request.name_space, shown);
    Limiter& limiter = limiters_[key];
    limiter.shown = std::move(shown);
    limiter.count = limit.count;  // The latest word counts.
    ++limiter.users;
    connected.limiters.push_back(std::move(key));
  }
}

void Dispatcher::drop_limiters(const Limiters& limiters) {
  for (const auto& key : limiters) {
    const auto found = limiters_.find(key);
    if (found == limiters_.end() || --found->second.users > 0) continue;
    auto node = limiters_.extract(found);
    wake_all(node.mapped().waiting);
    gauges_.pending(node.mapped().shown, 0);
    gauges_.in_flight(node.mapped().shown, 0);
  }
}

WatcherId Dispatcher::add(Watcher& watcher, WatchRequest request) {
  const WatcherId id = ++last_watcher_;
  Connected& connected = connected_[id];
  connected.watcher = &watcher;
  connected.groups = groups_of(request);
  set_limits(connected, request);
  gauges_.watchers(connected_.size());
  for (const auto& name : connected.groups) {
    Group& group = groups_[name];
    const bool first = group.watchers.empty();
    group.watchers.push_back(id);
    if (first) wake_all(group.waiting);
  }
  for (const auto& key : connected.limiters) admit(limiters_.at(key));
  // What waits because the other streams are full.
  has_room(id);
  return id;
}

void Dispatcher::remove(WatcherId id) {
  auto node = connected_.extract(id);
  if (!node) return;
  Connected& gone = node.mapped();
  for (const auto& name : gone.groups) {
    Group& group = groups_.at(name);
    std::erase(group.watchers, id);
    if (group.watchers.empty() && group.waiting.size() == 0) groups_.erase(name);
  }
  gauges_.watchers(connected_.size());
  // In the order they were sent.
  std::map<std::uint64_t, Flight> flights(std::make_move_iterator(gone.flights.begin()),
                                          std::make_move_iterator(gone.flights.end()));
  Limiters freed;
  for (auto& [trigger, flight] : flights) {
    std::ranges::move(flight.limiters, std::back_inserter(freed));
    if (!owner_.undelivered(flight.job)) continue;
    Group& group = groups_[flight.group];
    if (group.watchers.empty()) {
      wait(group.waiting, flight.job);
    } else {
      owner_.again(flight.job);
    }
  }
  drop_limiters(gone.limiters);
  release(freed);
}

bool Dispatcher::answer(WatcherId id, std::uint64_t trigger, Answer answer) {
  const auto connected = connected_.find(id);
  if (connected == connected_.end()) return false;
  auto node = connected->second.flights.extract(trigger);
  if (!node) return false;
  owner_.answered(node.mapped().job, answer);
  release(node.mapped().limiters);
  return true;
}

void Dispatcher::has_room(WatcherId id) {
  const auto connected = connected_.find(id);
  if (connected == connected_.end()) return;
  const std::vector<std::string> groups = connected->second.groups;
  for (const auto& name : groups) {
    Group& group = groups_.at(name);
    for (int woken = 0; woken < kWokenForRoom; ++woken) {
      const auto job = group.waiting.pop(waiting_);
      if (!job) break;
      waiting_.erase(*job);
      owner_.again(*job);
    }
  }
}

void Dispatcher::offer_room() {
  for (const auto& [id, connected] : connected_) {
    if (!connected.watcher->full()) has_room(id);
  }
}

}  // namespace outrigger::control::scheduler
