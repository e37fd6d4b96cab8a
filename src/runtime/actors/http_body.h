#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/actors/actor_state.h"
#include "runtime/actors/reminders.h"
#include "runtime/actors/timers.h"

/// The JSON of the actor API, read as upstream's Go structs are: one value, what follows it is not
/// looked at; names in any case, unknown ones ignored, null the same as absent. Errors are
/// Code::invalid_argument with a text like Go's.
namespace outrigger::runtime::actors {

/// {dueTime, period, data, callback, ttl}.
[[nodiscard]] Result<TimerRequest> read_timer(std::string_view body);
/// {dueTime, period, data, ttl, overwrite, failure_policy}.
[[nodiscard]] Result<ReminderRequest> read_reminder(std::string_view body);
/// [{operation: "upsert" or "delete", request: {key, value, etag, metadata}}].
[[nodiscard]] Result<std::vector<StateOperation>> read_operations(std::string_view body);
/// What GET answers. Code::unknown if the data is no JSON.
[[nodiscard]] Result<std::string> reminder_json(const StoredReminder& reminder);

}  // namespace outrigger::runtime::actors
