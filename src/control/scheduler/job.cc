#include "control/scheduler/job.h"

#include "base/duration.h"
#include "base/strings.h"
#include "control/scheduler/schedule.h"

namespace outrigger::control::scheduler {
namespace {

constexpr std::size_t kNameBytesMax = 512;

std::unexpected<Error> bad(std::string message) { return fail(Code::unknown, std::move(message)); }
std::unexpected<Error> invalid(std::string_view why) {
  return bad("job failed validation: " + std::string(why));
}

/// RFC 3339, or a Go or ISO 8601 duration from `now`; in this order, as upstream tries them.
Result<WallTime> parse_point(std::string_view text, WallTime now) {
  if (auto time = parse_rfc3339(text)) return time;
  if (const auto duration = parse_duration(text)) {
    return add(now, CalendarDuration{.rest = *duration});
  }
  const auto iso = parse_iso8601_duration(text);
  if (!iso) return fail(Code::unknown, "due time format not recognized");
  if (iso->repetitions.value_or(0) > 0) {
    return fail(Code::unknown, "repeats not supported for due time");
  }
  return add(now, *iso);
}

Result<> check(const Job& job) {
  if (!job.due_time && !job.schedule) {
    return invalid("job must have either a due time or a schedule");
  }
  if (!job.schedule && job.repeats.value_or(0) > 1) {
    return invalid("job must have a schedule to repeat");
  }
  if (job.repeats && *job.repeats < 1) return invalid("defined repeats must be greater than 0");
  if (!job.schedule && job.ttl) return invalid("job must have a schedule to have a ttl");
  if (job.schedule) {
    if (const auto schedule = Schedule::parse(*job.schedule); !schedule) {
      return invalid(schedule.error().message());
    }
  }
  return {};
}

bool is_control(char32_t rune) { return rune < 0x20 || (rune >= 0x7F && rune < 0xA0); }

}  // namespace

Result<StoredJob> accept(Job job, WallTime now, std::uint64_t partition_id) {
  OUT_CHECK(check(job));
  if (!job.failure_policy) {
    job.failure_policy = FailurePolicy{.kind = FailurePolicy::Kind::constant,
                                       .interval = std::chrono::seconds(1),
                                       .retries_max = 3};
  }
  StoredJob stored;
  stored.partition_id = partition_id;
  if (job.due_time) {
    auto due = parse_point(*job.due_time, now);
    if (!due) return invalid(due.error().message());
    stored.due_time = *due;
  } else {
    stored.start = now;
  }
  if (job.ttl) {
    const auto expiration = parse_point(*job.ttl, stored.due_time.value_or(now));
    if (!expiration) return invalid("ttl format not recognized");
    if (stored.due_time && *stored.due_time > *expiration) {
      return invalid("ttl must be greater than due time");
    }
    stored.expiration = *expiration;
  }
  stored.job = std::move(job);
  return stored;
}

Result<> check_name(std::string_view name) {
  if (name.empty()) return bad("job name cannot be empty");
  const std::string begin = "job name is invalid " + quoted(name) + ": ";
  if (name.size() > kNameBytesMax) {
    return bad(begin + "must be at most " + std::to_string(kNameBytesMax) + " characters");
  }
  if (name.find_first_of("#?/\\") != std::string_view::npos) {
    return bad(begin + "must not contain '/', '\\', '#' or '?'");
  }
  for (std::string_view rest = name; !rest.empty();) {
    const Rune rune = decode_rune(rest);
    if (is_control(rune.value)) return bad(begin + "must not contain control characters");
    rest.remove_prefix(rune.bytes);
  }
  if (name == "." || name == "..") return bad(begin + "must not be a path traversal sequence");
  return {};
}

}  // namespace outrigger::control::scheduler
