#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/time_format.h"
#include "runtime/actors/names.h"
#include "runtime/actors/schedule.h"
#include "runtime/invoke/service.h"

namespace outrigger::runtime::actors {

using invoke::Reply;
using telemetry::TraceContext;

/// A call of an actor's method. Its body is whole.
struct Invocation {
  ActorRef actor;
  invoke::Request request;
  TraceContext trace;
  /// It came from another sidecar, which believes that the actor lives here.
  bool remote = false;
};
using InvocationPtr = std::shared_ptr<const Invocation>;

/// google.protobuf.Any.
struct AnyData {
  std::string type_url;
  std::string value;

  bool operator==(const AnyData&) const = default;
};
/// An Any of google.protobuf.BytesValue, which is how timers and reminders carry JSON.
[[nodiscard]] AnyData any_of_json(std::string_view json);
/// The JSON inside; nullopt if it is something else.
[[nodiscard]] std::optional<std::string> json_of_any(const AnyData& data);

/// A timer or reminder that fires, times as the application wrote them.
struct Reminder {
  ActorRef actor;
  std::string name;
  std::optional<AnyData> data;
  std::string due_time;
  std::string period;
  std::string callback;  ///< Of a timer.
  WallTime registered;
  std::optional<WallTime> expires;
  bool is_timer = false;
  /// It came from another sidecar.
  bool remote = false;
  /// Its type does not wait for turns.
  bool skip_lock = false;
  /// Of this time that it is due; all zero without tracing.
  TraceContext trace;

  [[nodiscard]] std::string key() const { return actor.key() + "||" + name; }
};
using ReminderPtr = std::shared_ptr<const Reminder>;

/// What became of it.
enum class Fired : std::uint8_t {
  done,
  cancelled  ///< The application wants no more of it.
};

/// The application shows with it that a method failed; the body says how.
inline constexpr std::string_view kErrorHeader = "X-Daprerrorresponseheader";
/// The application wants no more of a timer or reminder.
inline constexpr std::string_view kCancelHeader = "X-Daprremindercancel";
inline constexpr std::string_view kReentrancyHeader = "Dapr-Reentrancy-Id";
/// The text of the error that stands for Fired::cancelled between sidecars.
inline constexpr std::string_view kCancelledText = "reminder has been canceled";

/// The way to the application that hosts actors, on one loop. Errors have upstream's texts.
class Callbacks {
 public:
  virtual ~Callbacks() = default;
  /// `reentrancy_id` empty: the type is not reentrant.
  virtual Task<Result<Reply>> invoke(InvocationPtr call, std::string reentrancy_id) = 0;
  virtual Task<Result<Fired>> fire(ReminderPtr reminder, std::string reentrancy_id) = 0;
  virtual Task<Result<>> deactivate(ActorRef actor) = 0;
};

}  // namespace outrigger::runtime::actors
