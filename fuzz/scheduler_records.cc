#include <cstddef>
#include <cstdint>

#include "control/scheduler/api_wire.h"
#include "control/scheduler/life.h"
#include "control/scheduler/record.h"
#include "control/scheduler/schedule.h"
#include "control/scheduler/target.h"
#include "control/scheduler/time_zone.h"

// What sidecars send to the scheduler, and what other programs may have written in its store.
namespace {

using namespace outrigger;
using namespace outrigger::control::scheduler;

const WallTime kNow = WallTime(std::chrono::seconds(1'787'313'600));

void live(StoredJob job) {
  [[maybe_unused]] const auto target = target_of(job);
  auto life = Life::resume(std::move(job), std::nullopt, kNow);
  for (int step = 0; life && life->next() && step < 8; ++step) {
    [[maybe_unused]] const WallTime due = due_at(*life->next(), kNow);
    step % 3 == 0 ? life->failed() : life->succeeded();
  }
}

void zone(std::string_view bytes) {
  const auto zone = TimeZone::parse(bytes);
  if (!zone) return;
  for (const std::int64_t when : {-4'000'000'000LL, 0LL, 1'787'313'600LL, 9'000'000'000LL}) {
    const auto period = (*zone)->at(when);
    if (when < period.begin || when >= period.end) __builtin_trap();
    [[maybe_unused]] const auto utc = (*zone)->to_utc(when);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto schedule = Schedule::parse(text)) {
    const auto next = schedule->next(kNow);
    // Cron goes forward.
    if (next && !schedule->interval() && *next <= kNow) __builtin_trap();
  }
  zone(text);
  if (auto job = decode_job(text)) {
    const auto again = decode_job(encode(*job));
    if (!again || *again != *job) __builtin_trap();
    live(*std::move(job));
  }
  if (const auto counter = decode_counter(text)) {
    const auto again = decode_counter(encode(*counter));
    if (!again || *again != *counter) __builtin_trap();
  }
  if (auto request = wire::parse_schedule(text)) {
    if (auto job = accept(std::move(request->job), kNow, 1)) live(*std::move(job));
  }
  [[maybe_unused]] const auto watch = wire::parse_watch(text);
  [[maybe_unused]] const auto list = wire::parse_list(text);
  [[maybe_unused]] const auto by_metadata = wire::parse_delete_by_metadata(text);
  [[maybe_unused]] const auto name = check_name(text);
  return 0;
}
