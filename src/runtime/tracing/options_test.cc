#include "runtime/tracing/options.h"

#include "base/log.h"
#include "runtime/tracing/resource.h"

namespace outrigger::runtime::tracing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

resources::Tracing otlp(std::string endpoint, std::string protocol = "grpc") {
  resources::Tracing tracing;
  tracing.otel.endpoint_address = std::move(endpoint);
  tracing.otel.protocol = std::move(protocol);
  return tracing;
}

Environment nothing() { return fixed_environment({}); }

TEST(TraceResource, TheServiceIsTheAppIdUnlessTheEnvironmentNamesIt) {
  EXPECT_EQ(make_resource("shop", nothing()).service_name(), "shop");
  const auto attributes = make_resource(
      "shop",
      fixed_environment({{"OTEL_RESOURCE_ATTRIBUTES",
                          "service.name=from-list, k8s.pod.name = a%20b ,,broken,=x,bad=%zz"}}));
  EXPECT_THAT(attributes.attributes, ElementsAre(Pair("bad", "%zz"), Pair("k8s.pod.name", "a b"),
                                                 Pair("service.name", "from-list")));
  const auto named = make_resource(
      "shop", fixed_environment({{"OTEL_SERVICE_NAME", "named"},
                                 {"OTEL_RESOURCE_ATTRIBUTES", "service.name=from-list"}}));
  EXPECT_EQ(named.service_name(), "named");
}

TEST(OtlpOptions, WithoutAnEndpointOrAProtocolThereIsNoExporter) {
  EXPECT_EQ(otlp_options(otlp(""), nothing())->has_value(), false);
  EXPECT_EQ(otlp_options(otlp("collector:4317", ""), nothing())->has_value(), false);
}

TEST(OtlpOptions, TheEnvironmentSaysWhetherSpansAreCompressed) {
  const auto gzip = [](std::map<std::string, std::string, std::less<>> variables) {
    return otlp_options(otlp("collector:4317"), fixed_environment(std::move(variables)))
        .value()
        ->gzip;
  };
  constexpr auto kAll = "OTEL_EXPORTER_OTLP_COMPRESSION";
  constexpr auto kTraces = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION";
  const LogCapture logs;
  EXPECT_FALSE(gzip({}));
  EXPECT_TRUE(gzip({{kAll, "gzip"}}));
  EXPECT_TRUE(gzip({{kAll, "none"}, {kTraces, " gzip "}}));
  EXPECT_FALSE(gzip({{kAll, "gzip"}, {kTraces, "none"}}));
  EXPECT_FALSE(gzip({{kAll, ""}}));
  EXPECT_EQ(logs.text(), "");
  EXPECT_FALSE(gzip({{kAll, "zstd"}}));
  EXPECT_TRUE(logs.contains("is neither gzip nor none: spans are sent uncompressed"));
}

TEST(OtlpOptions, AnotherProtocolIsRefusedInUpstreamsWords) {
  const auto refused = otlp_options(otlp("collector:4317", "tcp"), nothing());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "invalid protocol tcp provided for Otel endpoint");
}

TEST(OtlpOptions, AnEndpointIsAHostAndAPort) {
  const auto options = otlp_options(otlp("collector:4317"), nothing()).value().value();
  EXPECT_EQ(options.host, "collector");
  EXPECT_EQ(options.port, 4317);
  EXPECT_TRUE(options.tls);
  EXPECT_EQ(options.timeout, 10s);
  const auto v6 = otlp_options(otlp("[::1]:4318", "http"), nothing()).value().value();
  EXPECT_EQ(v6.host, "::1");
  EXPECT_EQ(v6.path, "/v1/traces");
  EXPECT_EQ(otlp_options(otlp("collector"), nothing()).value()->port, 443);
  resources::Tracing plain = otlp("collector", "http");
  plain.otel.is_secure = false;
  EXPECT_EQ(otlp_options(plain, nothing()).value()->port, 80);
  EXPECT_EQ(otlp_options(otlp("unix:/run/otel.sock"), nothing()).value()->host, "/run/otel.sock");
  for (const char* bad : {":4317", "http://", "a b:1", "collector:0", "collector:99999"}) {
    EXPECT_FALSE(otlp_options(otlp(bad), nothing())) << bad;
  }
}

