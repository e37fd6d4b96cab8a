#include "runtime/actors/life.h"

#include <algorithm>

#include "base/log.h"
#include "base/uuid.h"
#include "runtime/actors/activity.h"
#include "runtime/actors/errors.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actors.targets.app");

// Whatever the application says: a busy actor is looked at again no sooner.
constexpr Duration kIdleMin = std::chrono::milliseconds(1);
// Actors that are looked at without a pause.
constexpr std::size_t kHaltStride = 512;

template <class T>
Task<Result<T>> run_limited(const resiliency::Policy* policy,
                            std::move_only_function<Task<Result<T>>()> callback) {
  auto answer = co_await resiliency::run_under(policy, std::move(callback));
  if (!answer && answer.error().code() == Code::deadline_exceeded) {
    co_return fail(std::move(answer).error().with_code(Code::unknown));
  }
  co_return answer;
}

/// The callback, for as long as the policy has it. Whoever called is told of a time-out as of any
/// failure of the actor.
template <class T>
Task<Result<T>> run_turn(const resiliency::Policy* policy,
                         std::move_only_function<Task<Result<T>>()> callback) {
  if (policy->empty()) return callback();
  return run_limited(policy, std::move(callback));
}

}  // namespace

struct Life::Type {
  Type(Life& life, TypeIndex place, std::string own_name)
      : index(place), name(std::move(own_name)), idle([&life, place] { life.sweep(place); }) {}

  TypeIndex index;
  std::string name;
  TypeSettings settings;
  bool hosted = false;
  Callbacks* callbacks = nullptr;  // Until the last actor has gone.
  ActorMetrics::OfType metrics;
  Timer idle;

  [[nodiscard]] TimePoint idle_deadline() const {
    return Loop::current().now() + std::max(settings.idle_timeout, kIdleMin);
  }
};

/// A call inside an actor, or waiting for its turn there.
class Life::Stay {
 public:
  explicit Stay(Life& life) noexcept : life_(life) {}
  ~Stay() {
    link_.unlink();
    if (turn_ != nullptr) life_.leave(*actor_, *turn_);
  }
  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

  void begin(Table::Actor& actor, Type& type, Turns::Turn& turn, Cancellation* caller) {
    actor_ = &actor;
    turn_ = &turn;
    callbacks_ = type.callbacks;
    activity_ = actor.activity;
    cancellation_.emplace(caller);
    link_.target = &*cancellation_;
    activity_->cancellation.add(link_);
  }
  [[nodiscard]] Callbacks& callbacks() const noexcept { return *callbacks_; }
  [[nodiscard]] Cancellation& cancellation() noexcept { return *cancellation_; }
  /// The actor went away under the call.
  [[nodiscard]] bool ousted() const noexcept { return activity_->cancellation.requested(); }
  std::string reentrancy_id;

 private:
  struct Link final : Cancellation::Callback {
    Cancellation* target = nullptr;
    void on_cancel() noexcept override { target->request(); }
  };
  Life& life_;
  Table::Actor* actor_ = nullptr;
  Turns::Turn* turn_ = nullptr;
  Callbacks* callbacks_ = nullptr;
  std::shared_ptr<Activity> activity_;
  std::optional<Cancellation> cancellation_;
  Link link_;
};

Life::Life(Settings settings, const ActorMetrics& metrics)
    : settings_(settings), metrics_(metrics) {}
Life::~Life() = default;

Life::Type* Life::find_type(std::string_view name) noexcept {
  for (const auto& type : types_) {
    if (type->name == name) return type.get();
  }
  return nullptr;
}

void Life::add_type(const std::string& name, TypeSettings settings, Callbacks* callbacks) {
  Type* type = find_type(name);
  if (type == nullptr) {
    types_.push_back(std::make_unique<Type>(*this, static_cast<TypeIndex>(types_.size()), name));
    type = types_.back().get();
    type->metrics = metrics_.of(name);
  }
  type->settings = settings;
  type->callbacks = callbacks;
  type->hosted = true;
}

bool Life::has_type(std::string_view name) const noexcept {
  return std::ranges::any_of(types_,
                             [&](const auto& type) { return type->name == name && type->hosted; });
}

bool Life::is_active(const ActorRef& actor) noexcept {
  const Type* type = find_type(actor.type);
  return type != nullptr && table_.find(type->index, actor.id) != nullptr;
}

std::vector<Life::Count> Life::counts() const {
  std::vector<Count> counts;
  for (const auto& type : types_) {
    if (type->hosted) counts.push_back({type->name, table_.count(type->index)});
  }
  return counts;
}

resiliency::Policy Life::turn_policy(const ActorRef& actor) const {
  if (settings_.policies == nullptr) return {};
  return settings_.policies->actor_turn(actor.type, actor.id);
}

