#include "control/sentry/oidc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/log.h"
#include "base/scope.h"

namespace outrigger::control::sentry {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Asked {
  std::string path = "/.well-known/openid-configuration";
  std::string host = "localhost:9080";
  std::string forwarded;
  std::string method = "GET";
};

class OidcTest : public testing::Test {
 protected:
  net::Response ask(const Asked& asked) {
    const LogCapture quiet;
    OidcPages pages(options_);
    pages.set({.jwks = R"({"keys":[]})", .algorithm = "RS256", .issuer = issuer_});
    net::Request request;
    request.method = asked.method;
    request.target = asked.path;
    request.authority = asked.host;
    if (!asked.forwarded.empty()) request.headers.add("x-forwarded-host", asked.forwarded);
    return run(pages.handle(std::move(request)));
  }
  std::string text(const Asked& asked, std::string_view name) {
    const auto response = ask(asked);
    EXPECT_EQ(response.status, 200) << response.body.whole;
    const auto raw = json::member(response.body.whole, name);
    return raw ? json::string_value(*raw).value_or("?") : "?";
  }

  OidcOptions options_;
  std::string issuer_;
};

TEST_F(OidcTest, ServesTheTwoDocuments) {
  const auto response = ask({});
  EXPECT_EQ(response.headers.value("content-type"), "application/json");
  EXPECT_EQ(response.headers.value("cache-control"), "public, max-age=3600");
  EXPECT_THAT(response.body.whole,
              HasSubstr(R"("id_token_signing_alg_values_supported":["RS256"])"));
  EXPECT_THAT(response.body.whole, HasSubstr(R"("response_types_supported":["id_token"])"));
  EXPECT_THAT(response.body.whole, HasSubstr(R"("subject_types_supported":["public"])"));
  EXPECT_EQ(ask({.path = "/jwks.json"}).body.whole, R"({"keys":[]})");
  EXPECT_EQ(ask({.path = "/other"}).status, 404);
  EXPECT_EQ(ask({.method = "POST"}).status, 405);
}

TEST_F(OidcTest, IsItsOwnIssuerUnlessItIsToldAnother) {
  EXPECT_EQ(text({}, "issuer"), "http://localhost:9080");
  EXPECT_EQ(text({}, "jwks_uri"), "http://localhost:9080/jwks.json");
  options_.certificate_file = options_.key_file = "f";
  EXPECT_EQ(text({}, "issuer"), "https://localhost:9080");
  issuer_ = "https://me.example/auth";
  EXPECT_EQ(text({}, "issuer"), "https://me.example/auth");
  EXPECT_EQ(text({}, "jwks_uri"), "https://me.example/jwks.json");
  options_.jwks_uri = "https://x/jwks";
  EXPECT_EQ(text({}, "jwks_uri"), "https://x/jwks");
}

TEST_F(OidcTest, HasItsPathsBelowThePrefix) {
  options_.path_prefix = "/auth";
  EXPECT_EQ(ask({}).status, 404);
  EXPECT_EQ(text({.path = "/auth/.well-known/openid-configuration"}, "jwks_uri"),
            "http://localhost:9080/auth/jwks.json");
  EXPECT_EQ(ask({.path = "/auth/jwks.json"}).status, 200);
}

TEST_F(OidcTest, ServesTheHostsThatAreAllowed) {
  options_.allowed_hosts = {"localhost", "example.com"};
  EXPECT_EQ(ask({}).status, 200);
  EXPECT_EQ(ask({.host = "example.com"}).status, 200);
  EXPECT_EQ(ask({.host = "evil.com"}).status, 403);
  EXPECT_EQ(ask({.host = "evil.com", .forwarded = "example.com"}).status, 200);
  EXPECT_EQ(ask({.forwarded = "evil.com"}).status, 403);
  EXPECT_EQ(ask({.host = "evil.com", .method = "POST"}).status, 403);
}

// CWE-346: otherwise anyone makes himself the issuer in a cache.
TEST_F(OidcTest, BelievesAForwardedHostOnlyIfItIsOnAList) {
  EXPECT_EQ(text({.forwarded = "evil.com"}, "issuer"), "http://localhost:9080");
  options_.allowed_hosts = {"*"};
  EXPECT_EQ(text({.forwarded = "evil.com"}, "issuer"), "http://localhost:9080");
  options_.allowed_hosts = {"good.com"};
  EXPECT_EQ(text({.forwarded = "good.com"}, "issuer"), "http://good.com");
}

TEST_F(OidcTest, RefusesAHostThatIsNone) {
  EXPECT_EQ(ask({.host = "a/b\"c"}).status, 400);
  EXPECT_EQ(ask({.forwarded = "a b"}).status, 400);
}

}  // namespace
}  // namespace outrigger::control::sentry
