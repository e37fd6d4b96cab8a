#include "runtime/resiliency/policies.h"

#include "base/pch_test.h"
#include "base/scope.h"
#include "runtime/resiliency/backoff.h"

namespace outrigger::runtime::resiliency {
namespace {

using namespace std::chrono_literals;
using resources::Resiliency;
using resources::RetryPolicy;

constexpr TimePoint kNow{1h};

TEST(Backoff, IsConstantUntilTheRetriesAreUsedUp) {
  const RetryPolicy policy{.duration = 2s, .max_retries = 2};
  Backoff backoff(policy, kNow);
  EXPECT_EQ(backoff.next(kNow), 2s);
  EXPECT_EQ(backoff.next(kNow), 2s);
  EXPECT_FALSE(backoff.next(kNow));
  const RetryPolicy none{.max_retries = 0};
  EXPECT_FALSE(Backoff(none, kNow).next(kNow));
}

TEST(Backoff, GrowsByHalfFromHalfASecondWithJitterUpToItsLimit) {
  const RetryPolicy policy{.kind = RetryPolicy::Kind::exponential, .max_interval = 2s};
  Backoff backoff(policy, kNow);
  double middle = 0.5;
  for (int n = 0; n < 20; ++n) {
    const auto pause = backoff.next(kNow);
    ASSERT_TRUE(pause);
    const double seconds = std::chrono::duration<double>(*pause).count();
    EXPECT_GE(seconds, middle * 0.5 - 1e-6) << n;
    EXPECT_LE(seconds, middle * 1.5 + 1e-6) << n;
    middle = std::min(middle * 1.5, 2.0);
  }
}

TEST(Backoff, OfExponentialPoliciesEndsAfterAQuarterOfAnHour) {
  const RetryPolicy policy{.kind = RetryPolicy::Kind::exponential};
  Backoff backoff(policy, kNow);
  EXPECT_TRUE(backoff.next(kNow + 14min));
  EXPECT_FALSE(backoff.next(kNow + 15min));
}

Resiliency with_timeouts(std::map<std::string, std::chrono::nanoseconds> timeouts) {
  Resiliency document;
  document.timeouts = std::move(timeouts);
  return document;
}

bool has_timeout(const Policies& policies, ComponentKind kind, Direction direction) {
  return policies.component("c", kind, direction).has_timeout();
}

TEST(Policies, DefaultsAreTakenByTheirNames) {
  const Policies apps({with_timeouts({{"DefaultAppTimeoutPolicy", 1s}})});
  EXPECT_TRUE(apps.app("a", "m").has_timeout());
  EXPECT_FALSE(apps.actor_turn("A", "1").has_timeout());
  EXPECT_FALSE(has_timeout(apps, ComponentKind::state, Direction::outbound));

  const Policies stores({with_timeouts({{"DefaultStatestoreComponentOutboundTimeoutPolicy", 1s}})});
  EXPECT_TRUE(has_timeout(stores, ComponentKind::state, Direction::outbound));
  EXPECT_FALSE(has_timeout(stores, ComponentKind::state, Direction::inbound));
  EXPECT_FALSE(has_timeout(stores, ComponentKind::pubsub, Direction::outbound));

  const Policies inbound({with_timeouts({{"DefaultComponentInboundTimeoutPolicy", 1s}})});
  EXPECT_TRUE(has_timeout(inbound, ComponentKind::pubsub, Direction::inbound));
  EXPECT_FALSE(has_timeout(inbound, ComponentKind::pubsub, Direction::outbound));

  const Policies all({with_timeouts({{"DefaultTimeoutPolicy", 1s}})});
  EXPECT_TRUE(all.app("a", "m").has_timeout());
  EXPECT_TRUE(all.actor_turn("A", "1").has_timeout());
  EXPECT_TRUE(has_timeout(all, ComponentKind::lock, Direction::outbound));
}

TEST(Policies, ATargetThatIsNamedTakesNoDefaults) {
  Resiliency document = with_timeouts({{"DefaultTimeoutPolicy", 1s}});
  document.apps["plain"] = {};
  document.components["c"] = {};
  const Policies policies({document});
  EXPECT_TRUE(policies.app("plain", "m").empty());
  EXPECT_TRUE(policies.names_app("plain"));
  EXPECT_FALSE(policies.names_app("other"));
  EXPECT_FALSE(has_timeout(policies, ComponentKind::state, Direction::outbound));
}

TEST(Policies, LaterDocumentsOverrideEarlierOnesAndMissingPoliciesAreNone) {
  Resiliency first = with_timeouts({{"t", 1s}});
  first.apps["a"] = {.policies = {.timeout = "t"}};
  first.apps["b"] = {.policies = {.timeout = "missing", .retry = "missing"}};
  Resiliency second = with_timeouts({{"t", 0s}});
  EXPECT_FALSE(Policies({first, second}).app("a", "m").has_timeout());
  EXPECT_TRUE(Policies({first}).app("b", "m").empty());
}

TEST(Policies, BuiltInRetriesCanBeChangedWithinLimits) {
  EXPECT_EQ(Policies().built_in(BuiltIn::service_retries).max_retries, 3);
  Resiliency document;
  document.retries["DaprBuiltInServiceRetries"] = {.duration = 1ms, .max_retries = 0};
  const Policies policies({document});
  const auto& changed = policies.built_in(BuiltIn::service_retries);
  EXPECT_EQ(changed.max_retries, 3) << "raised to three";
  EXPECT_EQ(changed.duration, 1ms);
}

TEST(Policies, ActorsHaveBreakersByTypeOrById) {
  Resiliency document;
  document.circuit_breakers["cb"] = {};
  document.actors["T"] = {.policies = {.circuit_breaker = "cb"}};
  document.actors["I"] = {.policies = {.circuit_breaker = "cb"},
                          .circuit_breaker_scope = resources::ActorTarget::Scope::id,
                          .circuit_breaker_cache_size = 2};
  const Policies policies({document});
  for (const std::string id : {"1", "2", "3"}) {
    EXPECT_FALSE(policies.actor_call("T", id).empty());
    EXPECT_FALSE(policies.actor_call("I", id).empty());
  }
  std::vector<std::string> keys;
  for (const auto& breaker : policies.breakers()) keys.push_back(breaker.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"I-2", "I-3", "T"})) << "the cache keeps two";
}