TEST(OtlpOptions, APathOfHttpLeadsToTracesBelowIt) {
  const auto path = [](const char* endpoint, const Environment& environment) {
    return otlp_options(otlp(endpoint, "http"), environment).value()->path;
  };
  EXPECT_EQ(path("c:1/prefix/", nothing()), "/prefix/v1/traces");
  EXPECT_EQ(path("c:1/v1/traces", nothing()), "/v1/traces");
  EXPECT_EQ(path("c:1/own",
                 fixed_environment({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c:1/own"}})),
            "/own");
}

TEST(OtlpOptions, TheSchemeOfTheEnvironmentsEndpointDecidesAboutTls) {
  const auto tls = [](std::map<std::string, std::string, std::less<>> variables) {
    return otlp_options(otlp("c:1"), fixed_environment(std::move(variables))).value()->tls;
  };
  EXPECT_FALSE(tls({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"}}));
  EXPECT_TRUE(tls({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"}}));
  EXPECT_TRUE(tls({{"OTEL_EXPORTER_OTLP_ENDPOINT", "c:1"}}));
  EXPECT_TRUE(tls({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"},
                   {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c:1"}}));
  EXPECT_FALSE(tls({{"OTEL_EXPORTER_OTLP_INSECURE", "TRUE"}}));
  resources::Tracing plain = otlp("c:1");
  plain.otel.is_secure = false;
  EXPECT_FALSE(
      otlp_options(plain, fixed_environment({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"}}))
          .value()
          ->tls);
}

TEST(OtlpOptions, HeadersOfTheConfigurationReplaceThoseOfTheEnvironment) {
  const Environment environment =
      fixed_environment({{"OTEL_EXPORTER_OTLP_HEADERS", "x-env=a%20b,x-more = 2"}});
  EXPECT_THAT(otlp_options(otlp("c:1"), environment).value()->headers,
              ElementsAre(Pair("x-env", "a b"), Pair("x-more", "2")));
  resources::Tracing own = otlp("c:1");
  own.otel.headers = {"X-Key=secret=1", "nothing"};
  EXPECT_THAT(otlp_options(own, environment).value()->headers,
              ElementsAre(Pair("x-key", "secret=1")));
  own.otel.headers = {"x=a\r\nInjected: 1"};
  EXPECT_FALSE(otlp_options(own, environment));
  own.otel.headers = {"bad name=1"};
  EXPECT_FALSE(otlp_options(own, environment));
}

TEST(OtlpOptions, ATimeoutIsHeldWithinAnHour) {
  resources::Tracing own = otlp("c:1");
  own.otel.timeout = 250ms;
  const Environment environment = fixed_environment({{"OTEL_EXPORTER_OTLP_TIMEOUT", "5000"}});
  EXPECT_EQ(otlp_options(own, environment).value()->timeout, 250ms);
  own.otel.timeout.reset();
  EXPECT_EQ(otlp_options(own, environment).value()->timeout, 5s);
  own.otel.timeout = std::chrono::nanoseconds::max();
  EXPECT_EQ(otlp_options(own, environment).value()->timeout, 1h);
}

TEST(OtlpOptions, ACertificateThatCannotBeReadIsAnError) {
  const auto refused = otlp_options(
      otlp("c:1"), fixed_environment({{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"}}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("OTEL_EXPORTER_OTLP_CERTIFICATE"));
}

TEST(BatchOptions, TheEnvironmentChangesThemWithinReason) {
  EXPECT_EQ(batch_options(nothing()).delay, 5s);
  const BatchOptions options =
      batch_options(fixed_environment({{"OTEL_BSP_SCHEDULE_DELAY", "100"},
                                       {"OTEL_BSP_MAX_QUEUE_SIZE", "10"},
                                       {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9223372036854775807"},
                                       {"OTEL_BSP_EXPORT_TIMEOUT", "-1"}}));
  EXPECT_EQ(options.delay, 100ms);
  EXPECT_EQ(options.queue_spans_max, 10U);
  EXPECT_EQ(options.batch_spans_max, 10U);
  EXPECT_EQ(options.export_timeout, 30s);
}

TEST(TraceExporters, AreThoseOfTheConfigurationInUpstreamsOrder) {
  resources::Tracing tracing = otlp("c:1");
  tracing.print_to_stdout = true;
  tracing.zipkin_endpoint_address = "http://user:pass@zipkin:9411/api/v2/spans";
  const auto made = make_exporters(tracing, "shop", nothing());
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(made->all.size(), 3U);
  EXPECT_EQ(made->all[0]->name(), "stdout");
  EXPECT_EQ(made->all[1]->name(), "zipkin");
  EXPECT_EQ(made->all[1]->target(), "http://zipkin:9411/api/v2/spans");
  EXPECT_EQ(made->all[2]->name(), "otlp");
  EXPECT_THAT(make_exporters({}, "shop", nothing())->all, IsEmpty());
}

TEST(TraceExporters, AZipkinUrlWithoutSchemeOrHostIsRefusedInUpstreamsWords) {
  for (const char* bad : {"zipkin:9411", "/api/v2/spans", "http://", "ftp://zipkin/"}) {
    resources::Tracing tracing;
    tracing.zipkin_endpoint_address = bad;
    const auto refused = make_exporters(tracing, "shop", nothing());
    ASSERT_FALSE(refused) << bad;
    EXPECT_THAT(refused.error().message(), HasSubstr("invalid collector URL \""));
  }
}

}  // namespace
}  // namespace outrigger::runtime::tracing
