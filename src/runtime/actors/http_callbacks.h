#pragma once

#include "runtime/actors/invocation.h"
#include "runtime/actors/metrics.h"

namespace outrigger::runtime::actors {

/// Actors behind an application that speaks HTTP: PUT and DELETE below /actors (see
/// facts/app_callbacks.tsv). On one loop.
class HttpCallbacks final : public Callbacks {
 public:
  /// `metrics` must outlive this object.
  HttpCallbacks(const telemetry::RuntimeMetrics& metrics, const Identity& identity)
      : app_id_(identity.app_id), app_namespace_(identity.app_namespace), app_(metrics) {}
  /// Must outlive this object; nullptr: there is no application.
  void set_app(app::Channel* channel) { app_.set_channel(channel); }

  Task<Result<Reply>> invoke(InvocationPtr call, std::string reentrancy_id) override;
  Task<Result<Fired>> fire(ReminderPtr reminder, std::string reentrancy_id) override;
  Task<Result<>> deactivate(ActorRef actor) override;

 private:
  Task<Result<Reply>> put(ActorRef actor, invoke::RequestView view, net::Body body,
                          TraceContext trace, std::string reentrancy_id);

  std::string app_id_, app_namespace_;
  invoke::AppCaller app_;
};

/// Below which the application has an actor: "actors/<type>/<id>". Code::unknown for names that
/// would lead elsewhere: other sidecars are not believed, and an application may decode escapes and
/// then resolve dot segments.
[[nodiscard]] Result<std::string> actor_path(const ActorRef& actor);
/// The path of a normalised method, which stays below the actor's; errors as before.
[[nodiscard]] Result<std::string> method_path(const ActorRef& actor, std::string_view method);

/// What the application is sent when a timer or reminder fires. Code::unknown if the data is no
/// JSON.
[[nodiscard]] Result<std::string> fired_body(const Reminder& reminder);

}  // namespace outrigger::runtime::actors
