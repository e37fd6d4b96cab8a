#include "control/scheduler/life.h"

#include <random>

#include <gtest/gtest.h>

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
using Kind = FailurePolicy::Kind;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00Z").value();

StoredJob accepted(Job job) { return accept(std::move(job), kNow, 7).value(); }
std::string refused(Job job) { return accept(std::move(job), kNow, 7).error().message(); }

Life begin(const Job& job) { return Life::resume(accepted(job), std::nullopt, kNow).value(); }
/// As after a restart.
Life again(const Life& life, WallTime due) {
  return Life::resume(life.job(), life.counter(), due).value();
}

TEST(Acceptance, RefusesJobsThatMakeNoSenseInUpstreamsWords) {
  EXPECT_EQ(refused({}), "job failed validation: job must have either a due time or a schedule");
  EXPECT_EQ(refused({.due_time = "1s", .repeats = 2}),
            "job failed validation: job must have a schedule to repeat");
  EXPECT_EQ(refused({.schedule = "@daily", .repeats = 0}),
            "job failed validation: defined repeats must be greater than 0");
  EXPECT_EQ(refused({.due_time = "1s", .ttl = "1s"}),
            "job failed validation: job must have a schedule to have a ttl");
  EXPECT_EQ(refused({.schedule = "bad string"}),
            "job failed validation: expected exactly 6 fields, found 2: [bad string]");
  EXPECT_EQ(refused({.due_time = "bad"}), "job failed validation: due time format not recognized");
  EXPECT_EQ(refused({.due_time = "R3/PT1S"}),
            "job failed validation: repeats not supported for due time");
  EXPECT_EQ(refused({.schedule = "@daily", .ttl = "bad"}),
            "job failed validation: ttl format not recognized");
  EXPECT_EQ(refused({.schedule = "@daily", .due_time = "2s", .ttl = "-1s"}),
            "job failed validation: ttl must be greater than due time");
}

TEST(Acceptance, ReadsTimesAndDurationsOfAllForms) {
  const auto due = [](std::string text) { return accepted({.due_time = text}).due_time.value(); };
  EXPECT_EQ(due("2024-04-24T11:42:22Z"), parse_rfc3339("2024-04-24T11:42:22Z").value());
  EXPECT_EQ(due("10s"), kNow + 10s);
  EXPECT_EQ(due("1h30m5.5s"), kNow + 1h + 30min + 5500ms);
  EXPECT_EQ(due("P1DT2H"), kNow + 26h);
  EXPECT_EQ(due("P1M"), parse_rfc3339("2026-09-21T12:00:00Z").value());
  EXPECT_EQ(due("R0/PT5S"), kNow + 5s);
}

TEST(Acceptance, CountsFromNowOrFromTheDueTime) {
  const StoredJob plain = accepted({.schedule = "@every 1h", .ttl = "2h"});
  EXPECT_EQ(plain.start, kNow);
  EXPECT_EQ(plain.due_time, std::nullopt);
  EXPECT_EQ(plain.expiration, kNow + 2h);
  const StoredJob due = accepted({.schedule = "@every 1h", .due_time = "30m", .ttl = "2h"});
  EXPECT_EQ(due.start, std::nullopt);
  EXPECT_EQ(due.due_time, kNow + 30min);
  EXPECT_EQ(due.expiration, kNow + 150min);
  EXPECT_EQ(due.partition_id, 7U);
}

TEST(Acceptance, TriesThreeTimesAgainAfterASecondUnlessToldOtherwise) {
  const FailurePolicy usual{.kind = Kind::constant, .interval = 1s, .retries_max = 3};
  EXPECT_EQ(accepted({.due_time = "1s"}).job.failure_policy, usual);
  const FailurePolicy own{.kind = Kind::drop};
  EXPECT_EQ(accepted({.due_time = "1s", .failure_policy = own}).job.failure_policy, own);
}

