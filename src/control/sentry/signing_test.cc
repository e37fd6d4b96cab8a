#include "control/sentry/signing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scope.h"
#include "control/sentry/ca_testing.h"
#include "security/jwt/token.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class SigningTest : public testing::Test {
 protected:
  SignRequest request(std::string id = "shop") const {
    SignRequest wanted;
    wanted.id = std::move(id);
    wanted.app_namespace = "default";
    wanted.signing_request = x509::to_pem("CERTIFICATE REQUEST", x509::make_request(key_).value());
    return wanted;
  }
  Result<SignResponse> ask(const SignRequest& wanted) const {
    OUT_TRY(const auto id, requested_id(wanted));
    return sign(wanted, id, *authority_, rules_, kNow);
  }
  static std::string why(const Result<SignResponse>& response) {
    return response ? std::string("not refused") : response.error().message();
  }
  void with_tokens(std::optional<std::string> issuer) {
    const auto texts = make_jwt().value();
    IssueRules rules;
    rules.token_issuer = std::move(issuer);
    rules.token_ttl = 2h;
    authority_ = std::make_shared<const Authority>(
        make_ca(kName, 15min, kNow).value(),
        read_jwt(texts, security::jwt::Algorithm::rs256, std::nullopt).value(), rules);
  }

  const x509::PrivateKey key_ = x509::PrivateKey::generate(x509::KeyType::ed25519).value();
  const SigningRules rules_{.own_namespace = "default", .cluster_domain = "localhost"};
  AuthorityPtr authority_ = std::make_shared<const Authority>(make_ca(kName, 15min, kNow).value(),
                                                              std::nullopt, IssueRules());
};

TEST_F(SigningTest, GivesALeafAndWhatLeadsToTheRoot) {
  const auto response = ask(request());
  ASSERT_TRUE(response) << response.error().message();
  const auto chain = x509::parse_certificates(response->chain).value();
  ASSERT_THAT(chain, SizeIs(2));
  EXPECT_EQ(chain[1], authority_->ca().issuer[0]);
  const auto& leaf = chain[0];
  EXPECT_THAT(leaf.uris(), ElementsAre("spiffe://public/ns/default/shop"));
  EXPECT_THAT(leaf.dns_names(), IsEmpty());
  EXPECT_TRUE(security::spiffe::id_of_leaf(leaf));
  EXPECT_EQ(leaf.not_before(), std::chrono::floor<std::chrono::seconds>(kNow - 15min));
  EXPECT_EQ(leaf.not_after(), std::chrono::floor<std::chrono::seconds>(kNow + 24h));
  EXPECT_EQ(response->valid_until, leaf.not_after());
  EXPECT_TRUE(leaf.public_key().value() == key_.public_key());
  const auto anchors = x509::parse_certificates(response->anchors).value();
  EXPECT_TRUE(x509::verify_chain(chain, anchors, kNow));
  EXPECT_EQ(response->token, std::nullopt);
  EXPECT_THAT(response->token_by_audience, IsEmpty());
}

TEST_F(SigningTest, TakesTheTrustDomainOfTheRequest) {
  SignRequest wanted = request();
  wanted.trust_domain = "cluster.local";
  const auto chain = x509::parse_certificates(ask(wanted)->chain).value();
  EXPECT_THAT(chain[0].uris(), ElementsAre("spiffe://cluster.local/ns/default/shop"));
}

TEST_F(SigningTest, NamesTheHostsOfTheControlPlaneInItsOwnNamespaceOnly) {
  const auto hosts = [this](std::string id, std::string in) {
    SignRequest wanted = request(std::move(id));
    wanted.app_namespace = std::move(in);
    return x509::parse_certificates(ask(wanted)->chain).value()[0].dns_names();
  };
  EXPECT_THAT(hosts("dapr-injector", "default"), ElementsAre("dapr-sidecar-injector.default.svc"));
  EXPECT_THAT(hosts("dapr-operator", "default"), ElementsAre("dapr-webhook.default.svc"));
  EXPECT_THAT(hosts("dapr-scheduler", "default"),
              ElementsAre("dapr-scheduler-server-0.dapr-scheduler-server.default.svc.localhost",
                          "dapr-scheduler-server-1.dapr-scheduler-server.default.svc.localhost",
                          "dapr-scheduler-server-2.dapr-scheduler-server.default.svc.localhost"));
  EXPECT_THAT(hosts("dapr-placement", "default"), IsEmpty());
  EXPECT_THAT(hosts("dapr-injector", "other"), IsEmpty());
}

TEST_F(SigningTest, RefusesWithAllThatIsWrong) {
  EXPECT_THAT(why(ask({})),
              testing::AllOf(HasSubstr("invalid request: "), HasSubstr("app-id cannot be empty"),
                             HasSubstr("CSR is required"), HasSubstr("namespace is required")));
  EXPECT_THAT(why(ask(request("a.b"))), HasSubstr("cannot contain dots"));
  EXPECT_THAT(why(ask(request(std::string(65, 'a')))), HasSubstr("64 characters or less"));
  EXPECT_TRUE(ask(request(std::string(64, 'a'))));
  EXPECT_EQ(ask({}).error().code(), Code::permission_denied);
}

