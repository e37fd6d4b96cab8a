#include "resources/http_endpoint.h"
#include "resources/resiliency.h"
#include "resources/subscription.h"

namespace outrigger::resources {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;

template <class T>
Result<T> parsed(Result<T> (*parse)(const yaml::Node&, Report&), std::string_view text) {
  OUT_TRY(const auto node, yaml::parse(text, {.file = "f.yaml"}));
  Report report("f.yaml", Rules::manifest);
  return parse(node, report);
}

std::string resiliency_failure(std::string_view text) {
  const auto resiliency = parsed(&parse_resiliency, text);
  return resiliency ? "" : resiliency.error().message();
}

TEST(Subscription, TheNewVersionHasRulesAndADefaultRoute) {
  const auto subscription = parsed(&parse_subscription, R"(apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders, namespace: prod}
scopes: [app]
spec:
  pubsubname: pubsub
  topic: inventory
  routes:
    rules:
    - match: event.type == "widget"
      path: /widgets
    - match: event.type == "gadget"
      path: /gadgets
    default: /products
  deadLetterTopic: poison
  metadata: {rawPayload: true, retries: 3}
  bulkSubscribe: {enabled: true, maxMessagesCount: 10, maxAwaitDurationMs: 20}
)");
  ASSERT_TRUE(subscription) << subscription.error().message();
  EXPECT_EQ(subscription->name, "orders");
  EXPECT_EQ(subscription->namespace_name, "prod");
  EXPECT_EQ(subscription->pubsub_name, "pubsub");
  EXPECT_EQ(subscription->topic, "inventory");
  EXPECT_THAT(subscription->rules,
              ElementsAre(RouteRule{.match = "event.type == \"widget\"", .path = "/widgets"},
                          RouteRule{.match = "event.type == \"gadget\"", .path = "/gadgets"}));
  EXPECT_EQ(subscription->default_route, "/products");
  EXPECT_EQ(subscription->dead_letter_topic, "poison");
  EXPECT_THAT(subscription->metadata,
              ElementsAre(Pair("rawPayload", "true"), Pair("retries", "3")));
  EXPECT_EQ(
      subscription->bulk_subscribe,
      (BulkSubscribe{.enabled = true, .max_messages_count = 10, .max_await_duration_ms = 20}));
  EXPECT_THAT(subscription->scopes, ElementsAre("app"));
}

TEST(Subscription, TheOldVersionsRouteIsTheDefaultRoute) {
  const auto subscription = parsed(&parse_subscription, R"(apiVersion: dapr.io/v1alpha1
kind: Subscription
spec: {pubsubname: p, topic: t, route: /orders, routes: {default: /ignored}}
)");
  ASSERT_TRUE(subscription);
  EXPECT_EQ(subscription->default_route, "/orders");
  EXPECT_TRUE(subscription->rules.empty());
}

TEST(Subscription, WrongTypesAreNamedWithTheirPlaces) {
  const auto subscription = parsed(&parse_subscription, R"(apiVersion: dapr.io/v2alpha1
spec:
  routes:
    rules:
    - path: /a
    - path: [x]
  bulkSubscribe: {maxMessagesCount: many}
)");
  ASSERT_FALSE(subscription);
  EXPECT_EQ(subscription.error().message(),
            "f.yaml:7: spec.bulkSubscribe.maxMessagesCount: expected a whole number, found a "
            "string\nf.yaml:6: spec.routes.rules[1].path: expected a string, found a list");
}

TEST(HttpEndpoint, EveryFieldIsRead) {
  const auto endpoint = parsed(&parse_http_endpoint, R"(kind: HTTPEndpoint
metadata: {name: github}
auth: {secretStore: vault}
scopes: [a]
spec:
  baseUrl: https://api.github.com
  headers:
  - name: Accept-Language
    value: en-US
  - name: Authorization
    secretKeyRef: {name: token, key: value}
  clientTLS:
    rootCA: {secretKeyRef: {name: ca, key: pem}}
    certificate: {value: PEM}
    renegotiation: OnceAsClient
)");
  ASSERT_TRUE(endpoint) << endpoint.error().message();
  EXPECT_EQ(endpoint->log_name(), "github (https://api.github.com)");
  EXPECT_EQ(endpoint->headers[0].value, "en-US");
  EXPECT_EQ(endpoint->headers[1].secret_key_ref.name, "token");
  ASSERT_TRUE(endpoint->client_tls);
  EXPECT_EQ(endpoint->client_tls->root_ca->secret_key_ref.key, "pem");
  EXPECT_EQ(endpoint->client_tls->certificate->value, "PEM");
  EXPECT_FALSE(endpoint->client_tls->private_key);
  EXPECT_EQ(endpoint->client_tls->renegotiation, ClientTls::Renegotiation::once_as_client);
  EXPECT_EQ(endpoint->secret_store, "vault");
}

TEST(HttpEndpoint, AnUnknownRenegotiationIsAnError) {
  EXPECT_FALSE(parsed(&parse_http_endpoint, "spec: {clientTLS: {renegotiation: Often}}"));
}

constexpr std::string_view kEveryField = R"(kind: Resiliency
metadata: {name: r}
scopes: [app]
spec:
  policies:
    timeouts: {fast: 500ms, plain: 1500, long: 1h}
    retries:
      default: {}
      backoff:
        policy: Exponential
        maxInterval: 15s
        maxRetries: 10
        matching: {httpStatusCodes: "429,500-599,,", gRPCStatusCodes: "1,4-8"}
      constant: {policy: constant, duration: 5, maxRetries: 0}
    circuitBreakers:
      cb: {maxRequests: 2, interval: 8s, timeout: 45s, trip: consecutiveFailures > 8}
    limits:
      few: {maxConcurrency: 7, requestsPerSecond: 2.5, burst: 10}
      one: {requestsPerSecond: 0.5}
    ejections:
      soon: {failures: 2, duration: 5s, maxPercent: 30}
      usual: {}
  targets:
    apps:
      appB: {timeout: fast, retry: backoff, circuitBreaker: cb}
      appC: {circuitBreakerCacheSize: 7, limit: few, ejection: soon}
    actors:
      myActor: {retry: backoff, circuitBreaker: cb, circuitBreakerScope: both}
      other: {timeout: long, circuitBreakerScope: nonsense}
    components:
      statestore:
        outbound: {timeout: fast}
        inbound: {retry: constant}
)";

