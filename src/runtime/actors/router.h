#pragma once

#include "runtime/actors/life.h"
#include "runtime/actors/peer_caller.h"

namespace outrigger::runtime::actors {

class Timers;

/// Brings calls to where their actor lives: to its loop, or to another sidecar. On one loop.
class Router {
 public:
  /// The actors of one loop.
  struct Home {
    Loop* loop = nullptr;
    Life* life = nullptr;
    Timers* timers = nullptr;
  };
  struct Settings {
    /// facts/wire_notes.md, section 7: upstream asks for five seconds where an actor that is not
    /// found is. Ours begins with short pauses, which grow to the last one.
    int retries_max = 7;
    Duration first_pause = std::chrono::milliseconds(50);
    Duration last_pause = std::chrono::seconds(1);
    /// A sidecar that cannot be reached is not tried again if a document names the type: its
    /// policy says what is done. Must outlive the object; nullptr: no document does.
    const resiliency::Policies* policies = nullptr;
  };
  /// Both must outlive this object.
  Router(Settings settings, placement::Service& where, PeerCaller& peers);

  /// All loops' actors, before the first call.
  void set_homes(std::vector<Home> homes) { homes_ = std::move(homes); }
  [[nodiscard]] const Home& home_of(const ActorRef& actor) const noexcept;

  /// An error has a tag of the API (errors.h), or is what upstream would put into
  /// ERR_ACTOR_INVOKE_METHOD.
  Task<Result<Reply>> call(InvocationPtr call);
  Task<Result<Fired>> fire(ReminderPtr reminder);

 private:
  template <class T>
  struct Attempt {
    Result<T> result;
    bool again = false;
  };
  /// Until it is done, is not to be done again, or was tried often enough.
  template <class T>
  Task<Result<T>> persist(std::move_only_function<Task<Attempt<T>>(int attempt)> once);
  /// Runs it on the actor's loop, for as long as the claim holds; the claim must outlive it.
  template <class T>
  Task<Attempt<T>> run_at(Loop* loop, std::move_only_function<Task<Result<T>>()> run,
                          placement::Claim* claim);
  Task<Attempt<Reply>> call_once(InvocationPtr call, int attempt);
  Task<Attempt<Fired>> fire_once(ReminderPtr reminder);
  Task<Result<placement::Claim>> claim(const ActorRef* actor);
  [[nodiscard]] bool is_unreachable(const Error& error, const ActorRef& actor) const;
  [[nodiscard]] Duration pause_after(int attempt) const noexcept;

  Settings settings_;
  placement::Service& where_;
  PeerCaller& peers_;
  std::vector<Home> homes_;
};

}  // namespace outrigger::runtime::actors