TEST(Policies, AppsThatClientsMakeUpDoNotFillTheMemory) {
  Resiliency document;
  document.circuit_breakers["DefaultAppCircuitBreakerPolicy"] = {};
  const Policies policies({document});
  for (int n = 0; n < 10'200; ++n) {
    EXPECT_FALSE(policies.app("app" + std::to_string(n), "m").empty());
  }
  // The last 100 of those that share a place.
  EXPECT_EQ(policies.breakers().size(), 10'100U);
  EXPECT_EQ(policies.breakers().back().target, "other");
}

TEST(Policies, AreCountedUnderUpstreamsNames) {
  telemetry::Registry registry({.app_id = "me"});
  Metrics metrics(registry);
  Resiliency document = with_timeouts({{"t", 1s}});
  document.name = "mine";
  document.namespace_name = "here";
  document.components["s"].outbound = {.timeout = "t", .circuit_breaker = "cb"};
  document.circuit_breakers["cb"] = {};
  const Policies policies({document}, &metrics);
  EXPECT_FALSE(policies.component("s", ComponentKind::state, Direction::outbound).empty());
  const std::string page = registry.render();
  const auto counted = [](std::string_view what) {
    return R"({app_id="me",flow_direction="outbound",name="mine",namespace="here",policy=)" +
           std::string(what) + R"(,target="Statestore_s"})";
  };
  for (const std::string& line :
       {std::string(R"(dapr_resiliency_loaded{app_id="me",name="mine",namespace="here"} 1)"),
        "dapr_resiliency_count" + counted(R"("timeout",status="")") + " 1",
        "dapr_resiliency_count" + counted(R"("circuitbreaker",status="closed")") + " 1",
        "dapr_resiliency_cb_state" + counted(R"("circuitbreaker",status="closed")") + " 1",
        "dapr_resiliency_cb_state" + counted(R"("circuitbreaker",status="open")") + " 0"}) {
    EXPECT_TRUE(page.contains(line)) << line << "\n" << page;
  }
}

Resiliency with_breaker(std::string trip, std::string name = "cb") {
  Resiliency document;
  document.circuit_breakers["cb"] = {.timeout = 1h, .trip = "consecutiveFailures >= 1"};
  document.circuit_breakers["other"] = {.timeout = 1h, .trip = std::move(trip)};
  document.apps["a"] = {.policies = {.circuit_breaker = std::move(name)}};
  document.apps["b"] = {.policies = {.circuit_breaker = "other"}};
  return document;
}

Task<Outcome> fail_once() {
  Outcome outcome;
  outcome.error = Error(Code::unavailable, "broken");
  co_return outcome;
}

void trip(const Policies& policies, std::string_view app) {
  Attempt attempt = [] { return fail_once(); };
  const Policy policy = policies.app(app, "m");
  [[maybe_unused]] const auto said = run(policy.run(std::move(attempt)));
}

std::map<std::string, Breaker::State> states(const Policies& policies) {
  std::map<std::string, Breaker::State> all;
  for (const auto& breaker : policies.breakers()) all[breaker.key] = breaker.state;
  return all;
}

TEST(Policies, BreakersOfUnchangedPoliciesGoOnUnderOtherDocuments) {
  const Policies first({with_breaker("consecutiveFailures >= 1")});
  trip(first, "a");
  trip(first, "b");
  using enum Breaker::State;
  EXPECT_EQ(states(first), (std::map<std::string, Breaker::State>{{"a:m", open}, {"b:m", open}}));
  // The policy of b says something else now.
  auto changed = with_breaker("consecutiveFailures >= 5");
  changed.timeouts["t"] = 1s;
  const Policies second({changed}, nullptr, first);
  EXPECT_EQ(states(second), (std::map<std::string, Breaker::State>{{"a:m", open}}));
  const Policy now = second.app("b", "m");
  EXPECT_EQ(states(second),
            (std::map<std::string, Breaker::State>{{"a:m", open}, {"b:m", closed}}));
  // Unused in between, and handed on all the same.
  const Policies third({changed}, nullptr, second);
  EXPECT_EQ(states(third), (std::map<std::string, Breaker::State>{{"a:m", open}, {"b:m", closed}}));
  // Another policy for the same target has a breaker of its own.
  const Policies fourth({with_breaker("consecutiveFailures >= 5", "other")}, nullptr, third);
  const Policy other = fourth.app("a", "m");
  EXPECT_EQ(states(fourth).at("a:m"), closed);
  const Policies none({}, nullptr, fourth);
  EXPECT_TRUE(none.breakers().empty());
}

TEST(Policies, OfAFullTableTheBreakerThatWasUsedFirstIsForgottenFirstUnderNewDocumentsToo) {
  auto document = with_breaker("consecutiveFailures >= 1");
  document.apps["a"].circuit_breaker_cache_size = 3;
  const Policies first({document});
  for (const char* method : {"z", "y", "a", "z"}) {
    EXPECT_FALSE(first.app("a", method).empty());
  }
  // Whatever number of changes lies between.
  const Policies second({document}, nullptr, first);
  const Policies third({document}, nullptr, second);
  const auto kept = [](const Policies& policies) {
    std::vector<std::string> keys;
    for (const auto& breaker : policies.breakers()) keys.push_back(breaker.key);
    return keys;
  };
  EXPECT_EQ(kept(third), (std::vector<std::string>{"a:a", "a:y", "a:z"}));
  EXPECT_FALSE(third.app("a", "m").empty());
  EXPECT_EQ(kept(third), (std::vector<std::string>{"a:a", "a:m", "a:z"}));
  EXPECT_FALSE(third.app("a", "n").empty());
  EXPECT_EQ(kept(third), (std::vector<std::string>{"a:m", "a:n", "a:z"}));
}

}  // namespace
}  // namespace outrigger::runtime::resiliency
