#include "control/sentry/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "control/sentry/ca_testing.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

// Names, usages and times: facts/wire_notes.md, section 5.
TEST(Ca, IsMadeAsUpstreamMakesIt) {
  const auto ca = make_ca(kName, 15min, kNow).value();
  ASSERT_THAT(ca.anchors, SizeIs(1));
  ASSERT_THAT(ca.issuer, SizeIs(1));
  const auto& root = ca.anchors[0];
  EXPECT_EQ(root.subject(), "O=localhost");
  EXPECT_TRUE(root.is_signed_by(root));
  EXPECT_EQ(root.not_before(), std::chrono::floor<std::chrono::seconds>(kNow - 15min));
  EXPECT_EQ(root.not_after(), std::chrono::floor<std::chrono::seconds>(kNow + 365 * 24h));
  const auto& issuer = ca.issuer[0];
  EXPECT_EQ(issuer.subject(), "O=spiffe://localhost/ns/default/dapr-sentry");
  EXPECT_TRUE(issuer.is_ca());
  EXPECT_TRUE(issuer.is_signed_by(root));
  EXPECT_EQ(ca.issuer_key.type(), x509::KeyType::ed25519);
  EXPECT_TRUE(read_ca(ca.texts(), kNow));
}

TEST(Ca, IsReadWithKeysOfEachKind) {
  for (const auto type : {x509::KeyType::p256, x509::KeyType::p384, x509::KeyType::rsa}) {
    const TestCa ca = TestCa::make("root", type);
    EXPECT_TRUE(read_ca(ca.texts(), kNow)) << x509::to_string(type);
  }
}

TEST(Ca, MayBeOneCertificateThatSignsByItself) {
  const TestCa ca = TestCa::make("root");
  const CaTexts alone{
      .anchors = ca.root.pem(), .issuer_chain = ca.root.pem(), .issuer_key = ca.root_key.pem()};
  EXPECT_TRUE(read_ca(alone, kNow));
}

TEST(Ca, IsReadWithoutItsRootInTheChainAndWithoutComments) {
  const TestCa ca = TestCa::make("root");
  CaTexts texts = ca.texts();
  texts.issuer_chain = "# mine\n" + texts.issuer_chain + "# and the root\n" + ca.root.pem();
  const auto read = read_ca(texts, kNow);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->issuer, SizeIs(1));
  EXPECT_EQ(read->texts().issuer_chain, ca.texts().issuer_chain);
}

TEST(Ca, MayHaveSeveralAnchors) {
  const TestCa ca = TestCa::make("root");
  const TestCa other = TestCa::make("other");
  CaTexts texts = ca.texts();
  texts.anchors = other.texts().anchors + texts.anchors;
  EXPECT_THAT(read_ca(texts, kNow)->anchors, SizeIs(2));
}

TEST(Ca, ThatDoesNotHoldTogetherIsRefused) {
  const TestCa ca = TestCa::make("root");
  const TestCa other = TestCa::make("other");
  const auto refused = [&](auto change) {
    CaTexts texts = ca.texts();
    change(texts);
    const auto read = read_ca(texts, kNow);
    return read ? std::string("not refused") : read.error().message();
  };
  EXPECT_THAT(refused([&](CaTexts& t) { t.issuer_key = other.texts().issuer_key; }),
              HasSubstr("issuer key does not match issuer certificate"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.anchors = other.texts().anchors; }),
              HasSubstr("issuer chain does not belong to trust anchors"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.anchors = ca.texts().issuer_chain; }),
              HasSubstr("certificate in trust anchor is not self-signed"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.issuer_chain += other.texts().issuer_chain; }),
              HasSubstr("certificate chain is not valid"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.anchors = "nothing"; }), HasSubstr("trust anchors"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.issuer_chain = ""; }), HasSubstr("issuer certificate"));
  EXPECT_THAT(refused([&](CaTexts& t) { t.issuer_key = ""; }), HasSubstr("issuer key"));
}

TEST(Ca, WhoseIssuerIsALeafIsRefused) {
  const TestCa ca = TestCa::make("root");
  const auto key = x509::PrivateKey::generate(x509::KeyType::ed25519).value();
  x509::Template wanted;
  wanted.uris = {"spiffe://a/b"};
  wanted.not_before = kNow - 1h;
  wanted.not_after = kNow + 1h;
  const auto leaf = x509::issue(wanted, key.public_key(), ca.root, ca.root_key).value();
  const CaTexts texts{
      .anchors = ca.root.pem(), .issuer_chain = leaf.pem(), .issuer_key = key.pem()};
  EXPECT_THAT(read_ca(texts, kNow).error().message(), HasSubstr("not valid for signing"));
}

TEST(Ca, ThatHasExpiredIsRefused) {
  const auto ca = make_ca(kName, 15min, kNow).value();
  EXPECT_THAT(read_ca(ca.texts(), kNow + 366 * 24h).error().message(), HasSubstr("expired"));
}

TEST(JwtKey, IsMadeAsUpstreamMakesIt) {
  const auto texts = make_jwt().value();
  const auto jwt = read_jwt(texts, security::jwt::Algorithm::rs256, std::nullopt);
  ASSERT_TRUE(jwt) << jwt.error().message();
  const auto keys = security::jwt::parse_key_set(texts.jwks).value();
  ASSERT_THAT(keys, SizeIs(1));
  EXPECT_EQ(keys[0].key_id, base64_encode(security::jwt::thumbprint(keys[0].key)));
  EXPECT_EQ(keys[0].use, "sig");
  EXPECT_EQ(keys[0].algorithm, security::jwt::Algorithm::rs256);
  EXPECT_EQ(jwt->key_id, keys[0].key_id);
}

TEST(JwtKey, MustSignWithTheAlgorithmAndBeInItsSet) {
  using security::jwt::Algorithm;
  const auto texts = make_jwt().value();
  const auto other = make_jwt().value();
  const auto why = [](const Result<JwtBundle>& read) {
    return read ? std::string("not refused") : read.error().message();
  };
  EXPECT_THAT(why(read_jwt(texts, Algorithm::es256, std::nullopt)), HasSubstr("incompatible"));
  EXPECT_THAT(why(read_jwt({texts.key, other.jwks}, Algorithm::rs256, std::nullopt)),
              HasSubstr("doesn't contain a matching public key"));
  EXPECT_THAT(why(read_jwt({texts.key, R"({"keys":[]})"}, Algorithm::rs256, std::nullopt)),
              HasSubstr("doesn't contain any keys"));
  EXPECT_THAT(why(read_jwt(texts, Algorithm::rs256, "mine")), HasSubstr("\"mine\""));
  EXPECT_THAT(why(read_jwt({"", texts.jwks}, Algorithm::rs256, std::nullopt)),
              HasSubstr("JWT signing key"));
  EXPECT_THAT(why(read_jwt({texts.key, "{"}, Algorithm::rs256, std::nullopt)), HasSubstr("JWKS"));
}

}  // namespace
}  // namespace outrigger::control::sentry