TEST(Resiliency, EveryFieldIsRead) {
  const auto resiliency = parsed(&parse_resiliency, kEveryField);
  ASSERT_TRUE(resiliency) << resiliency.error().message();
  EXPECT_THAT(resiliency->timeouts,
              ElementsAre(Pair("fast", 500ms), Pair("long", 1h), Pair("plain", 1500ms)));
  const RetryPolicy& standard = resiliency->retries.at("default");
  EXPECT_EQ(standard, RetryPolicy());
  EXPECT_EQ(standard.duration, 5s);
  EXPECT_EQ(standard.max_interval, 60s);
  EXPECT_EQ(standard.max_retries, -1);
  const RetryPolicy& backoff = resiliency->retries.at("backoff");
  EXPECT_EQ(backoff.kind, RetryPolicy::Kind::exponential);
  EXPECT_EQ(backoff.max_interval, 15s);
  EXPECT_EQ(backoff.max_retries, 10);
  EXPECT_THAT(*backoff.http_status_codes, ElementsAre(CodeRange{429, 429}, CodeRange{500, 599}));
  EXPECT_THAT(*backoff.grpc_status_codes, ElementsAre(CodeRange{1, 1}, CodeRange{4, 8}));
  EXPECT_EQ(resiliency->retries.at("constant").duration, 5ms);
  EXPECT_EQ(resiliency->retries.at("constant").max_retries, 0);
  EXPECT_EQ(
      resiliency->circuit_breakers.at("cb"),
      (CircuitBreakerPolicy{
          .max_requests = 2, .interval = 8s, .timeout = 45s, .trip = "consecutiveFailures > 8"}));
  EXPECT_EQ(resiliency->apps.at("appB").policies.circuit_breaker, "cb");
  EXPECT_EQ(resiliency->apps.at("appB").circuit_breaker_cache_size, 100);
  EXPECT_EQ(resiliency->apps.at("appC").circuit_breaker_cache_size, 7);
  EXPECT_EQ(resiliency->limits.at("few"),
            (LimitPolicy{.max_concurrency = 7, .requests_per_second = 2.5, .burst = 10}));
  EXPECT_EQ(resiliency->limits.at("few").burst_size(), 10);
  EXPECT_EQ(resiliency->limits.at("one").burst_size(), 1);
  EXPECT_EQ(resiliency->ejections.at("soon"),
            (EjectionPolicy{.failures = 2, .duration = 5s, .max_percent = 30}));
  EXPECT_EQ(resiliency->ejections.at("usual"), EjectionPolicy());
  EXPECT_EQ(resiliency->apps.at("appC").limit, "few");
  EXPECT_EQ(resiliency->apps.at("appC").ejection, "soon");
  EXPECT_EQ(resiliency->actors.at("myActor").circuit_breaker_scope, ActorTarget::Scope::both);
  EXPECT_EQ(resiliency->actors.at("myActor").circuit_breaker_cache_size, 5000);
  EXPECT_EQ(resiliency->actors.at("other").policies.timeout, "long");
  EXPECT_EQ(resiliency->components.at("statestore").outbound.timeout, "fast");
  EXPECT_EQ(resiliency->components.at("statestore").inbound.retry, "constant");
}

