#include "runtime/actors/router.h"

#include "runtime/actors/errors.h"

namespace outrigger::runtime::actors {
namespace {

/// The peer does not have the actor any more, or not yet.
bool is_moved(const Error& error) noexcept {
  const std::string_view text(error.message());
  return text.ends_with(kMoved) || text.ends_with(": placement is disseminating") ||
         text.starts_with("actor is closed, cannot handle ");
}

}  // namespace

Router::Router(Settings settings, placement::Service& where, PeerCaller& peers)
    : settings_(settings), where_(where), peers_(peers) {}

const Router::Home& Router::home_of(const ActorRef& actor) const noexcept {
  if (homes_.size() == 1) return homes_.front();
  return homes_[hash_of(actor.type, actor.id) % homes_.size()];
}

Duration Router::pause_after(int attempt) const noexcept {
  Duration pause = settings_.first_pause;
  for (int i = 0; i < attempt && pause < settings_.last_pause; ++i) pause *= 4;
  return std::min(pause, settings_.last_pause);
}

bool Router::is_unreachable(const Error& error, const ActorRef& actor) const {
  if (error.code() != Code::unavailable) return false;
  return settings_.policies == nullptr || !settings_.policies->names_actor(actor.type);
}

Task<Result<placement::Claim>> Router::claim(const ActorRef* actor) {
  auto now = where_.claim_now(actor->type, actor->id, co_await this_cancellation());
  if (now) co_return std::move(*now);
  auto later = co_await where_.claim(actor->type, actor->id);
  co_return later;
}

template <class T>
Task<Result<T>> Router::persist(std::move_only_function<Task<Attempt<T>>(int attempt)> once) {
  for (int attempt = 0;; ++attempt) {
    auto outcome = co_await once(attempt);
    if (outcome.result || !outcome.again || attempt >= settings_.retries_max) {
      co_return std::move(outcome.result);
    }
    auto rested = co_await sleep_for(pause_after(attempt));
    if (!rested) co_return std::unexpected(std::move(rested).error());
  }
}

template <class T>
Task<Router::Attempt<T>> Router::run_at(Loop* loop, std::move_only_function<Task<Result<T>>()> run,
                                        placement::Claim* claim) {
  Cancellation* const caller = co_await this_cancellation();
  auto result = co_await call_on<T>(*loop, std::move(run)).under(claim->cancellation());
  Attempt<T> done{std::move(result), false};
  if (!done.result) {
    const bool wanted = caller == nullptr || !caller->requested();
    done.again = wanted && (claim->revoked() || is_closed(done.result.error()));
  }
  co_return done;
}

Task<Result<Reply>> Router::call(InvocationPtr call) {
  return persist<Reply>([this, call](int attempt) { return call_once(call, attempt); });
}

Task<Router::Attempt<Reply>> Router::call_once(InvocationPtr call, int attempt) {
  auto claim = co_await this->claim(&call->actor);
  Cancellation* const caller = co_await this_cancellation();
  const bool wanted = caller == nullptr || !caller->requested();
  if (!claim) {
    Attempt<Reply> lost{fail(wrapped("failed to lookup actor: ", claim.error())), wanted};
    co_return lost;
  }
  if (claim->location().local) {
    const Home& home = home_of(call->actor);
    std::move_only_function<Task<Result<Reply>>()> run = [life = home.life, call] {
      return life->call(call);
    };
    auto done = co_await run_at<Reply>(home.loop, std::move(run), &*claim);
    co_return done;
  }
  const placement::Location where = claim->location();
  {
    const placement::Claim released = *std::move(claim);
  }
  if (call->remote) {
    Attempt<Reply> moved{fail(actor_moved()), false};
    co_return moved;
  }
  auto reply = co_await peers_.call(where, call);
  Attempt<Reply> done{std::move(reply), false};
  if (done.result || (caller != nullptr && caller->requested())) co_return done;
  const Error& error = done.result.error();
  const bool moved = error.code() == Code::internal && is_moved(error);
  if (!is_unreachable(error, call->actor) && !moved) co_return done;
  done.again = true;
  done.result = fail(wrapped("failed to invoke target " + where.address + " after " +
                                 std::to_string(attempt) + " retries. Error: ",
                             error));
  co_return done;
}

Task<Result<Fired>> Router::fire(ReminderPtr reminder) {
  return persist<Fired>([this, reminder](int) { return fire_once(reminder); });
}

Task<Router::Attempt<Fired>> Router::fire_once(ReminderPtr reminder) {
  auto claim = co_await this->claim(&reminder->actor);
  Cancellation* const caller = co_await this_cancellation();
  const bool wanted = caller == nullptr || !caller->requested();
  if (!claim) {
    Attempt<Fired> lost{fail(std::move(claim).error()), wanted};
    co_return lost;
  }
  if (claim->location().local) {
    const Home& home = home_of(reminder->actor);
    std::move_only_function<Task<Result<Fired>>()> run = [life = home.life, reminder] {
      return life->fire(reminder);
    };
    auto done = co_await run_at<Fired>(home.loop, std::move(run), &*claim);
    co_return done;
  }
  const placement::Location where = claim->location();
  {
    const placement::Claim released = *std::move(claim);
  }
  if (reminder->remote) {
    Attempt<Fired> moved{fail(actor_moved()), false};
    co_return moved;
  }
  auto sent = co_await peers_.fire(where, reminder);
  if (sent) {
    Attempt<Fired> done{Fired::done, false};
    co_return done;
  }
  if (sent.error().message() == kCancelledText) {
    Attempt<Fired> cancelled{Fired::cancelled, false};
    co_return cancelled;
  }
  const bool again = is_moved(sent.error()) || is_unreachable(sent.error(), reminder->actor);
  Attempt<Fired> failed{fail(std::move(sent).error()),
                        again && (caller == nullptr || !caller->requested())};
  co_return failed;
}

}  // namespace outrigger::runtime::actors
