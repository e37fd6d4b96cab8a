#include "runtime/actors/service.h"

#include "base/log.h"
#include "runtime/actors/either.h"
#include "runtime/actors/errors.h"
#include "runtime/actors/firing.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actor");

Task<Result<>> add_there(Timers* timers, TimerRequest request) {
  co_return timers->add(std::move(request));
}

Task<Result<>> remove_there(Timers* timers, ActorRef actor, std::string name) {
  timers->remove(actor, name);
  co_return Result<>();
}

Life::Settings life_settings(const Service::Settings& settings) {
  Life::Settings life = settings.life;
  life.policies = settings.policies;
  return life;
}

Router::Settings router_settings(const Service::Settings& settings) {
  Router::Settings router = settings.router;
  router.policies = settings.policies;
  return router;
}

ActorState::Settings state_settings(const Service::Settings& settings) {
  ActorState::Settings state;
  state.app_id = settings.identity.app_id;
  state.ttl = settings.state_ttl;
  state.policies = settings.policies;
  return state;
}

}  // namespace

Service::Service(Settings settings, Parts parts)
    : settings_(std::move(settings)),
      life_(life_settings(settings_), *settings_.actor_metrics),
      peers_(parts.peers, settings_.identity.app_namespace, settings_.message_bytes_max,
             &settings_.metrics->grpc),
      router_(router_settings(settings_), parts.placement, peers_),
      http_(*settings_.metrics, settings_.identity),
      stream_(*settings_.streams),
      state_(state_settings(settings_), parts.state, parts.placement, router_),
      reminders_(parts.scheduler),
      timers_(router_, *settings_.actor_metrics, settings_.tracer) {
  life_.set_hosts([&placement = parts.placement](std::string_view type, std::string_view id) {
    return placement.hosts(type, id);
  });
}

Service::~Service() = default;

void Service::set_app(app::Channel* channel) {
  http_.set_app(channel != nullptr && !channel->is_grpc() ? channel : nullptr);
  accepts_streams_ = channel == nullptr || channel->is_grpc();
}

void Service::set_registered(bool registered) {
  registered_ = registered;
  changed_.notify_all();
}

void Service::set_registration(Register add, Unregister remove) {
  register_ = std::move(add);
  unregister_ = std::move(remove);
}

Task<Result<>> Service::admit() {
  if (!settings_.enabled) co_return fail(no_placement());
  while (!registered_ && !closed_) {
    OUT_CO_CHECK(co_await changed_.wait());
  }
  if (closed_) co_return fail(runtime_closed());
  co_return Result<>();
}

Result<> Service::admit_peer() const {
  if (!settings_.enabled) return fail(no_placement());
  if (closed_) return fail(runtime_closed());
  if (!registered_) return fail(actor_moved());
  return {};
}

Result<> Service::check_hosted(std::string_view type) const {
  if (life_.has_type(type)) return {};
  return fail(reminder_not_hosted());
}

Task<Result<Reply>> Service::invoke(InvocationPtr call) {
  resiliency::Policy policy;
  if (settings_.policies != nullptr) {
    policy = settings_.policies->actor_call(call->actor.type, call->actor.id);
  }
  if (policy.empty()) {
    auto once = co_await this->call(std::move(call));
    co_return once;
  }
  std::optional<Result<Reply>> reply;
  resiliency::Attempt attempt = [this, &call, &reply] { return this->attempt(call, &reply); };
  auto word = co_await policy.run(std::move(attempt));
  if (word) co_return std::unexpected(*std::move(word));
  co_return *std::move(reply);
}

Task<resiliency::Outcome> Service::attempt(InvocationPtr call,
                                           std::optional<Result<Reply>>* reply) {
  auto got = co_await this->call(std::move(call));
  resiliency::Outcome outcome;
  if (!got) {
    outcome.error = got.error();
    outcome.final = closed_ || is_method_missing(got.error());
  } else if (got->headers.contains(kErrorHeader)) {
    outcome.error = Error(Code::unknown, "the actor's method has failed");
  }
  reply->emplace(std::move(got));
  co_return outcome;
}

Task<Result<Reply>> Service::call(InvocationPtr call) {
  Either cancellation(co_await this_cancellation(), stopping_);
  auto reply = co_await router_.call(std::move(call)).under(cancellation.get());
  if (!reply && closed_) co_return fail(runtime_closed());
  co_return reply;
}

Task<Result<Fired>> Service::fire(ReminderPtr reminder) {
  Either cancellation(co_await this_cancellation(), stopping_);
  auto fired = co_await router_.fire(std::move(reminder)).under(cancellation.get());
  if (!fired && closed_) co_return fail(runtime_closed());
  co_return fired;
}

Task<Result<>> Service::add_timer(TimerRequest request) {
  if (!life_.has_type(request.actor.type)) {
    co_return fail(timer_create_failed(Error(
        Code::unknown,
        "can't create timer for actor " + request.actor.key() + ": actor type not registered")));
  }
  const Router::Home& home = router_.home_of(request.actor);
  std::move_only_function<Task<Result<>>()> add = [timers = home.timers, &request] {
    return add_there(timers, std::move(request));
  };
  auto added = co_await call_on<void>(*home.loop, std::move(add));
  if (!added) co_return fail(timer_create_failed(added.error()));
  co_return added;
}

Task<Result<>> Service::remove_timer(ActorRef actor, std::string name) {
  const Router::Home& home = router_.home_of(actor);
  std::move_only_function<Task<Result<>>()> remove = [timers = home.timers, actor, name] {
    return remove_there(timers, actor, name);
  };
  auto removed = co_await call_on<void>(*home.loop, std::move(remove));
  co_return removed;
}

Task<scheduler::Outcome> Service::trigger(scheduler::Trigger trigger) {
  if (!trigger.target.actor) co_return scheduler::Outcome::failed;
  auto reminder = std::make_shared<Reminder>();
  reminder->actor = {std::move(trigger.target.actor->type), std::move(trigger.target.actor->id)};
  reminder->name = std::move(trigger.name);
  if (trigger.data) {
    reminder->data = AnyData{std::move(trigger.data->type_url), std::move(trigger.data->value)};
  }
  const auto metrics = settings_.actor_metrics->of(reminder->actor.type);
  auto admitted = co_await admit();
  Result<Fired> fired = Fired::done;
  telemetry::Span span = firing_span(settings_.tracer, *reminder);
  if (admitted) {
    fired = co_await fire(reminder);
  } else {
    fired = fail(std::move(admitted).error());
  }
  end_firing(span, fired);
  metrics.reminders_fired[fired ? 1 : 0].add();
  if (!fired) {
    log.error("failed to invoke scheduled actor reminder named: ", reminder->name,
              " due to: ", go_text(fired.error()));
    co_return scheduler::Outcome::failed;
  }
  if (*fired == Fired::cancelled) {
    // The scheduler hears of a success and would go on with it.
    auto removed = co_await reminders_.remove(reminder->actor, reminder->name);
    if (!removed) log.warn("a cancelled reminder could not be removed: ", removed.error());
  }
  co_return scheduler::Outcome::success;
}

Task<void> Service::stop() {
  closed_ = true;
  changed_.notify_all();
  stopping_.request();
  co_await timers_.close();
}

Task<void> Service::close() {
  co_await stop();
  co_await life_.close();
}

}  // namespace outrigger::runtime::actors
