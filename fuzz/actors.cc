#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "net/uri.h"
#include "runtime/actors/bytes_value.h"
#include "runtime/actors/config.h"
#include "runtime/actors/http_body.h"
#include "runtime/actors/http_callbacks.h"
#include "runtime/actors/peer_caller.h"
#include "runtime/invoke/app_caller.h"
#include "runtime/invoke/method.h"

namespace {

using namespace outrigger;
using namespace outrigger::runtime::actors;
namespace invoke = outrigger::runtime::invoke;

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

// Whoever names an actor and a method: the application reads a path below that actor.
void stay_at_home(const std::string& text) {
  const std::size_t cut = text.find('\n');
  const ActorRef actor{"cat", text.substr(0, cut)};
  const auto method = invoke::normalise_method(
      cut == std::string::npos ? std::string_view("feed") : std::string_view(text).substr(cut + 1));
  if (!method) return;
  const auto path = method_path(actor, *method);
  if (!path) return;
  const auto target = invoke::app_target(*path, "", "http://app");
  if (!target) return;
  const auto read = net::path_unescape(*target);
  const auto home = net::path_unescape("/actors/cat/" + actor.id + "/method");
  OUT_ASSERT(read && home);
  OUT_ASSERT((net::clean_path(*read) + "/").starts_with(*home + "/"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_clients(text);
  if (const auto config = parse_app_config(text)) {
    [[maybe_unused]] const auto hosting = make_hosting(*config, std::chrono::seconds(30));
  }
  [[maybe_unused]] const auto named = check_name(text);
  stay_at_home(text);
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