TEST(Acceptance, RefusesNamesInUpstreamsWords) {
  EXPECT_TRUE(check_name("app||ns||id||name with spaces é"));
  EXPECT_TRUE(check_name(std::string(512, 'a')));
  const auto words = [](std::string_view name) { return check_name(name).error().message(); };
  EXPECT_EQ(words(""), "job name cannot be empty");
  EXPECT_EQ(words("a/b"), "job name is invalid \"a/b\": must not contain '/', '\\', '#' or '?'");
  EXPECT_EQ(words("a\nb"), "job name is invalid \"a\\nb\": must not contain control characters");
  EXPECT_EQ(words("a\xC2\x85"
                  "b"),
            "job name is invalid \"a\\u0085b\": must not contain control characters");
  EXPECT_EQ(words(".."), "job name is invalid \"..\": must not be a path traversal sequence");
  EXPECT_TRUE(words(std::string(513, 'a')).ends_with("must be at most 512 characters"));
}

TEST(Life, OfAJobWithoutAScheduleIsOneTrigger) {
  Life life = begin({.due_time = "10s"});
  EXPECT_EQ(life.next(), (Waking{kNow + 10s}));
  life.succeeded();
  EXPECT_EQ(life.next(), std::nullopt);
}

TEST(Life, OfAScheduleBeginsOneStepAfterItsStartOrAtItsDueTime) {
  EXPECT_EQ(begin({.schedule = "@every 1h"}).next(), (Waking{kNow + 1h, 1h}));
  EXPECT_EQ(begin({.schedule = "@every 1h", .due_time = "5s"}).next(), (Waking{kNow + 5s}));
}

TEST(Life, MakesUpForEveryTriggerThatWasMissed) {
  Life life = begin({.schedule = "@every 10s"});
  life.succeeded();
  // The clock is far ahead by now: the steps are those of the schedule all the same.
  life = again(life, kNow + 1h);
  for (int step = 2; step <= 5; ++step) {
    EXPECT_EQ(life.next()->due, kNow + step * 10s);
    life.succeeded();
  }
}

TEST(Life, EndsAfterItsRepeats) {
  Life life = begin({.schedule = "@every 10s", .repeats = 2});
  life.succeeded();
  ASSERT_TRUE(life.next());
  life.succeeded();
  EXPECT_EQ(life.next(), std::nullopt);
}

TEST(Life, EndsWhenTheNextTriggerIsBehindItsTtl) {
  Life life = begin({.schedule = "@every 10s", .ttl = "25s"});
  life.succeeded();
  ASSERT_TRUE(life.next());
  life.succeeded();
  EXPECT_EQ(life.next(), std::nullopt);
  EXPECT_EQ(begin({.schedule = "@every 10s", .ttl = "5s"}).next(), std::nullopt);
}

TEST(Life, OfAScheduleThatNeverMatchesIsLongButQuiet) {
  EXPECT_EQ(begin({.schedule = "0 0 0 30 2 *"}).next(), (Waking{Life::kNever}));
}

TEST(Life, ARetryWaitsAndTheTriggerAfterItKeepsToTheSchedule) {
  const FailurePolicy twice{.kind = Kind::constant, .interval = 3s, .retries_max = 2};
  Life life = begin({.schedule = "@every 10s", .failure_policy = twice});
  life.failed();
  EXPECT_EQ(life.next(), (Waking{kNow + 13s, 3s}));
  EXPECT_EQ(life.counter().attempts, 1U);
  life.failed();
  EXPECT_EQ(life.next(), (Waking{kNow + 16s, 3s}));
  life.failed();
  EXPECT_EQ(life.next(), (Waking{kNow + 20s, 10s}));
  EXPECT_EQ(life.counter(), (Counter{7, 1, kNow + 10s, 0}));
}

TEST(Life, WithoutALimitARetryFollowsEveryFailure) {
  Life life = begin({.due_time = "0s", .failure_policy = FailurePolicy{.kind = Kind::constant}});
  for (int i = 0; i < 100; ++i) life.failed();
  EXPECT_EQ(life.next(), (Waking{kNow}));
  EXPECT_EQ(life.counter().attempts, 100U);
}

TEST(Life, AFailureThatIsDroppedIsTheEndOfThisTrigger) {
  Life once = begin({.due_time = "0s", .failure_policy = FailurePolicy{.kind = Kind::drop}});
  once.failed();
  EXPECT_EQ(once.next(), std::nullopt);
  Life often =
      begin({.schedule = "@every 10s", .failure_policy = FailurePolicy{.kind = Kind::drop}});
  often.failed();
  EXPECT_EQ(often.next()->due, kNow + 20s);
}