Task<Result<Reply>> Life::call(InvocationPtr call) {
  Stay stay(*this);
  const std::string_view id = call->request.metadata.value(kReentrancyHeader);
  auto entered = co_await enter(&stay, &call->actor, id, call->request.method);
  if (!entered) co_return std::unexpected(std::move(entered).error());
  const resiliency::Policy policy = turn_policy(call->actor);
  std::move_only_function<Task<Result<Reply>>()> invoke = [&stay, &call] {
    return stay.callbacks().invoke(call, stay.reentrancy_id);
  };
  auto reply = co_await run_turn(&policy, std::move(invoke)).under(stay.cancellation());
  if (!reply && stay.ousted()) co_return fail(actor_closed(call->request.method));
  co_return reply;
}

Task<Result<Fired>> Life::fire(ReminderPtr reminder) {
  Stay stay(*this);
  const std::string method = (reminder->is_timer ? "timer/" : "remind/") + reminder->name;
  auto entered = co_await enter(&stay, &reminder->actor, std::string_view(), method);
  if (!entered) co_return std::unexpected(std::move(entered).error());
  const resiliency::Policy policy = turn_policy(reminder->actor);
  std::move_only_function<Task<Result<Fired>>()> fire = [&stay, &reminder] {
    return stay.callbacks().fire(reminder, stay.reentrancy_id);
  };
  auto fired = co_await run_turn(&policy, std::move(fire)).under(stay.cancellation());
  if (!fired && stay.ousted()) co_return fail(actor_closed(method));
  if (!fired) {
    log.error("Error executing ", reminder->is_timer ? "timer" : "reminder", " for actor ",
              reminder->key(), ": ", fired.error());
  }
  co_return fired;
}

Task<Result<>> Life::enter(Stay* stay, const ActorRef* actor, std::string_view reentrancy_id,
                           std::string method) {
  Cancellation* const caller = co_await this_cancellation();
  for (;;) {
    Type* const type = find_type(actor->type);
    if (type == nullptr || !type->hosted) co_return fail(actor_closed(method));
    Table::Actor* cell = table_.find(type->index, actor->id);
    if (cell == nullptr) {
      cell = &table_.add(type->index, actor->id, type->idle_deadline());
      watch_idle(*type);
    }
    if (cell->activity && cell->activity->closing) {
      // It is on its way out; afterwards it may begin anew.
      const std::shared_ptr<Activity> leaving = cell->activity;
      OUT_CO_CHECK(co_await leaving->gone.wait());
      continue;
    }
    if (!cell->activity) cell->activity = std::make_shared<Activity>();
    const std::shared_ptr<Activity> activity = cell->activity;
    if (type->settings.reentrant) {
      stay->reentrancy_id = reentrancy_id.empty() ? uuid_v4() : std::string(reentrancy_id);
    }
    Turns::Turn* const turn =
        activity->turns.join(stay->reentrancy_id, type->settings.stack_depth_max);
    if (turn == nullptr) co_return fail(stack_too_deep());
    stay->begin(*cell, *type, *turn, caller);
    if (turn->running) {
      touch(*type, *cell);
      co_return Result<>();
    }
    type->metrics.pending_calls.add(1);
    auto mine = co_await activity->turns.wait(turn).under(stay->cancellation());
    type->metrics.pending_calls.add(-1);
    if (activity->closing) co_return fail(actor_closed(method));
    if (!mine) co_return mine;
    touch(*type, *cell);
    co_return Result<>();
  }
}

void Life::leave(Table::Actor& actor, Turns::Turn& turn) noexcept {
  Activity& activity = *actor.activity;
  activity.turns.leave(turn);
  if (!activity.turns.empty()) return;
  if (activity.closing) return activity.quiet.notify_all();
  actor.activity.reset();
  touch(*types_[actor.type()], actor);
}

void Life::touch(Type& type, Table::Actor& actor) noexcept {
  table_.touch(actor, type.idle_deadline());
}

void Life::watch_idle(Type& type) {
  if (type.idle.running()) return;
  if (const auto* oldest = table_.oldest(type.index)) type.idle.start_at(oldest->idle_at());
}

// Deactivates those who have been idle for long enough, some at a time.
void Life::sweep(TypeIndex index) {
  Type& type = *types_[index];
  const TimePoint now = Loop::current().now();
  while (!closing_ && retiring_ < settings_.deactivations_max) {
    auto* oldest = table_.oldest(index);
    if (oldest == nullptr) return;
    if (oldest->idle_at() > now) return watch_idle(type);
    const bool busy = oldest->activity != nullptr;
    touch(type, *oldest);
    if (busy) continue;
    ++retiring_;
    scope_.spawn(retire(index, oldest->id()));
  }
}

