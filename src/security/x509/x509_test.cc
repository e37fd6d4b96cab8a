#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "security/x509/certificate.h"
#include "security/x509/key.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"
#include "security/x509/testdata.h"

namespace outrigger::security::x509 {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow = wall_now();

PrivateKey make_key(KeyType type = KeyType::ed25519) { return PrivateKey::generate(type).value(); }

Template ca(std::string_view name) {
  Template wanted;
  wanted.kind = Template::Kind::ca;
  wanted.subject.organization = name;
  wanted.not_before = kNow - 1h;
  wanted.not_after = kNow + 24h;
  return wanted;
}

Template leaf(std::string_view uri) {
  Template wanted;
  wanted.uris = {std::string(uri)};
  wanted.not_before = kNow - 15min;
  wanted.not_after = kNow + 1h;
  return wanted;
}

struct Signer {
  PrivateKey key;
  Certificate certificate;
};

Signer root(std::string_view name, KeyType type = KeyType::ed25519) {
  auto key = make_key(type);
  auto certificate = issue_self_signed(ca(name), key).value();
  return {std::move(key), std::move(certificate)};
}

Signer below(const Signer& above, std::string_view name) {
  auto key = make_key();
  auto certificate = issue(ca(name), key.public_key(), above.certificate, above.key).value();
  return {std::move(key), std::move(certificate)};
}

TEST(Pem, ReadsTheBlocksOfATextAndPassesOverWhatIsBetweenThem) {
  const std::string text = "A comment\r\n" + to_pem("FIRST", "one") + "between\n" +
                           "-----BEGIN BROKEN-----\n!!!\n-----END BROKEN-----\n" +
                           "-----BEGIN OTHER-----\nAAAA\n-----END ANOTHER-----\n" +
                           "-----BEGIN CUT-----\nAAAA\n" + to_pem("SECOND", std::string(100, 'x'));
  const auto blocks = parse_pem(text);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].type, "FIRST");
  EXPECT_EQ(blocks[0].der, "one");
  EXPECT_EQ(blocks[1].type, "SECOND");
  EXPECT_EQ(blocks[1].der, std::string(100, 'x'));
}

TEST(Pem, HasLinesOf64Characters) {
  EXPECT_EQ(to_pem("X", std::string(49, '\0')),
            "-----BEGIN X-----\n" + std::string(64, 'A') + "\nAA==\n-----END X-----\n");
}

TEST(Keys, OfEachKindAreWrittenAndReadAgain) {
  for (const KeyType type :
       {KeyType::ed25519, KeyType::p256, KeyType::p384, KeyType::p521, KeyType::rsa}) {
    const auto key = make_key(type);
    const auto again = PrivateKey::parse(key.pem());
    ASSERT_TRUE(again) << to_string(type);
    EXPECT_EQ(again->type(), type);
    EXPECT_TRUE(again->public_key() == key.public_key());
    EXPECT_FALSE(again->public_key() == make_key().public_key());
  }
}

// Made by `openssl genpkey` and `openssl ecparam -genkey` / `openssl genrsa -traditional`.
TEST(Keys, OfOtherProgramsAreReadInEachForm) {
  EXPECT_EQ(PrivateKey::parse(testdata::kEd25519Pkcs8)->type(), KeyType::ed25519);
  EXPECT_EQ(PrivateKey::parse(testdata::kP256Sec1WithParameters)->type(), KeyType::p256);
  EXPECT_EQ(PrivateKey::parse(testdata::kP384Pkcs8)->type(), KeyType::p384);
  EXPECT_EQ(PrivateKey::parse(testdata::kRsaTraditional)->type(), KeyType::rsa);
}

TEST(Keys, ThatAreWeakOrStrangeOrEncryptedAreRefused) {
  EXPECT_THAT(PrivateKey::parse(testdata::kRsa1024).error().message(), HasSubstr("2048"));
  EXPECT_FALSE(PrivateKey::parse(testdata::kSecp256k1));
  EXPECT_FALSE(PrivateKey::parse(testdata::kX25519));
  EXPECT_FALSE(PrivateKey::parse(testdata::kExplicitCurve));
  EXPECT_FALSE(PrivateKey::parse(testdata::kEncrypted));
  EXPECT_FALSE(PrivateKey::parse(""));
  EXPECT_FALSE(PrivateKey::parse(to_pem("PRIVATE KEY", "nonsense")));
}

