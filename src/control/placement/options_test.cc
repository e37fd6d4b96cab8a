#include "control/placement/options.h"

#include <gmock/gmock.h>

namespace outrigger::control::placement {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using Arguments = std::vector<std::string>;

std::optional<Options> parse(const Arguments& arguments,
                             const Environment& environment = fixed_environment({})) {
  int exit_code = -1;
  return parse_options(arguments, environment, exit_code);
}
std::string refusal(const Arguments& arguments) {
  const LogCapture capture;
  int exit_code = -1;
  EXPECT_FALSE(parse_options(arguments, fixed_environment({}), exit_code));
  EXPECT_EQ(exit_code, 1);
  return capture.text();
}

TEST(PlacementOptions, HaveUpstreamsDefaults) {
  const auto options = parse({});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->common.port, 50005);
  EXPECT_EQ(options->common.healthz_port, 8080);
  EXPECT_EQ(options->common.metrics_port, 9090);
  EXPECT_EQ(options->common.keepalive_time, 2s);
  EXPECT_EQ(options->common.keepalive_timeout, 3s);
  EXPECT_EQ(options->id, "dapr-placement-0");
  EXPECT_EQ(options->replication_factor, 100);
  EXPECT_EQ(options->dissemination_timeout, 8s);
  EXPECT_EQ(options->coalesce_window, 0s);
  EXPECT_FALSE(options->metadata);
}

TEST(PlacementOptions, TakeEveryFlagOfUpstream) {
  const auto options = parse({"--id=p1",
                              "--initial-cluster=p1=127.0.0.1:8201",
                              "--inmem-store-enabled=false",
                              "--raft-logstore-path=/x",
                              "--port=1",
                              "--listen-address=127.0.0.1",
                              "--healthz-port=2",
                              "--healthz-listen-address=127.0.0.2",
                              "--tls-enabled=false",
                              "--metadata-enabled",
                              "--replicationFactor=7",
                              "--keepalive-time=1s",
                              "--keepalive-timeout=10s",
                              "--disseminate-timeout=1m",
                              "--disseminate-coalesce-window=100ms",
                              "--trust-domain=d",
                              "--trust-anchors-file=f",
                              "--sentry-address=s:1",
                              "--mode=kubernetes",
                              "--max-api-level=3",
                              "-min-api-level=1",
                              "--log-level=info",
                              "--log-as-json=false",
                              "--metrics-port=3",
                              "--metrics-listen-address=127.0.0.3",
                              "--enable-metrics=false"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->id, "p1");
  EXPECT_EQ(options->replication_factor, 7);
  EXPECT_EQ(options->common.keepalive_time, 1s);
  EXPECT_EQ(options->common.keepalive_timeout, 10s);
  EXPECT_EQ(options->dissemination_timeout, 1min);
  EXPECT_EQ(options->coalesce_window, 100ms);
  EXPECT_TRUE(options->metadata);
  EXPECT_FALSE(options->common.metrics);
}

TEST(PlacementOptions, TheEnvironmentTurnsTheTablesPageOnUnlessAFlagSaysNo) {
  const auto on = fixed_environment({{"DAPR_PLACEMENT_METADATA_ENABLED", "true"}});
  EXPECT_TRUE(parse({}, on)->metadata);
  EXPECT_FALSE(parse({"--metadata-enabled=false"}, on)->metadata);
}

TEST(PlacementOptions, KeepaliveOutsideItsBoundsIsRefusedInUpstreamsWords) {
  EXPECT_THAT(refusal({"--keepalive-time=500ms"}),
              testing::HasSubstr("invalid value for keepalive-time: value should be between 1s and "
                                 "10s, got 500ms"));
  EXPECT_THAT(refusal({"--keepalive-timeout=11s"}),
              testing::HasSubstr("invalid value for keepalive-timeout: value should be between 1s "
                                 "and 10s, got 11s"));
}

TEST(PlacementOptions, WhatWouldNotWorkIsRefused) {
  EXPECT_THAT(refusal({"--replicationFactor=0"}), testing::HasSubstr("replicationFactor"));
  EXPECT_THAT(refusal({"--replicationFactor=1000000"}), testing::HasSubstr("replicationFactor"));
  EXPECT_THAT(refusal({"--disseminate-timeout=0s"}), testing::HasSubstr("disseminate-timeout"));
  EXPECT_THAT(refusal({"--initial-cluster=a=h:1,b=h:2"}), testing::HasSubstr("leader"));
  EXPECT_THAT(refusal({"--leader-etcd-endpoints=h:1", "--leader-postgres=host=h"}),
              testing::HasSubstr("one of the two"));
}

TEST(PlacementOptions, ReplicasElectTheirLeaderInAnEngine) {
  const auto options =
      parse({"--initial-cluster=a=h:1,b=h:2", "--leader-etcd-endpoints=h:2379,i:2379"});
  ASSERT_TRUE(options);
  EXPECT_THAT(options->leader_etcd_endpoints, ElementsAre("h:2379", "i:2379"));
}

}  // namespace
}  // namespace outrigger::control::placement
