#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "components/middleware/rig_testing.h"
#include "components/middleware/sentinel_guard.h"

namespace outrigger::components::middleware::sentinel {
namespace {

using testing::HasSubstr;
using Kind = Guard::Verdict::Kind;

/// A machine in the hands of the test.
struct Figures {
  double load = 0, cpu = 0;
  std::int64_t resident = 0;
  [[nodiscard]] Machine machine() const {
    return {.load = [this] { return load; },
            .cpu = [this] { return cpu; },
            .resident = [this] { return resident; }};
  }
};

/// A guard and its clock.
class Post {
 public:
  explicit Post(Rules rules) : guard_(std::move(rules), figures.machine()) {}
  std::optional<Guard::Entry> enter(const std::string& resource = "GET:/a") {
    Guard::Entry entry{.resource = resource, .next_rule = 0, .began = 0};
    last = guard_.enter(entry, now);
    if (last.kind == Kind::refuse) return std::nullopt;
    return entry;
  }
  void exit(const Guard::Entry& entry, bool error = false) { guard_.exit(entry, error, now); }
  /// One whole request; whether it passed.
  bool pass(Millis takes = 0, bool error = false) {
    const auto entry = enter();
    if (!entry) return false;
    now += takes;
    exit(*entry, error);
    return true;
  }
  int passes(int count) {
    int passed = 0;
    for (int i = 0; i < count; ++i) passed += pass() ? 1 : 0;
    return passed;
  }

  Figures figures;
  Millis now = 1'000'000;
  Guard::Verdict last;