TEST(Requests, AreMadeAndRead) {
  for (const KeyType type : {KeyType::ed25519, KeyType::p256, KeyType::rsa}) {
    const auto key = make_key(type);
    const auto request = parse_request(make_request(key).value());
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->signature_valid);
    EXPECT_TRUE(request->key == key.public_key());
  }
}

TEST(Requests, OfOpenSslAreRead) {
  const auto blocks = parse_pem(testdata::kRequest);
  ASSERT_EQ(blocks.size(), 1U);
  const auto request = parse_request(blocks[0].der);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->signature_valid);
  EXPECT_EQ(request->key.type(), KeyType::p256);
}

TEST(Requests, ThatSomebodyElseSignedOrThatAreCutAreNotBelieved) {
  const std::string whole = make_request(make_key()).value();
  std::string forged = whole;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  EXPECT_FALSE(parse_request(forged)->signature_valid);
  EXPECT_FALSE(parse_request(whole + "x"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_request(whole.substr(0, size)));
  }
}

TEST(Certificates, SayWhatTheirTemplateSays) {
  const auto above = root("above");
  const auto key = make_key();
  Template wanted = leaf("spiffe://public/ns/default/shop");
  wanted.dns_names = {"a.svc", "b.svc"};
  const auto made = issue(wanted, key.public_key(), above.certificate, above.key);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->uris(), ElementsAre("spiffe://public/ns/default/shop"));
  EXPECT_THAT(made->dns_names(), ElementsAre("a.svc", "b.svc"));
  EXPECT_EQ(made->subject(), "");
  EXPECT_EQ(made->issuer(), "O=above");
  EXPECT_FALSE(made->is_ca());
  EXPECT_FALSE(made->allows_certificate_signing());
  EXPECT_FALSE(made->allows_list_signing());
  EXPECT_TRUE(made->public_key().value() == key.public_key());
  EXPECT_EQ(made->not_before(), std::chrono::floor<std::chrono::seconds>(wanted.not_before));
  EXPECT_EQ(made->not_after(), std::chrono::floor<std::chrono::seconds>(wanted.not_after));
  EXPECT_TRUE(made->is_signed_by(above.certificate));
  EXPECT_FALSE(made->is_signed_by(root("above").certificate));
  EXPECT_EQ(parse_certificates(made->pem())->front(), *made);
}

TEST(Certificates, HaveNamesOfAnyLengthAndBytesThatAreTakenAsTheyAre) {
  const std::string name = "spiffe://" + std::string(200, 'd') + "/ns/n/dapr-sentry";
  EXPECT_EQ(root(name).certificate.subject(), "O=" + name);
  // No word of the library's own language for extensions means anything here.
  const auto above = root("r");
  const std::string uri = "spiffe://a/b,DNS:evil,email:copy";
  const auto made = issue(leaf(uri), make_key().public_key(), above.certificate, above.key).value();
  EXPECT_THAT(made.uris(), ElementsAre(uri));
  EXPECT_THAT(made.dns_names(), IsEmpty());
}

TEST(Certificates, OfEachKindOfIssuerAreVerified) {
  for (const KeyType type :
       {KeyType::ed25519, KeyType::p256, KeyType::p384, KeyType::p521, KeyType::rsa}) {
    const auto above = root("above", type);
    const Chain chain = {
        issue(leaf("spiffe://a/b"), make_key().public_key(), above.certificate, above.key).value()};
    const Chain anchors = {above.certificate};
    EXPECT_TRUE(verify_chain(chain, anchors, kNow)) << to_string(type);
  }
}