TEST(Life, GoesOnWhereItsCounterSaysUnlessThatBelongsToAnEarlierJob) {
  Life life = begin({.schedule = "@every 10s"});
  life.failed();
  EXPECT_EQ(again(life, kNow + 11s).next()->due, kNow + 11s);
  EXPECT_EQ(again(life, kNow + 11s).counter().attempts, 1U);
  Counter stale = life.counter();
  stale.partition_id = 8;
  stale.count = 5;
  EXPECT_EQ(Life::resume(life.job(), stale, kNow).value().counter(), (Counter{.partition_id = 7}));
}

TEST(Life, AnIntervalIsNotStretchedByAClockThatWasSetBack) {
  const Waking waking = begin({.schedule = "@every 10s"}).next().value();
  EXPECT_EQ(due_at(waking, kNow), kNow + 10s);
  EXPECT_EQ(due_at(waking, kNow - 1h), kNow - 1h + 10s);
  EXPECT_EQ(due_at(waking, kNow + 1h), kNow + 10s);
  // Times of the calendar stay what they are.
  const Waking calendar = begin({.schedule = "0 0 * * * *"}).next().value();
  EXPECT_EQ(due_at(calendar, kNow - 5h), kNow + 1h);
}

/// What the life of a job with "@every" comes to, in the plainest words: the n-th trigger is due at
/// a fixed time, is tried until it succeeds or its tries are used up, and the job is over after so
/// many triggers or when the next one lies behind the end.
struct Model {
  std::vector<WallTime> triggers;  // Of the n-th trigger.
  std::optional<std::uint32_t> tries_max;
  std::chrono::nanoseconds pause{};
  std::size_t at = 0;
  std::uint32_t tried = 0;

  std::optional<WallTime> due() const {
    if (at >= triggers.size()) return std::nullopt;
    return triggers[at] + tried * pause;
  }
  void result(bool success) {
    ++tried;
    if (!success && (!tries_max || tried < *tries_max)) return;
    ++at;
    tried = 0;
  }
};

TEST(Life, AgreesWithAPlainModelWhateverHappens) {
  std::mt19937 random(20261122);
  const auto below = [&random](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  for (int round = 0; round < 500; ++round) {
    Job job;
    const unsigned every = 1 + below(30);
    job.schedule = "@every " + std::to_string(every) + "s";
    WallTime first = kNow + std::chrono::seconds(every);
    if (below(2) == 0) {
      first = kNow + std::chrono::seconds(below(100));
      job.due_time = format_rfc3339(first);
    }
    std::size_t count = 40;
    if (below(2) == 0) job.repeats = static_cast<std::uint32_t>(count = 1 + below(20));
    Model model;
    switch (below(3)) {
      case 0: model.tries_max = 4, model.pause = 1s; break;
      case 1: model.tries_max = 1, job.failure_policy = FailurePolicy{.kind = Kind::drop}; break;
      default:
        model.pause = std::chrono::seconds(below(5));
        job.failure_policy = FailurePolicy{.kind = Kind::constant, .interval = model.pause};
        if (below(2) == 0) job.failure_policy->retries_max = below(4);
        if (job.failure_policy->retries_max) model.tries_max = *job.failure_policy->retries_max + 1;
    }
    std::optional<WallTime> end;
    if (below(3) == 0) {
      const WallTime counted_from = job.due_time ? first : kNow;
      const auto ttl = std::chrono::seconds(below(300));
      job.ttl = std::to_string(ttl.count()) + "s";
      end = counted_from + ttl;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const WallTime when = first + i * std::chrono::seconds(every);
      if (!end || when <= *end) model.triggers.push_back(when);
    }
    Life life = begin(job);
    for (int step = 0; step < 60 && model.at < 39; ++step) {
      const auto waking = life.next();
      ASSERT_EQ(waking ? std::optional(waking->due) : std::nullopt, model.due()) << round;
      if (!waking) break;
      if (below(4) == 0) life = again(life, waking->due);
      const bool success = below(3) != 0;
      success ? life.succeeded() : life.failed();
      model.result(success);
    }
  }
}

}  // namespace
}  // namespace outrigger::control::scheduler
