#include "resources/references.h"

namespace outrigger::resources {
namespace {

using testing::ElementsAre;

TEST(EnvRef, SensitiveNamesAreRefused) {
  const Environment none = fixed_environment({});
  EXPECT_TRUE(is_env_ref_allowed("REDIS_HOST", none));
  for (const auto* name :
       {"", "APP_API_TOKEN", "app_api_token", "DAPR_API_TOKEN", "Dapr_x", "A B"}) {
    EXPECT_FALSE(is_env_ref_allowed(name, none)) << name;
  }
}

TEST(EnvRef, AListOfKeysAllowsOnlyThoseInIt) {
  const Environment listed = fixed_environment({{"DAPR_ENV_KEYS", "FOOBAR FOO BAR"}});
  EXPECT_TRUE(is_env_ref_allowed("FOO", listed));
  EXPECT_TRUE(is_env_ref_allowed("bar", listed));
  EXPECT_FALSE(is_env_ref_allowed("BARS", listed));
  EXPECT_FALSE(is_env_ref_allowed("OOB", listed));
}

TEST(EnvRef, TheVariableIsTakenWhereNoValueIsGiven) {
  std::vector<NameValue> items = {{.name = "a", .env_ref = "HOST"},
                                  {.name = "b", .value = "", .has_value = true, .env_ref = "HOST"},
                                  {.name = "c", .env_ref = "DAPR_API_TOKEN"},
                                  {.name = "d", .env_ref = "UNSET"}};
  const auto refused =
      apply_env_refs(items, fixed_environment({{"HOST", "redis"}, {"DAPR_API_TOKEN", "secret"}}));
  EXPECT_THAT(refused, ElementsAre("DAPR_API_TOKEN"));
  EXPECT_EQ(items[0].value, "redis");
  EXPECT_TRUE(items[0].has_value);
  EXPECT_EQ(items[1].value, "");
  EXPECT_FALSE(items[2].has_value);
  EXPECT_FALSE(items[3].has_value);
}

TEST(SecretRef, NamesAreAskedOnceAndValuesPutInByKeyOrName) {
  std::vector<NameValue> items = {
      {.name = "a", .secret_key_ref = {.name = "redis", .key = "password"}},
      {.name = "b", .value = "old", .has_value = true, .secret_key_ref = {.name = "redis"}},
      {.name = "c", .value = "kept", .has_value = true, .secret_key_ref = {.name = "other"}},
      {.name = "d", .value = "plain", .has_value = true},
      {.name = "e", .secret_key_ref = {.name = "redis", .key = "empty"}}};
  EXPECT_THAT(secret_names(std::span<const NameValue>(items)), ElementsAre("redis", "other"));
  apply_secrets(items, {{"redis", {{"password", "p"}, {"redis", "r"}, {"empty", ""}}}});
  EXPECT_EQ(items[0].value, "p");
  EXPECT_EQ(items[1].value, "r");
  EXPECT_EQ(items[2].value, "kept");
  EXPECT_EQ(items[3].value, "plain");
  EXPECT_FALSE(items[4].has_value);
}

TEST(SecretRef, AnEndpointsTlsDocumentsCountToo) {
  HttpEndpoint endpoint;
  endpoint.headers = {{.name = "X", .secret_key_ref = {.name = "header"}}};
  endpoint.client_tls.emplace();
  endpoint.client_tls->private_key = TlsDocument{.secret_key_ref = {.name = "tls", .key = "key"}};
  EXPECT_THAT(secret_names(endpoint), ElementsAre("header", "tls"));
  apply_secrets(endpoint, {{"tls", {{"key", "PEM"}}}, {"header", {{"header", "h"}}}});
  EXPECT_EQ(endpoint.client_tls->private_key->value, "PEM");
  EXPECT_EQ(endpoint.headers[0].value, "h");
}

TEST(SecretRef, KubernetesModeHasAStoreOfItsOwn) {
  EXPECT_EQ(secret_store_or_default("", Mode::kubernetes), "kubernetes");
  EXPECT_EQ(secret_store_or_default("", Mode::standalone), "");
  EXPECT_EQ(secret_store_or_default("vault", Mode::kubernetes), "vault");
}

TEST(SecretRef, WhatTheOperatorSentIsDecoded) {
  std::vector<NameValue> items = {
      {.name = "a", .value = "cGFzcw==", .has_value = true, .secret_key_ref = {.name = "s"}},
      {.name = "b", .value = "*", .has_value = true, .secret_key_ref = {.name = "s"}},
      {.name = "c", .value = "cGFzcw==", .has_value = true}};
  EXPECT_THAT(decode_operator_secrets(items), ElementsAre("b"));
  EXPECT_EQ(items[0].value, "pass");
  EXPECT_EQ(items[2].value, "cGFzcw==");
}

}  // namespace
}  // namespace outrigger::resources
