#include "control/scheduler/record.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = parse_rfc3339("2026-08-21T12:00:00.5Z").value();

TEST(Record, KeepsEverythingOfAJob) {
  StoredJob job;
  job.partition_id = 0xFFFF'FFFF'FFFF'FFFF;
  job.start = kNow;
  job.expiration = kNow + 1h;
  job.job = {.schedule = "@every 1s",
             .due_time = "",
             .ttl = "1h",
             .repeats = 0,
             .metadata = Payload{"a", std::string("\0b", 2)},
             .payload = Payload{},
             .failure_policy = FailurePolicy{
                 .kind = FailurePolicy::Kind::constant, .interval = 1500ms, .retries_max = 0}};
  EXPECT_EQ(decode_job(encode(job)).value(), job);
  job.start.reset();
  job.due_time = kNow - 100 * 24h;
  job.job.failure_policy = FailurePolicy{.kind = FailurePolicy::Kind::drop};
  EXPECT_EQ(decode_job(encode(job)).value(), job);
  job.job.failure_policy = FailurePolicy{};
  EXPECT_EQ(decode_job(encode(job)).value(), job);
}

// Anybody can write such records through the port of etcd.
TEST(Record, KeepsTheEndsOfTime) {
  for (const auto time : {WallTime::min(), WallTime::min() + 1ns, WallTime(-1ns), WallTime(-1s),
                          WallTime(), WallTime::max()}) {
    const Counter counter{.last_trigger = time};
    EXPECT_EQ(decode_counter(encode(counter)).value(), counter);
  }
}

TEST(Record, KeepsEverythingOfACounter) {
  const Counter counter{.partition_id = 7, .count = 3, .last_trigger = kNow, .attempts = 2};
  EXPECT_EQ(decode_counter(encode(counter)).value(), counter);
  EXPECT_EQ(decode_counter(encode(Counter{})).value(), Counter{});
}

TEST(Record, HasUpstreamsBytes) {
  // partition_id 300; due_time 2026-01-01; job { due_time "1s" failure_policy { drop {} } }
  StoredJob job;
  job.partition_id = 300;
  job.due_time = parse_rfc3339("2026-01-01T00:00:00Z").value();
  job.job.due_time = "1s";
  job.job.failure_policy = FailurePolicy{.kind = FailurePolicy::Kind::drop};
  std::string hex;
  append_hex(hex, encode(job));
  EXPECT_EQ(hex, "08ac021a060880f2d6ca062a08120231733a020a00");
}

TEST(Record, WhatIsNoneIsAnErrorAndTimesBeyondTheRangeAreItsEnds) {
  EXPECT_FALSE(decode_job("\xff\xff"));
  EXPECT_FALSE(decode_counter("\x0a"));
  // due_time in the year 9999.
  const auto job = decode_job(std::string("\x1a\x07\x08\x80\xdc\xcd\x86\xaf\x07", 9));
  ASSERT_TRUE(job);
  EXPECT_EQ(job->due_time, WallTime::max());
}

}  // namespace
}  // namespace outrigger::control::scheduler
