#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "runtime/actors/bytes_value.h"
#include "runtime/actors/config.h"
#include "runtime/actors/http_body.h"
#include "runtime/actors/http_callbacks.h"
#include "runtime/actors/peer_caller.h"

namespace {

using namespace outrigger;
using namespace outrigger::runtime::actors;

// What an application is sent is JSON, whatever the bytes were.
void tell(const Reminder& reminder) {
  const auto body = fired_body(reminder);
  if (body && !json::is_valid(*body)) __builtin_trap();
}

void read_clients(const std::string& text) {
  if (const auto timer = read_timer(text)) {
    Reminder reminder;
    reminder.data = timer->data;
    reminder.callback = timer->callback;
    reminder.due_time = timer->when.due_time;
    reminder.is_timer = true;
    tell(reminder);
    // A schedule ends, or goes forward.
    auto schedule = Schedule::parse(timer->when, WallTime(), "key");
    for (int i = 0; schedule && i < 10; ++i) {
      const WallTime before = schedule->next();
      if (!schedule->advance()) break;
      if (schedule->next() < before) break;
    }
  }
  if (const auto reminder = read_reminder(text)) {
    StoredReminder stored;
    stored.data = reminder->data;
    const auto shown = reminder_json(stored);
    if (reminder->data && !shown) __builtin_trap();
    [[maybe_unused]] const auto cron = cron_of_period(reminder->when.period);
  }
  if (const auto operations = read_operations(text)) {
    for (const StateOperation& each : *operations) {
      if (each.has_request && !json::is_valid(each.value)) __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_clients(text);
  if (const auto config = parse_app_config(text)) {
    [[maybe_unused]] const auto hosting = make_hosting(*config, std::chrono::seconds(30));
  }
  [[maybe_unused]] const auto named = check_name(text);
  // And what other sidecars send.
  [[maybe_unused]] const auto actor = actor_of_request(text);
  if (const auto bytes = bytes_of_value(text);
      bytes && bytes_of_value(bytes_value(*bytes)) != bytes) {
    __builtin_trap();
  }
  if (const auto reminder = decode_reminder(text)) {
    tell(*reminder);
    if (!decode_reminder(encode_reminder(*reminder))) __builtin_trap();
  }
  return 0;
}