 private:
  Guard guard_;
};

Rules flow(const std::string& members) {
  return {.flow = *read_flow_rules("[{\"resource\":\"GET:/a\"," + members + "}]"),
          .breakers = {},
          .isolation = {},
          .system = {}};
}
Rules breaker(const std::string& members) {
  return {.flow = {},
          .breakers = *read_breaker_rules("[{\"resource\":\"GET:/a\"," + members + "}]"),
          .isolation = {},
          .system = {}};
}
Rules system(const std::string& members) {
  return {.flow = {},
          .breakers = {},
          .isolation = {},
          .system = *read_system_rules("[{" + members + "}]")};
}

TEST(SentinelRules, AreReadAsTheyAreWritten) {
  const auto rules =
      read_flow_rules(R"([{"resource":"r","Threshold":1.5,"statIntervalInMs":2000,"unknown":{},)"
                      R"("refResource":null}])");
  ASSERT_EQ(rules->size(), 1U);
  EXPECT_EQ(rules->front().threshold, 1.5);
  EXPECT_EQ(rules->front().stat_interval_ms, 2000U);
  for (const char* wrong :
       {"", "{}", "[1]", "[{\"resource\":1}]", R"([{"resource":"r","statIntervalInMs":-1}])",
        R"([{"resource":"r","threshold":"1"}])", R"([{"resource":"r"}] x)",
        R"([{"resource":"r","tokenCalculateStrategy":1.5}])",
        R"([{"resource":"r","maxQueueingTimeMs":4294967296}])"}) {
    EXPECT_FALSE(read_flow_rules(wrong)) << wrong;
  }
}

TEST(SentinelRules, ThoseThatMakeNoSenseAreNamedAndLeftOut) {
  const LogCapture lines;
  EXPECT_EQ(read_flow_rules(R"([{"threshold":1},{"resource":"r","threshold":-1},)"
                            R"({"resource":"r","tokenCalculateStrategy":1},)"
                            R"({"resource":"r","tokenCalculateStrategy":2},)"
                            R"({"resource":"r","relationStrategy":1}])")
                ->size(),
            0U);
  EXPECT_EQ(read_breaker_rules(R"([{"resource":"r","statIntervalMs":1000},)"
                               R"({"resource":"r","retryTimeoutMs":1},)"
                               R"({"resource":"r","statIntervalMs":1,"retryTimeoutMs":1,)"
                               R"("threshold":1.5},{"resource":"r","statIntervalMs":400000000,)"
                               R"("retryTimeoutMs":1,"statSlidingWindowBucketCount":400000000}])")
                ->size(),
            0U);
  EXPECT_EQ(read_isolation_rules(R"([{"resource":"r"},{"resource":"r","metricType":1}])")->size(),
            0U);
  EXPECT_EQ(read_system_rules(R"([{"metricType":5},{"metricType":4,"triggerCount":2}])")->size(),
            0U);
  EXPECT_TRUE(lines.contains("negative Threshold"));
}

TEST(SentinelGuard, AFlowRuleLetsSoManyPassInItsInterval) {
  Post post(flow("\"threshold\":3"));
  EXPECT_EQ(post.passes(5), 3);
  EXPECT_TRUE(post.enter("GET:/b")) << "another resource";
  post.now += 1000;
  EXPECT_EQ(post.passes(5), 3);
  Post longer(flow("\"threshold\":3,\"statIntervalInMs\":5000"));
  EXPECT_EQ(longer.passes(5), 3);
  longer.now += 4000;
  EXPECT_EQ(longer.passes(5), 0);
  longer.now += 1000;
  EXPECT_EQ(longer.passes(5), 3);
  Post odd(flow("\"threshold\":3,\"statIntervalInMs\":100"));
  EXPECT_EQ(odd.passes(5), 3);
  odd.now += 100;
  EXPECT_EQ(odd.passes(5), 3);
  EXPECT_EQ(Post(flow("\"threshold\":0")).passes(5), 0);
}

TEST(SentinelGuard, AnAssociatedRuleCountsTheOther) {
  Post post(flow(R"("threshold":1,"relationStrategy":1,"refResource":"GET:/b")"));
  EXPECT_EQ(post.passes(3), 3);
  EXPECT_TRUE(post.enter("GET:/b"));
  EXPECT_EQ(post.passes(3), 0);
}

TEST(SentinelGuard, ThrottlingSpacesRequestsOut) {
  Post post(flow(R"("threshold":10,"controlBehavior":1,"maxQueueingTimeMs":250)"));
  EXPECT_TRUE(post.enter());
  EXPECT_EQ(post.last.kind, Kind::pass);
  for (const Millis wait : {100, 200}) {
    EXPECT_TRUE(post.enter());
    EXPECT_EQ(post.last.kind, Kind::wait);
    EXPECT_EQ(post.last.wait_ms, wait);
  }
  EXPECT_FALSE(post.enter()) << "300 ms are more than it may wait";
  post.now += 200;
  auto entry = post.enter();
  EXPECT_EQ(post.last.wait_ms, 100);
  Post slow(flow(R"("threshold":0.5,"controlBehavior":1,"maxQueueingTimeMs":250)"));
  EXPECT_FALSE(slow.enter()) << "as upstream: less than one in the interval is none";
}

TEST(SentinelGuard, WarmUpLetsFewPassFirst) {
  Post post(flow(
      R"("threshold":90,"tokenCalculateStrategy":1,"warmUpPeriodSec":5,"warmUpColdFactor":3)"));
  EXPECT_NEAR(post.passes(100), 30, 1);
  for (int second = 0; second < 20; ++second) {
    post.now += 1000;
    post.passes(100);
  }
  post.now += 1000;
  EXPECT_EQ(post.passes(100), 90);
}

TEST(SentinelGuard, AMemoryAdaptiveRuleFollowsTheProcess) {
  Post post(flow(R"("tokenCalculateStrategy":2,"lowMemUsageThreshold":10,)"
                 R"("highMemUsageThreshold":2,"memLowWaterMarkBytes":100,)"
                 R"("memHighWaterMarkBytes":200)"));
  for (const auto& [resident, passed] : {std::pair(50, 10), std::pair(150, 6), std::pair(900, 2)}) {
    post.figures.resident = resident;
    EXPECT_EQ(post.passes(20), passed);
    post.now += 2000;
  }
}

TEST(SentinelGuard, IsolationBoundsWhatRunsAtOnce) {
  Rules rules;
  rules.isolation = *read_isolation_rules(R"([{"resource":"GET:/a","threshold":2}])");
  Post post(std::move(rules));
  const auto one = post.enter();
  const auto two = post.enter();
  ASSERT_TRUE(one && two);
  EXPECT_FALSE(post.enter());
  post.exit(*one);
  EXPECT_TRUE(post.enter());
}

TEST(SentinelGuard, ABreakerOpensOnSlowRequestsAndClosesByAProbe) {
  Post post(breaker(R"("retryTimeoutMs":3000,"minRequestAmount":4,"statIntervalMs":1000,)"
                    R"("maxAllowedRtMs":50,"threshold":0.5)"));
  EXPECT_TRUE(post.pass(60) && post.pass(60) && post.pass(0));
  EXPECT_TRUE(post.pass(0)) << "the fourth decides: half of them were slow";
  EXPECT_FALSE(post.pass());
  post.now += 3000;
  const auto probe = post.enter();
  ASSERT_TRUE(probe);
  EXPECT_FALSE(post.enter()) << "one probe at a time";
  post.now += 60;
  post.exit(*probe);
  EXPECT_FALSE(post.pass()) << "it was slow";
  post.now += 3000;
  EXPECT_TRUE(post.pass());
  EXPECT_EQ(post.passes(5), 5) << "closed";
}

TEST(SentinelGuard, BreakersCountErrors) {
  Post ratio(breaker(R"("strategy":1,"retryTimeoutMs":100,"minRequestAmount":2,)"
                     R"("statIntervalMs":1000,"threshold":0.6,"probeNum":2)"));
  EXPECT_TRUE(ratio.pass(0, true) && ratio.pass(0, false) && ratio.pass(0, true));
  EXPECT_FALSE(ratio.pass());
  ratio.now += 100;
  EXPECT_TRUE(ratio.pass() && ratio.pass() && ratio.pass()) << "two probes, and then it is closed";
  Post count(breaker(R"("strategy":2,"retryTimeoutMs":100,"statIntervalMs":1000,"threshold":2,)"
                     R"("statSlidingWindowBucketCount":10)"));
  EXPECT_TRUE(count.pass(0, true));
  count.now += 900;
  EXPECT_TRUE(count.pass(0, true));
  EXPECT_FALSE(count.pass());
}

TEST(SentinelGuard, SystemRulesHoldForAllResources) {
  Post qps(system(R"("metricType":3,"triggerCount":2)"));
  EXPECT_TRUE(qps.enter("GET:/a") && qps.enter("GET:/b"));
  EXPECT_FALSE(qps.enter("GET:/c"));
  Post running(system(R"("metricType":2,"triggerCount":1)"));
  const auto one = running.enter();
  EXPECT_FALSE(running.enter("GET:/b"));
  running.exit(*one);
  EXPECT_TRUE(running.enter("GET:/b"));
  Post rt(system(R"("metricType":1,"triggerCount":10)"));
  EXPECT_TRUE(rt.pass(20));
  EXPECT_FALSE(rt.pass());
  Post load(system(R"("metricType":0,"triggerCount":1)"));
  EXPECT_TRUE(load.pass());
  load.figures.load = 2;
  EXPECT_FALSE(load.pass());
  Post cpu(system(R"("metricType":4,"triggerCount":0.5,"strategy":1)"));
  cpu.figures.cpu = 0.9;
  const auto first = cpu.enter();
  const auto second = cpu.enter();
  EXPECT_TRUE(first && second);
  EXPECT_FALSE(cpu.enter()) << "more run than the best second has seen";
}

TEST(Sentinel, AnswersTooManyRequests) {
  Rig rig("middleware.http.sentinel",
          {{"appName", "app"},
           {"flowRules", R"([{"resource":"GET:/v1.0/a b","threshold":0}])"},
           {"hotSpotParamRules", "[]"}});
  ASSERT_EQ(rig.error(), "");
  for (const char* way : {"/v1.0/a%20b?x", "/v1.0/a%20b", "//v1.0/a%20b", "/x/../v1.0/%61%20b/"}) {
    const auto refused = rig.send(way);
    EXPECT_EQ(refused.status, 429) << way;
    EXPECT_EQ(refused.body.whole, "Too Many Requests");
  }
  EXPECT_EQ(rig.send("/v1.0/a").status, 200);
  rig.method = "POST";
  EXPECT_EQ(rig.send("/v1.0/a%20b").status, 200);
  EXPECT_THAT(Rig("middleware.http.sentinel", {{"flowRules", "{"}}).error(),
              HasSubstr("fail to load sentinel flow rules '{'"));
}

TEST(Sentinel, TheMachineHasFigures) {
  const Machine machine = this_machine();
  EXPECT_GE(machine.load(), 0);
  EXPECT_GE(machine.cpu(), 0);
  EXPECT_GT(machine.resident(), 1 << 20);
}

}  // namespace
}  // namespace outrigger::components::middleware::sentinel
