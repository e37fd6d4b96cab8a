#include "components/clients/postgres/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::Pair;

std::shared_ptr<const Settings> settings_of(const Properties& properties) {
  const Metadata metadata{.name = "s", .type = "t", .version = "v1", .properties = properties};
  auto options = parse_fields(metadata, kConnectionFields);
  EXPECT_TRUE(options);
  auto settings = make_settings(*options, 20s);
  EXPECT_TRUE(settings) << settings.error().message();
  return settings ? *settings : nullptr;
}

Error refusal_of(const Properties& properties) {
  const Metadata metadata{.name = "s", .type = "t", .version = "v1", .properties = properties};
  auto options = parse_fields(metadata, kConnectionFields);
  EXPECT_TRUE(options);
  auto settings = make_settings(*options, 20s);
  EXPECT_FALSE(settings);
  return settings ? Error(Code::unknown, "") : settings.error();
}

TEST(PostgresOptions, FieldsWinOverTheConnectionString) {
  auto settings = settings_of({{"connectionString", "host=a port=1 user=u password=p dbname=d"},
                               {"host", "b"},
                               {"user", "v"},
                               {"database", "e"},
                               {"sslRootCert", "/ca"}});
  ASSERT_EQ(settings->hosts.size(), 1U);
  EXPECT_EQ(settings->hosts[0].name, "b");
  EXPECT_EQ(settings->hosts[0].port, "1");
  EXPECT_THAT(settings->parameters, Contains(Pair("user", "v")));
  EXPECT_THAT(settings->parameters, Contains(Pair("password", "p")));
  EXPECT_THAT(settings->parameters, Contains(Pair("dbname", "e")));
  EXPECT_THAT(settings->parameters, Contains(Pair("sslrootcert", "/ca")));
}

TEST(PostgresOptions, TheOldNameOfTheConnectionStringIsUrl) {
  auto settings = settings_of({{"url", "postgres://u@h:7,i/db"}});
  ASSERT_EQ(settings->hosts.size(), 2U);
  EXPECT_EQ(settings->hosts[0].port, "7");
  EXPECT_EQ(settings->hosts[1].name, "i");
  EXPECT_EQ(settings->hosts[1].port, "");
}

TEST(PostgresOptions, WordsOfTheReferencesPoolAreUnderstood) {
  auto settings =
      settings_of({{"connectionString",
                    "host=a pool_max_conns=7 pool_max_conn_idle_time=90s pool_max_conn_lifetime=2h "
                    "pool_min_conns=1 connect_timeout=3 default_query_exec_mode=exec"}});
  EXPECT_EQ(settings->connections_max, 7);
  EXPECT_EQ(settings->idle_max, 90s);
  EXPECT_EQ(settings->lifetime_max, 2h);
  EXPECT_EQ(settings->connect_timeout, 3s);
  EXPECT_FALSE(settings->prepare);
  EXPECT_THAT(settings->parameters, Not(Contains(Key("pool_min_conns"))));
  EXPECT_EQ(settings_of({{"connectionString", "host=a pool_max_conns=7"}, {"maxConns", "9"}})
                ->connections_max,
            9);
  EXPECT_EQ(
      settings_of({{"connectionString", "host=a"}, {"connectionMaxIdleTime", "5m"}})->idle_max,
      5min);
}

TEST(PostgresOptions, OtherWordsAreSettingsOfTheSession) {
  auto settings =
      settings_of({{"connectionString", "host=a search_path='my schema,public' x.y=1"}});
  EXPECT_THAT(settings->parameters,
              Contains(Pair("options", "-c search_path=my\\ schema,public -c x.y=1")));
}

TEST(PostgresOptions, WhatCannotBeIsRefused) {
  EXPECT_EQ(refusal_of({}).message(), "failed to build connection string");
  EXPECT_EQ(refusal_of({{"connectionString", "host=a"}, {"queryExecMode", "fast"}}).message(),
            "invalid queryExecMode metadata value: fast");
  for (const auto* text : {"host=a pool_max_conns=0", "host=a connect_timeout=x",
                           "host=a,b,c port=1,2", "host=a hostaddr=1.1.1.1,2.2.2.2",
                           "host=a pool_max_conn_lifetime=x", "host=a bad-name=1"}) {
    EXPECT_EQ(refusal_of({{"connectionString", text}}).code(), Code::invalid_argument) << text;
  }
}

TEST(PostgresOptions, SigningInThroughACloudIsRefusedInClearWords) {
  for (const auto* field : {"useAzureAD", "useAWSIAM"}) {
    const auto refused = refusal_of({{"connectionString", "host=a"}, {field, "true"}});
    EXPECT_EQ(refused.code(), Code::unimplemented);
    EXPECT_THAT(refused.message(), HasSubstr(field));
    EXPECT_NE(settings_of({{"connectionString", "host=a"}, {field, "false"}}), nullptr);
  }
}

}  // namespace
}  // namespace outrigger::components::postgres