Task<void> Life::retire(TypeIndex type, std::string id) {
  Patience patience(settings_.deactivation_limit);
  co_await deactivate(type, std::move(id), Running::may_end, &patience);
  --retiring_;
  sweep(type);
}

Task<void> Life::deactivate(TypeIndex type, std::string id, Running running, Patience* patience) {
  Table::Actor* const actor = table_.find(type, id);
  if (actor == nullptr) co_return;
  if (!actor->activity) actor->activity = std::make_shared<Activity>();
  const std::shared_ptr<Activity> activity = actor->activity;
  if (running == Running::cancelled) activity->cancellation.request();
  if (activity->closing) {
    [[maybe_unused]] auto gone = co_await activity->gone.wait();
    co_return;
  }
  activity->closing = true;
  activity->turns.close();
  // Nothing but the last turn's end may end this wait: it uses the actor.
  Cancellation never;
  auto quiet = [](Activity* busy) -> Task<void> {
    while (!busy->turns.empty()) {
      [[maybe_unused]] auto woken = co_await busy->quiet.wait();
    }
  };
  co_await quiet(activity.get()).under(never);
  types_[type]->metrics.rebalanced.add();
  const Duration given = patience->now();
  auto told = co_await with_timeout(tell_application(type, id), given);
  if (told) {
    patience->answered();
    types_[type]->metrics.deactivated.add();
  } else {
    if (told.error().code() == Code::deadline_exceeded) patience->ran_out(given);
    metrics_.deactivation_failed(types_[type]->name);
    // An application that is gone or ill is told of all its actors in vain.
    const std::string key = types_[type]->name + "||" + id;
    if (running == Running::cancelled) {
      log.debug("Failed to halt actor ", key, ": ", told.error());
    } else {
      log.error("Failed to halt actor ", key, ": ", told.error());
    }
  }
  table_.erase(*actor);
  activity->gone.notify_all();
}

Task<Result<>> Life::tell_application(TypeIndex type, std::string id) {
  Callbacks* const callbacks = types_[type]->callbacks;
  if (callbacks == nullptr) co_return Result<>();
  ActorRef actor{types_[type]->name, std::move(id)};
  auto told = co_await callbacks->deactivate(std::move(actor));
  co_return told;
}

/// What some tasks work off together, for there may be a million actors.
struct Life::Halting {
  TypeIndex type;
  Running running;
  bool only_moved;
  std::vector<std::string> ids;
  Patience patience;
  std::size_t next = 0;
};

Task<void> Life::halt(TypeIndex type, Running running, bool only_moved) {
  Halting work{type, running, only_moved, table_.ids(type), Patience(settings_.deactivation_limit)};
  std::vector<Task<void>> all;
  const std::size_t tasks = std::min(settings_.deactivations_max, work.ids.size());
  for (std::size_t i = 0; i < tasks; ++i) all.push_back(halt_some(&work));
  // Whoever gives up waiting for it, the application is told: nobody else would.
  Cancellation never;
  co_await run_all(std::move(all)).under(never);
}

Task<void> Life::halt_some(Halting* work) {
  while (work->next < work->ids.size()) {
    // Others have their turn on this loop too.
    if (work->next % kHaltStride == kHaltStride - 1) {
      [[maybe_unused]] auto rested = co_await sleep_for(Duration::zero());
    }
    if (work->next >= work->ids.size()) co_return;
    std::string id = std::move(work->ids[work->next++]);
    if (work->only_moved && hosts_ && hosts_(types_[work->type]->name, id)) continue;
    co_await deactivate(work->type, std::move(id), work->running, &work->patience);
  }
}

Task<void> Life::halt_moved(std::vector<std::string> types) {
  for (const std::string& name : types) {
    const Type* type = find_type(name);
    if (type != nullptr) co_await halt(type->index, Running::may_end, true);
  }
}

Task<void> Life::halt_all() {
  for (TypeIndex type = 0; type < types_.size(); ++type) {
    co_await halt(type, Running::may_end, false);
  }
}

Task<void> Life::remove_types(std::vector<std::string> types) {
  for (const std::string& name : types) {
    Type* type = find_type(name);
    if (type == nullptr || !type->hosted) continue;
    type->hosted = false;
    co_await halt(type->index, Running::cancelled, false);
    if (!type->hosted) type->callbacks = nullptr;
  }
}

Task<void> Life::close() {
  // Those who are told that they go are told to the end: each has its limit.
  closing_ = true;
  for (TypeIndex type = 0; type < types_.size(); ++type) {
    types_[type]->idle.stop();
    co_await halt(type, Running::cancelled, false);
  }
  co_await scope_.join();
}

}  // namespace outrigger::runtime::actors
