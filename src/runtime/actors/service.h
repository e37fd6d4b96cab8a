#pragma once

#include <functional>

#include "runtime/actors/actor_state.h"
#include "runtime/actors/http_callbacks.h"
#include "runtime/actors/reminders.h"
#include "runtime/actors/streams.h"
#include "runtime/actors/timers.h"
#include "runtime/api/router.h"

namespace outrigger::runtime::actors {

/// Virtual actors, seen from one loop: what the APIs and other sidecars may ask for, and what the
/// scheduler sends. Made, used and closed on that loop.
class Service final : public scheduler::Receiver {
 public:
  struct Settings {
    Identity identity;
    /// Both must outlive the service, as must `streams`.
    const telemetry::RuntimeMetrics* metrics = nullptr;
    const ActorMetrics* actor_metrics = nullptr;
    Streams* streams = nullptr;
    std::size_t message_bytes_max = net::grpc::kDefaultMessageBytesMax;
    /// May be nullptr. Each reminder and timer that is due begins a trace.
    const telemetry::Tracer* tracer = nullptr;
    /// Feature ActorStateTTL.
    bool state_ttl = false;
    /// There is a placement service.
    bool enabled = false;
    /// Of this loop; must outlive the service. nullptr: the built-in ones.
    const resiliency::Policies* policies = nullptr;
    Life::Settings life;
    Router::Settings router;
  };
  /// The other services of the loop, which must outlive this one.
  struct Parts {
    placement::Service& placement;
    scheduler::Service& scheduler;
    state::Service& state;
    peers::Peers& peers;
  };
  Service(Settings settings, Parts parts);
  /// close() must have ended.
  ~Service();

  /// @name What is known later than the service is made
  /// @{
  void set_homes(std::vector<Router::Home> homes) { router_.set_homes(std::move(homes)); }
  void set_app(app::Channel* channel);
  /// The application's actor types are registered (or not any more): calls go on (or wait).
  void set_registered(bool registered);
  /// How a stream of the application registers its types; from any loop.
  using Register = std::function<Task<Result<>>(AppConfig config)>;
  using Unregister = std::function<Task<void>(std::vector<std::string> types)>;
  void set_registration(Register add, Unregister remove);
  /// @}

  /// Waits until calls can be made. The API's error if there will be none.
  Task<Result<>> admit();
  /// The same for a call of another sidecar, which does not wait: a sidecar that hosts nothing any
  /// more, because its application is ill for instance, sends it elsewhere.
  [[nodiscard]] Result<> admit_peer() const;

  /// @name After admit()
  /// @{
  /// For a client: as often as a Resiliency document has it.
  Task<Result<Reply>> invoke(InvocationPtr call);
  /// Once, for a sidecar.
  Task<Result<Reply>> call(InvocationPtr call);
  Task<Result<Fired>> fire(ReminderPtr reminder);
  [[nodiscard]] ActorState& state() noexcept { return state_; }
  Task<Result<>> add_timer(TimerRequest request);
  Task<Result<>> remove_timer(ActorRef actor, std::string name);
  /// Code::permission_denied for types that are not hosted here.
  [[nodiscard]] Result<> check_hosted(std::string_view type) const;
  [[nodiscard]] Reminders& reminders() noexcept { return reminders_; }
  /// @}

  /// @name For the faces of this folder, and for who registers types
  /// @{
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  [[nodiscard]] Life& life() noexcept { return life_; }
  [[nodiscard]] Timers& timers() noexcept { return timers_; }
  [[nodiscard]] Callbacks& http_callbacks() noexcept { return http_; }
  [[nodiscard]] Callbacks& stream_callbacks() noexcept { return stream_; }
  [[nodiscard]] bool accepts_streams() const noexcept { return accepts_streams_; }
  /// Requested by stop(): streams of the application end with it.
  [[nodiscard]] Cancellation& stopping() noexcept { return stopping_; }
  [[nodiscard]] const Register& register_types() const noexcept { return register_; }
  [[nodiscard]] const Unregister& unregister_types() const noexcept { return unregister_; }
  /// @}

  /// A reminder is due.
  Task<scheduler::Outcome> trigger(scheduler::Trigger trigger) override;

  /// Calls are refused from now on, and timers fire no more.
  Task<void> stop();
  /// stop(), and the actors that are left are deactivated.
  Task<void> close();

 private:
  Task<resiliency::Outcome> attempt(InvocationPtr call, std::optional<Result<Reply>>* reply);

  Settings settings_;
  Life life_;
  GrpcPeerCaller peers_;
  Router router_;
  HttpCallbacks http_;
  StreamCallbacks stream_;
  ActorState state_;
  Reminders reminders_;
  Timers timers_;
  Register register_;
  Unregister unregister_;
  bool accepts_streams_ = true;
  bool registered_ = false;
  bool closed_ = false;
  Signal changed_;
  Cancellation stopping_;
};

void add_http_routes(api::Router& router, Service& service);
void add_grpc_methods(net::grpc::Service& api, Service& service);
void add_internal_methods(net::grpc::Service& internal, Service& service);

}  // namespace outrigger::runtime::actors