TEST(Certificates, AreOnlyVerifiedInTheirTimeAndByTheirAnchor) {
  const auto top = root("top");
  const auto middle = below(top, "middle");
  const auto made =
      issue(leaf("spiffe://a/b"), make_key().public_key(), middle.certificate, middle.key).value();
  const Chain chain = {made, middle.certificate};
  const Chain anchors = {top.certificate};
  EXPECT_TRUE(verify_chain(chain, anchors, kNow));
  EXPECT_THAT(verify_chain(chain, anchors, kNow + 2h).error().message(), HasSubstr("expired"));
  EXPECT_FALSE(verify_chain(chain, anchors, kNow - 30min));
  EXPECT_FALSE(verify_chain(Chain{made}, anchors, kNow));
  const Chain others = {root("top").certificate};
  EXPECT_FALSE(verify_chain(chain, others, kNow));
  EXPECT_FALSE(verify_chain(chain, Chain(), kNow));
  // An anchor need not be a root.
  EXPECT_TRUE(verify_chain(Chain{made}, Chain{middle.certificate}, kNow));
}

TEST(Certificates, OfALeafAreNobodys) {
  const auto top = root("top");
  auto key = make_key();
  const auto middle =
      issue(leaf("spiffe://a/b"), key.public_key(), top.certificate, top.key).value();
  Template forged = leaf("spiffe://a/admin");
  const auto made = issue(forged, make_key().public_key(), middle, key).value();
  EXPECT_FALSE(verify_chain(Chain{made, middle}, Chain{top.certificate}, kNow));
  EXPECT_FALSE(made.is_signed_by(middle));
}

TEST(Certificates, ThatACrossLeadsToTwoRootsAreVerifiedByEither) {
  const auto old_root = root("old");
  const auto old_issuer = below(old_root, "old issuer");
  const auto next_root = root("next");
  const auto next_issuer = below(next_root, "next issuer");
  const auto bridge =
      cross_sign(next_root.certificate, old_issuer.certificate, old_issuer.key).value();
  EXPECT_EQ(bridge.subject(), "O=next");
  EXPECT_EQ(bridge.issuer(), "O=old issuer");
  EXPECT_TRUE(bridge.is_ca());
  EXPECT_TRUE(next_issuer.certificate.is_signed_by(bridge));
  const auto made =
      issue(leaf("spiffe://a/b"), make_key().public_key(), next_issuer.certificate, next_issuer.key)
          .value();
  const Chain chain = {made, next_issuer.certificate, bridge, old_issuer.certificate};
  EXPECT_TRUE(verify_chain(chain, Chain{old_root.certificate}, kNow));
  EXPECT_TRUE(verify_chain(chain, Chain{next_root.certificate}, kNow));
  const Chain both = {old_root.certificate, next_root.certificate};
  EXPECT_TRUE(verify_chain(chain, both, kNow));
}

TEST(Certificates, OfOpenSslAreRead) {
  const auto chain = parse_certificates(testdata::kCertificate);
  ASSERT_TRUE(chain);
  ASSERT_EQ(chain->size(), 1U);
  const Certificate& read = chain->front();
  EXPECT_EQ(read.fingerprint(), testdata::kCertificateFingerprint);
  EXPECT_EQ(read.subject(), "O=Example,CN=leaf");
  EXPECT_EQ(read.serial(), "1234ABCD");
  EXPECT_THAT(read.uris(), ElementsAre("spiffe://td/a", "spiffe://td/b"));
  EXPECT_THAT(read.dns_names(), ElementsAre("host.example"));
  EXPECT_TRUE(read.is_ca());
  EXPECT_EQ(read.path_length_max(), 0);
}

TEST(Certificates, OfCenturiesEndWithTheTimeThatCanBeHeld) {
  const auto chain = parse_certificates(testdata::kOfFarAway);
  ASSERT_TRUE(chain);
  EXPECT_EQ(chain->front().not_after(), WallTime::max());
}

TEST(Certificates, ThatAreNoneAreRefused) {
  EXPECT_FALSE(parse_certificates(""));
  EXPECT_FALSE(parse_certificates(to_pem("CERTIFICATE", "nonsense")));
  EXPECT_FALSE(parse_certificates(to_pem("PRIVATE KEY", "nonsense")));
  const std::string whole = root("r").certificate.der();
  EXPECT_FALSE(Certificate::parse_der(whole + "x"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Certificate::parse_der(whole.substr(0, size)));
  }
}

}  // namespace
}  // namespace outrigger::security::x509