TEST_F(SigningTest, RefusesNamesThatWouldMakeAnotherId) {
  EXPECT_FALSE(ask(request("a/b")));
  EXPECT_FALSE(ask(request("..")));
  SignRequest wanted = request();
  wanted.app_namespace = "x/y";
  EXPECT_FALSE(ask(wanted));
  wanted = request();
  wanted.trust_domain = "public/ns/a/b";
  EXPECT_FALSE(ask(wanted));
}

TEST_F(SigningTest, RefusesWhatIsNoSigningRequest) {
  const auto asked = [this](std::string text) {
    SignRequest wanted = request();
    wanted.signing_request = std::move(text);
    return ask(wanted);
  };
  const std::string der = x509::make_request(key_).value();
  EXPECT_TRUE(asked(x509::to_pem("CERTIFICATE", der)));
  for (const std::string& text :
       {std::string("text"), x509::to_pem("PRIVATE KEY", der), std::string(100'000, '-')}) {
    EXPECT_EQ(why(asked(text)), "invalid certificate signing request");
    EXPECT_EQ(asked(text).error().code(), Code::invalid_argument);
  }
  EXPECT_THAT(why(asked(x509::to_pem("CERTIFICATE REQUEST", "nonsense"))),
              HasSubstr("failed to parse certificate signing request"));
  std::string forged = der;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  EXPECT_EQ(why(asked(x509::to_pem("CERTIFICATE REQUEST", forged))), "invalid signature");
}

TEST_F(SigningTest, GivesATokenForAllAudiencesAndOneForEach) {
  with_tokens("https://issuer");
  SignRequest wanted = request();
  wanted.audiences = {"a", "b", "a"};
  const auto response = ask(wanted);
  ASSERT_TRUE(response);
  const auto keys = security::jwt::parse_key_set(authority_->jwt()->jwks).value();
  security::jwt::Expected expected;
  expected.subject = "spiffe://public/ns/default/shop";
  expected.issuer = "https://issuer";
  expected.now = kNow;
  const auto claims = security::jwt::verify(response->token.value(), keys, expected);
  ASSERT_TRUE(claims) << claims.error().message();
  EXPECT_THAT(claims->audience, ElementsAre("public", "a", "b", "a"));
  EXPECT_EQ(claims->expires, std::chrono::floor<std::chrono::seconds>(kNow + 2h));
  EXPECT_EQ(claims->not_before, std::chrono::floor<std::chrono::seconds>(kNow - 15min));
  EXPECT_THAT(claims->json, HasSubstr(R"("use":"sig")"));
  ASSERT_THAT(response->token_by_audience, SizeIs(3));
  const auto& one = response->token_by_audience.at("b");
  EXPECT_THAT(security::jwt::verify(one, keys, expected)->audience, ElementsAre("b"));
}

TEST_F(SigningTest, GivesTokensWithoutAnIssuerIfThereIsNone) {
  with_tokens(std::nullopt);
  const auto keys = security::jwt::parse_key_set(authority_->jwt()->jwks).value();
  security::jwt::Expected expected;
  expected.now = kNow;
  const auto claims = security::jwt::verify(ask(request())->token.value(), keys, expected);
  EXPECT_THAT(claims->json, testing::Not(HasSubstr("\"iss\"")));
}

TEST_F(SigningTest, HasALimitOfAudiences) {
  with_tokens(std::nullopt);
  SignRequest wanted = request();
  wanted.audiences.assign(65, "a");
  EXPECT_EQ(ask(wanted).error().code(), Code::invalid_argument);
}

TEST_F(SigningTest, ReadsAndWritesTheWire) {
  // SignCertificateRequest{id: "a", namespace: "n", certificate_signing_request: "c", 3, ["x"]}.
  const auto parsed =
      wire::parse(std::string("\x0a\x01"
                              "a"
                              "\x22\x01n\x2a\x01"
                              "c\x30\x03\x3a\x01x"));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, "a");
  EXPECT_EQ(parsed->app_namespace, "n");
  EXPECT_EQ(parsed->signing_request, "c");
  EXPECT_EQ(parsed->validator, ValidatorKind::jwks);
  EXPECT_THAT(parsed->audiences, ElementsAre("x"));
  EXPECT_FALSE(wire::parse("\xff"));
  SignResponse response;
  response.chain = "c";
  response.anchors = "a";
  response.valid_until = WallTime(std::chrono::seconds(5));
  EXPECT_EQ(wire::render(response), std::string("\x0a\x01"
                                                "c\x12\x01"
                                                "a\x1a\x02\x08\x05"));
}

}  // namespace
}  // namespace outrigger::control::sentry
