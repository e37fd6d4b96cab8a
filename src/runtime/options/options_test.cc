#include "runtime/options/options.h"

#include "base/pch_test.h"
#include "base/strings.h"

namespace outrigger::options {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<Options> parse(std::vector<std::string> arguments,
                      std::map<std::string, std::string, std::less<>> environment = {}) {
  arguments.insert(arguments.begin(), "--app-id=shop");
  return parse_options(arguments, fixed_environment(std::move(environment)));
}

std::string error_of(std::vector<std::string> arguments) {
  const auto result = parse(std::move(arguments));
  return result ? "no error" : result.error().message();
}

CommandLine line_of(std::vector<std::string> arguments) {
  return parse_command_line(arguments, fixed_environment({})).value();
}

// Of facts/flags.tsv: every flag of daprd with its default as --help prints it.
constexpr std::pair<const char*, const char*> kFacts[] = {
    {"mode", "\"standalone\""},
    {"dapr-http-port", "\"3500\""},
    {"dapr-listen-addresses", ""},
    {"dapr-public-port", ""},
    {"dapr-public-listen-address", ""},
    {"dapr-grpc-port", "\"50001\""},
    {"dapr-internal-grpc-port", ""},
    {"dapr-internal-grpc-listen-address", ""},
    {"app-port", ""},
    {"profile-port", "\"7777\""},
    {"app-protocol", "\"http\""},
    {"components-path", ""},
    {"resources-path", ""},
    {"config", ""},
    {"app-id", ""},
    {"control-plane-address", ""},
    {"sentry-address", ""},
    {"control-plane-trust-domain", "\"localhost\""},
    {"control-plane-namespace", "\"default\""},
    {"sentry-request-jwt-audiences", ""},
    {"allowed-origins", ""},
    {"enable-profiling", ""},
    {"version", ""},
    {"build-info", ""},
    {"wait", ""},
    {"app-max-concurrency", "-1"},
    {"enable-mtls", ""},
    {"app-ssl", ""},
    {"dapr-http-max-request-size", "4"},
    {"max-body-size", "\"4Mi\""},
    {"dapr-http-read-buffer-size", "4"},
    {"read-buffer-size", "\"4Ki\""},
    {"unix-domain-socket", ""},
    {"dapr-graceful-shutdown-seconds", "5"},
    {"dapr-block-shutdown-duration", ""},
    {"enable-api-logging", ""},
    {"disable-builtin-k8s-secret-store", ""},
    {"enable-app-health-check", ""},
    {"app-health-check-path", "\"/healthz\""},
    {"app-health-probe-interval", "5"},
    {"app-health-probe-timeout", "500"},
    {"app-health-threshold", "3"},
    {"app-channel-address", "\"127.0.0.1\""},
    {"disable-init-endpoints", ""},
    {"placement-host-address", ""},
    {"scheduler-host-address", ""},
    {"scheduler-job-streams", "3"},
    {"actors-disseminate-timeout", "30s"},
    {"hot-reload-reconcile-interval", ""},
    {"app-binding-options-timeout", "3s"},
    {"reminders-service", ""},
    {"actors-service", ""},
    {"log-level", "\"info\""},
    {"log-file", ""},
    {"log-as-json", ""},
    {"metrics-port", "\"9090\""},
    {"metrics-listen-address", "\"0.0.0.0\""},
    {"enable-metrics", "true"},
};

TEST(Options, EveryFlagOfTheFactsIsThereWithItsDefaultAndNoOther) {
  std::map<std::string, std::string> expected(std::begin(kFacts), std::end(kFacts));
  std::map<std::string, std::string> actual;
  for (const auto& [name, fallback] : flag_defaults()) actual.emplace(name, fallback);
  EXPECT_EQ(actual, expected);
}

TEST(Options, DefaultsAreUpstreams) {
  const Options options = parse({}).value();
  EXPECT_EQ(options.mode, Mode::standalone);
  EXPECT_EQ(options.app.id, "shop");
  EXPECT_EQ(options.app.port, 0);
  EXPECT_EQ(options.app.address, "127.0.0.1");
  EXPECT_EQ(options.app.protocol, AppProtocol::http);
  EXPECT_EQ(options.app.concurrency_max, 0);
  EXPECT_FALSE(options.app.health_check);
  EXPECT_EQ(options.app.binding_options_timeout, 3s);
  EXPECT_EQ(options.listen.http_port, 3500);
  EXPECT_EQ(options.listen.grpc_port, 50001);
  EXPECT_EQ(options.listen.profile_port, 7777);
  EXPECT_EQ(options.listen.metrics_port, 9090);
  EXPECT_EQ(options.listen.internal_port, std::nullopt);
  EXPECT_EQ(options.listen.public_port, std::nullopt);
  EXPECT_THAT(options.listen.addresses, ElementsAre(""));
  EXPECT_EQ(options.listen.body_bytes_max, 4 << 20);
  EXPECT_EQ(options.listen.head_bytes_max, 4096);
  EXPECT_TRUE(options.listen.http2_cleartext);
  EXPECT_EQ(options.control.trust_domain, "localhost");
  EXPECT_EQ(options.control.control_namespace, "default");
  EXPECT_EQ(options.control.scheduler_streams, 3U);
  EXPECT_EQ(options.control.dissemination_timeout, 30s);
  EXPECT_EQ(options.graceful_shutdown, 5s);
  EXPECT_EQ(options.block_shutdown, std::nullopt);
  EXPECT_EQ(options.api_logging, std::nullopt);
  EXPECT_EQ(options.pluggable_socket_folder, "/tmp/dapr-components-sockets");
  EXPECT_EQ(options.log.app_id, "shop");
}

TEST(Options, TheAppIdIsNeededInStandaloneModeAndHasNoDots) {
  const auto none = fixed_environment({});
  EXPECT_EQ(parse_options({}, none).error().message(), "parameter app-id cannot be empty");
  EXPECT_EQ(error_of({"--app-id=a.b"}), "parameter app-id cannot contain dots");
  EXPECT_TRUE(parse({"--app-id=", "--mode=kubernetes"}));
  EXPECT_EQ(error_of({"--mode=other"}), "invalid value for 'mode': other");
}

TEST(Options, APortThatIsNoneIsNamed) {
  EXPECT_EQ(error_of({"--dapr-http-port=x"}),
            "error parsing dapr-http-port flag: strconv.Atoi: parsing \"x\": invalid syntax");
  EXPECT_EQ(error_of({"--dapr-grpc-port="}),
            "error parsing dapr-grpc-port flag: strconv.Atoi: parsing \"\": invalid syntax");
  EXPECT_THAT(error_of({"--profile-port=x"}), HasSubstr("error parsing profile-port flag: "));
  EXPECT_THAT(error_of({"--dapr-internal-grpc-port=x"}),
              HasSubstr("error parsing dapr-internal-grpc-port: "));
  EXPECT_THAT(error_of({"--dapr-public-port=x"}), HasSubstr("error parsing dapr-public-port: "));
  EXPECT_THAT(error_of({"--app-port=x"}), HasSubstr("error parsing app-port: "));
  EXPECT_THAT(error_of({"--metrics-port=65536"}), HasSubstr("metrics-port"));
  EXPECT_THAT(error_of({"--app-port=-1"}), HasSubstr("value out of range"));
  EXPECT_TRUE(parse({"--enable-metrics=false", "--metrics-port=x"}));
}

TEST(Options, TheAppMayNotHaveThePortOfAnApi) {
  EXPECT_EQ(error_of({"--app-port=3500"}),
            "the 'dapr-http-port' argument value 3500 conflicts with 'app-port'");
  EXPECT_EQ(error_of({"--app-port=8000", "--dapr-grpc-port=8000"}),
            "the 'dapr-grpc-port' argument value 8000 conflicts with 'app-port'");
}

TEST(Options, InternalPortZeroMeansTheStableOne) {
  EXPECT_EQ(parse({"--dapr-internal-grpc-port=0"})->listen.internal_port, std::nullopt);
  EXPECT_EQ(parse({"--dapr-internal-grpc-port=50002"})->listen.internal_port, 50002);
  EXPECT_EQ(parse({"--dapr-public-port=3501"})->listen.public_port, 3501);
}

TEST(Options, ProtocolNamesTakeAnyCaseAndTheOldTlsFlag) {
  const auto protocol = [](std::vector<std::string> arguments) {
    return parse(std::move(arguments))->app.protocol;
  };
  EXPECT_EQ(protocol({"--app-protocol=GRPC"}), AppProtocol::grpc);
  EXPECT_EQ(protocol({"--app-protocol=gRPCs"}), AppProtocol::grpcs);
  EXPECT_EQ(protocol({"--app-protocol=https"}), AppProtocol::https);
  EXPECT_EQ(protocol({"--app-protocol=h2c", "--app-ssl"}), AppProtocol::h2c);
  EXPECT_EQ(protocol({"--app-protocol="}), AppProtocol::http);
  EXPECT_EQ(protocol({"--app-ssl"}), AppProtocol::https);
  EXPECT_EQ(protocol({"--app-protocol=grpc", "--app-ssl"}), AppProtocol::grpcs);
  EXPECT_EQ(error_of({"--app-protocol=soap"}), "invalid value for 'app-protocol': soap");
  EXPECT_TRUE(is_http(AppProtocol::h2c) && !is_http(AppProtocol::grpcs));
  EXPECT_TRUE(has_tls(AppProtocol::grpcs) && !has_tls(AppProtocol::h2c));
}

TEST(Options, LimitsAreQuantitiesAndWinOverTheirOldFlags) {
  const auto limits = [](std::vector<std::string> arguments) {
    const auto listen = parse(std::move(arguments))->listen;
    return std::pair{listen.body_bytes_max, listen.head_bytes_max};
  };
  using Limits = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(limits({"--max-body-size=1.5M", "--read-buffer-size=8Ki"}), Limits(1'500'000, 8192));
  EXPECT_EQ(limits({"--dapr-http-max-request-size=10", "--dapr-http-read-buffer-size=16"}),
            Limits(10 << 20, 16 << 10));
  EXPECT_EQ(limits({"--dapr-http-max-request-size=10", "--max-body-size=2Mi"}).first, 2 << 20);
  EXPECT_EQ(limits({"--max-body-size=-1", "--read-buffer-size=-1"}), Limits(4 << 20, 4 << 10));
  EXPECT_EQ(limits({"--dapr-http-max-request-size=-1"}).first, 4 << 20);
  EXPECT_EQ(limits({"--max-body-size=0"}).first, 0);
  EXPECT_EQ(limits({"--dapr-http-max-request-size=2147483647"}).first, 2147483647LL << 20);
  EXPECT_EQ(
      error_of({"--max-body-size=100m"}),
      "Failed to parse flags: invalid value for 'max-body-size' option: cannot get bytes from "
      "resource quantity value '100m'");
  EXPECT_THAT(error_of({"--read-buffer-size=lots"}),
              HasSubstr("invalid value for 'read-buffer-size' option: quantities must match"));
}

TEST(Options, ProbeSettingsFallBackToTheirDefaults) {
  const auto check = parse({"--enable-app-health-check", "--app-health-probe-interval=0",
                            "--app-health-probe-timeout=-3", "--app-health-threshold=0"})
                         ->app.health_check.value();
  EXPECT_EQ(check.interval, 5s);
  EXPECT_EQ(check.timeout, 500ms);
  EXPECT_EQ(check.threshold, 3);
  EXPECT_EQ(check.path, "/healthz");
  EXPECT_EQ(error_of({"--app-health-probe-interval=1", "--app-health-probe-timeout=1001"}),
            "value for 'health-probe-timeout' must be smaller than 'health-probe-interval'");
  EXPECT_TRUE(parse({"--app-health-probe-interval=1", "--app-health-probe-timeout=1000"}));
}

TEST(Options, ShutdownTimesHaveAFloorAndAThirdState) {
  EXPECT_EQ(parse({"--dapr-graceful-shutdown-seconds=-1"})->graceful_shutdown, 5s);
  EXPECT_EQ(parse({"--dapr-graceful-shutdown-seconds=0"})->graceful_shutdown, 0s);
  EXPECT_EQ(parse({"--dapr-block-shutdown-duration=0s"})->block_shutdown, 0ns);
  EXPECT_EQ(parse({"--dapr-block-shutdown-duration=1m"})->block_shutdown, 60s);
}

TEST(Options, ApiLoggingIsUnsetTrueOrFalse) {
  EXPECT_EQ(parse({"--enable-api-logging"})->api_logging, true);
  EXPECT_EQ(parse({"--enable-api-logging=false"})->api_logging, false);
}

TEST(Options, ListsTakeCommasAndRepetition) {
  const Options options =
      parse({"--resources-path=a,b", "--resources-path", "c", "--components-path=d",
             "--config=x.yaml", "--dapr-listen-addresses=127.0.0.1, ::1",
             "--disable-init-endpoints= Config,subscribe,", "--scheduler-host-address=h1:1,h2:2"})
          .value();
  EXPECT_THAT(options.resource_paths, ElementsAre("a", "b", "c"));
  EXPECT_THAT(options.config, ElementsAre("x.yaml"));
  EXPECT_THAT(options.listen.addresses, ElementsAre("127.0.0.1", "::1"));
  EXPECT_TRUE(options.app.skip_config_call && options.app.skip_subscribe_call);
  EXPECT_THAT(options.control.scheduler_addresses, ElementsAre("h1:1", "h2:2"));
  EXPECT_THAT(parse({"--components-path=d"})->resource_paths, ElementsAre("d"));
  EXPECT_EQ(error_of({"--disable-init-endpoints=x"}),
            "invalid value for 'disable-init-endpoints': x");
}

TEST(Options, PlacementComesFromItsFlagOrTheOldOne) {
  EXPECT_EQ(parse({"--actors-service=placement:h:50005"})->control.placement_addresses, "h:50005");
  EXPECT_EQ(parse({"--actors-service=placement:h:1", "--placement-host-address=p:2"})
                ->control.placement_addresses,
            "p:2");
  EXPECT_EQ(parse({"--actors-service=other:h:1"})->control.placement_addresses, "");
  EXPECT_EQ(error_of({"--actors-disseminate-timeout=0"}),
            "Failed to parse flags: invalid value for 'actors-disseminate-timeout' option: must be "
            "positive, got 0s");
}

TEST(Options, AFlagWinsOverItsVariable) {
  const std::map<std::string, std::string, std::less<>> environment = {
      {"DAPR_CONTROLPLANE_NAMESPACE", "ns"},
      {"DAPR_CONTROLPLANE_TRUST_DOMAIN", "td"},
      {"DAPR_SCHEDULER_HOST_ADDRESS_DNS_A", "s1:1,s2:2"}};
  const Options from_variables = parse({}, environment).value();
  EXPECT_EQ(from_variables.control.control_namespace, "ns");
  EXPECT_EQ(from_variables.control.trust_domain, "td");
  EXPECT_THAT(from_variables.control.scheduler_addresses, ElementsAre("s1:1", "s2:2"));
  const Options from_flags =
      parse({"--control-plane-namespace=default", "--control-plane-trust-domain=localhost",
             "--scheduler-host-address="},
            environment)
          .value();
  EXPECT_EQ(from_flags.control.control_namespace, "default");
  EXPECT_EQ(from_flags.control.trust_domain, "localhost");
  EXPECT_THAT(from_flags.control.scheduler_addresses, IsEmpty());
}

TEST(Options, TheEnvironmentIsReadOnce) {
  const Options options = parse({}, {{"NAMESPACE", "prod"},
                                     {"POD_NAME", "pod-1"},
                                     {"DAPR_API_TOKEN", "t1"},
                                     {"APP_API_TOKEN", "t2"},
                                     {"DAPR_TRUST_ANCHORS", "PEM"},
                                     {"DAPR_SENTRY_TOKEN_FILE", ""},
                                     {"SENTRY_LOCAL_IDENTITY", "me"},
                                     {"DAPR_ENV_KEYS", "A B  C"},
                                     {"DAPR_COMPONENTS_SOCKETS_FOLDER", "/s"},
                                     {"DAPR_HTTP_DISABLE_H2C", "Yes"},
                                     {"DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK", "true"},
                                     {"DAPR_HOST_IP", "10.0.0.1"},
                                     {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"},
                                     {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces"},
                                     {"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
                                     {"OTEL_EXPORTER_OTLP_INSECURE", "true"}})
                              .value();
  EXPECT_EQ(options.own_namespace, "prod");
  EXPECT_EQ(options.pod_name, "pod-1");
  EXPECT_EQ(options.api_token, "t1");
  EXPECT_EQ(options.app_api_token, "t2");
  EXPECT_EQ(options.control.trust_anchors, "PEM");
  EXPECT_EQ(options.control.sentry_token_file, "");
  EXPECT_EQ(options.control.sentry_local_identity, "me");
  EXPECT_THAT(options.env_keys, ElementsAre("A", "B", "C"));
  EXPECT_EQ(options.pluggable_socket_folder, "/s");
  EXPECT_FALSE(options.listen.http2_cleartext);
  EXPECT_TRUE(options.skip_container_user_check);
  EXPECT_EQ(options.host_ip, "10.0.0.1");
  EXPECT_EQ(options.otel.endpoint, "http://traces");
  EXPECT_EQ(options.otel.protocol, "grpc");
  EXPECT_TRUE(options.otel.insecure);
}

TEST(Options, VersionBuildInfoWaitAndHelpNeedNothingElse) {
  EXPECT_EQ(line_of({"--version", "--build-info"}).action, Action::version);
  EXPECT_EQ(line_of({"--build-info"}).action, Action::build_info);
  EXPECT_EQ(line_of({"--wait", "--dapr-http-port=1234"}).action, Action::wait);
  EXPECT_EQ(line_of({"--wait", "--dapr-http-port=1234"}).http_port, "1234");
  EXPECT_EQ(line_of({"--help"}).action, Action::help);
  EXPECT_THAT(line_of({"--help"}).usage, HasSubstr("\n      --allowed-origins string  "));
  EXPECT_THAT(build_info_text(), testing::MatchesRegex("Version: [^\n]+\nGit Commit: [^\n]*\n"
                                                       "Git Version: [^\n]*\n"));
}

TEST(Options, AMistakeInTheFormOfTheLineIsAUsageError) {
  for (const char* bad : {"--nope", "--app-id", "--app-health-threshold=x", "-x"}) {
    const std::vector<std::string> arguments = {bad};
    const auto result = parse_command_line(arguments, fixed_environment({}));
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().tag(), kUsageError) << bad;
  }
  const std::vector<std::string> arguments = {"--max-body-size=x"};
  EXPECT_NE(parse_command_line(arguments, fixed_environment({})).error().tag(), kUsageError);
}

TEST(Options, ABadLogLevelIsFatalAndDeprecatedFlagsAreNoted) {
  EXPECT_EQ(error_of({"--log-level=loud"}), "invalid value for --log-level: loud");
  EXPECT_EQ(parse({"--log-level=WARN"})->log.level, LogLevel::warn);
  const CommandLine line = line_of({"--app-ssl", "--log-as-json"});
  EXPECT_THAT(line.notices, ElementsAre("Flag --app-ssl has been deprecated, use '--app-protocol "
                                        "https|grpcs'"));
  EXPECT_TRUE(line.log.as_json);
  EXPECT_FALSE(line.options);
}

TEST(Options, FlagsThatDoNothingYetAreNoted) {
  EXPECT_THAT(parse({"--app-port=80", "--log-as-json"})->flags_without_effect, IsEmpty());
  EXPECT_THAT(parse({"--profile-port=1", "--control-plane-address=o:1", "--app-port=80"})
                  ->flags_without_effect,
              testing::UnorderedElementsAre("profile-port", "control-plane-address"));
}

TEST(Options, TheStablePortDependsOnAppFolderUserAndHost) {
  // The first two bytes of sha256("app1|/home/me|1000|host") are 73 d5.
  const int port = stable_port("app1", "/home/me", 1000, "host");
  EXPECT_EQ(port, 65473);
  EXPECT_NE(port, stable_port("app2", "/home/me", 1000, "host"));
}

TEST(Options, OwnVariablesTellThePorts) {
  const auto variables = own_variables(parse({"--app-port=80"}).value(), 50002, "10.0.0.9");
  EXPECT_THAT(
      variables,
      ElementsAre(testing::Pair("APP_ID", "shop"), testing::Pair("APP_PORT", "80"),
                  testing::Pair("HOST_ADDRESS", "10.0.0.9"), testing::Pair("DAPR_PORT", "50002"),
                  testing::Pair("DAPR_GRPC_PORT", "50001"), testing::Pair("DAPR_HTTP_PORT", "3500"),
                  testing::Pair("DAPR_METRICS_PORT", "9090"),
                  testing::Pair("DAPR_PROFILE_PORT", "7777")));
}

}  // namespace
}  // namespace outrigger::options