TEST(Resiliency, MalformedPoliciesAreNamedWithTheirPlaces) {
  EXPECT_EQ(resiliency_failure("spec: {policies: {timeouts: {t: soon}}}"),
            "f.yaml:1: spec.policies.timeouts.t: time: invalid duration \"soon\"");
  EXPECT_EQ(resiliency_failure("spec: {policies: {timeouts: {t: ''}}}"),
            "f.yaml:1: spec.policies.timeouts.t: time: invalid duration \"\"");
  EXPECT_EQ(resiliency_failure("spec: {policies: {retries: {r: {policy: linear}}}}"),
            "f.yaml:1: spec.policies.retries.r.policy: expected constant or exponential, found "
            "\"linear\"");
  EXPECT_EQ(resiliency_failure("spec: {targets: {actors: {a: {circuitBreaker: cb}}}}"),
            "f.yaml:1: spec.targets.actors.a: actor circuit breakers must include scope");
  EXPECT_EQ(resiliency_failure(
                "spec: {targets: {actors: {a: {circuitBreaker: cb, circuitBreakerScope: x}}}}"),
            "f.yaml:1: spec.targets.actors.a.circuitBreakerScope: unknown circuit breaker scope "
            "\"x\"");
  for (const std::string codes : {"99", "600", "500-", "-500", "a", "500-400", "1-2-3", "5 00"}) {
    EXPECT_NE(resiliency_failure("spec: {policies: {retries: {r: {matching: {httpStatusCodes: '" +
                                 codes + "'}}}}}"),
              "")
        << codes;
  }
  EXPECT_NE(resiliency_failure("spec: {policies: {timeouts: {t: 9223372036854775807}}}"), "");
  for (const std::string policy :
       {"limits: {l: {}}", "limits: {l: {requestsPerSecond: -1}}",
        "limits: {l: {requestsPerSecond: nan}}", "limits: {l: {maxConcurrency: -1}}",
        "ejections: {e: {failures: 0}}", "ejections: {e: {maxPercent: 101}}",
        "ejections: {e: {duration: 0s}}", "ejections: {e: {duration: 25h}}"}) {
    EXPECT_NE(resiliency_failure("spec: {policies: {" + policy + "}}"), "") << policy;
  }
}

}  // namespace
}  // namespace outrigger::resources
