#include "control/sentry/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class SentryOptions : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "sentryXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::optional<Options> parse(std::vector<std::string> arguments,
                               std::map<std::string, std::string, std::less<>> environment = {}) {
    const LogCapture capture;
    auto options = parse_options(arguments, fixed_environment(std::move(environment)), exit_code_);
    said_ = capture.text();
    return options;
  }
  std::optional<Options> parse_config(const std::string& mtls) {
    const std::string path = folder_ / "config.yaml";
    std::ofstream(path) << "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n"
                           "  name: c\nspec:\n  mtls:\n"
                        << mtls;
    return parse({"--config", path});
  }

  std::filesystem::path folder_;
  int exit_code_ = -1;
  std::string said_;
};

TEST_F(SentryOptions, HaveUpstreamsDefaults) {
  const auto options = parse({});
  ASSERT_TRUE(options) << said_;
  EXPECT_EQ(options->common.port, 50001);
  EXPECT_EQ(options->common.healthz_port, 8080);
  EXPECT_EQ(options->common.metrics_port, 9090);
  EXPECT_EQ(options->trust_domain, "localhost");
  EXPECT_EQ(options->own_namespace, "default");
  EXPECT_EQ(options->paths.root, "/var/run/secrets/dapr.io/credentials/ca.crt");
  EXPECT_EQ(options->paths.issuer_key, "/var/run/secrets/dapr.io/credentials/issuer.key");
  EXPECT_EQ(options->certificate_ttl, 24h);
  EXPECT_EQ(options->clock_skew, 15min);
  EXPECT_EQ(options->jwt.ttl, 24h);
  EXPECT_FALSE(options->jwt.enabled);
  EXPECT_FALSE(options->jwks);
  EXPECT_EQ(options->oidc.port, 9080);
}

TEST_F(SentryOptions, NameFilesInTheFolderOrElsewhere) {
  const auto options = parse({"-issuer-credentials=/c", "-issuer-ca-filename=root.pem",
                              "--issuer-key-filename", "/k/issuer.pem", "--jwt-key-filename=t.key"},
                             {{"NAMESPACE", "dapr-system"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->paths.root, "/c/root.pem");
  EXPECT_EQ(options->paths.issuer_certificate, "/c/issuer.crt");
  EXPECT_EQ(options->paths.issuer_key, "/k/issuer.pem");
  EXPECT_EQ(options->paths.jwt_key, "/c/t.key");
  EXPECT_EQ(options->own_namespace, "dapr-system");
}

TEST_F(SentryOptions, ThatContradictEachOtherEndTheProgram) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--jwt-issuer=https://me"}, "jwt-issuer cannot be set when jwt-enabled is false"},
      {{"--oidc-enabled"}, "oidc-server-tls-cert-file is required"},
      {{"--oidc-enabled", "--oidc-server-tls-cert-file=c"}, "oidc-server-tls-key-file is required"},
      {{"--oidc-server-tls-cert-file=c"}, "both OIDC TLS certificate and key must be provided"},
      {{"--jwt-signing-algorithm=none"}, "unsupported signature algorithm: none"},
      {{"--jwt-signing-algorithm=HS256"}, "unsupported signature algorithm: HS256"},
      {{"--jwt-ttl=0s"}, "jwt-ttl must be positive"},
      {{"--trust-domain=No Such"}, "trust domain characters are limited"},
      {{"--mode=kubernetes"}, "keeps credentials in files only"},
      {{"--config=no/such/file"}, "no/such/file"},
  };
  for (const auto& [arguments, reason] : cases) {
    EXPECT_FALSE(parse(arguments)) << reason;
    EXPECT_EQ(exit_code_, 1);
    EXPECT_THAT(said_, HasSubstr(reason));
  }
}

TEST_F(SentryOptions, OfAnotherServiceAreUnknown) {
  EXPECT_FALSE(parse({"--tls-enabled"}));
  EXPECT_EQ(exit_code_, 2);
}

TEST_F(SentryOptions, OfOidcAreTaken) {
  const auto options = parse({"--jwt-enabled", "--jwt-issuer=https://me/auth", "--jwt-key-id=k",
                              "--jwt-signing-algorithm=ES256", "--jwt-ttl=2h", "--oidc-enabled",
                              "--oidc-server-tls-enabled=false", "--oidc-path-prefix=/auth/",
                              "--oidc-allowed-hosts=a,b", "--oidc-jwks-uri=https://x/jwks"});
  ASSERT_TRUE(options) << said_;
  EXPECT_EQ(options->jwt.issuer, "https://me/auth");
  EXPECT_EQ(options->jwt.key_id, "k");
  EXPECT_EQ(options->jwt.algorithm, security::jwt::Algorithm::es256);
  EXPECT_EQ(options->jwt.ttl, 2h);
  EXPECT_EQ(options->oidc.path_prefix, "/auth");
  EXPECT_THAT(options->oidc.allowed_hosts, ElementsAre("a", "b"));
  EXPECT_EQ(options->oidc.jwks_uri, "https://x/jwks");
  EXPECT_EQ(parse({"--oidc-path-prefix=/"})->oidc.path_prefix, "");
  EXPECT_EQ(parse({"--oidc-path-prefix=a/b"})->oidc.path_prefix, "/a/b");
}

TEST_F(SentryOptions, TakeTheConfigurationsMtls) {
  const auto options = parse_config(
      "    workloadCertTTL: 1h\n    allowedClockSkew: 20s\n    tokenValidators:\n"
      "    - name: JWKS\n      options:\n        source: https://x/jwks\n"
      "        minRefreshInterval: 2m\n        requestTimeout: \"5\"\n        caCertificate: "
      "/ca\n");
  ASSERT_TRUE(options) << said_;
  EXPECT_EQ(options->certificate_ttl, 1h);
  EXPECT_EQ(options->clock_skew, 20s);
  ASSERT_TRUE(options->jwks);
  EXPECT_EQ(options->jwks->source, "https://x/jwks");
  EXPECT_EQ(options->jwks->min_refresh_interval, 2min);
  EXPECT_EQ(options->jwks->request_timeout, 5s);
  EXPECT_EQ(options->jwks->ca_certificate, "/ca");
}

TEST_F(SentryOptions, TheTrustDomainIsTheFlagsWhateverTheConfigurationSays) {
  const auto options = parse_config("    controlPlaneTrustDomain: other\n");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->trust_domain, "localhost");
  EXPECT_THAT(said_, HasSubstr("--trust-domain decides"));
}

TEST_F(SentryOptions, RefuseAConfigurationThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"    workloadCertTTL: soon\n", "error parsing WorkloadCertTTL duration"},
      {"    workloadCertTTL: 1ms\n", "at least 1s"},
      {"    allowedClockSkew: -1s\n", "AllowedClockSkew must not be negative"},
      {"    tokenValidators:\n    - name: insecure\n", "cannot be configured manually"},
      {"    tokenValidators:\n    - name: kubernetes\n", "cannot be configured manually"},
      {"    tokenValidators:\n    - name: foo\n", "invalid token validator name: 'foo'"},
      {"    tokenValidators:\n    - name: jwks\n      options:\n        requestTimeout: x\n",
       "requestTimeout"},
  };
  for (const auto& [mtls, reason] : cases) {
    EXPECT_FALSE(parse_config(mtls)) << mtls;
    EXPECT_THAT(said_, HasSubstr(reason));
  }
}

}  // namespace
}  // namespace outrigger::control::sentry
