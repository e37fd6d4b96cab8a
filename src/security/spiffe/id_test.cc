#include "security/spiffe/id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::security::spiffe {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

TEST(SpiffeId, IsTakenApart) {
  const auto id = Id::parse("spiffe://cluster.local/ns/shop/cart");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->trust_domain(), "cluster.local");
  EXPECT_EQ(id->path(), "/ns/shop/cart");
  EXPECT_EQ(id->text(), "spiffe://cluster.local/ns/shop/cart");
  EXPECT_EQ(Id::parse("spiffe://td")->path(), "");
}

// The words are those of go-spiffe, which upstream passes on.
TEST(SpiffeId, ThatIsNoneIsRefusedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "cannot be empty"},
      {"http://td/a", "scheme is missing or invalid"},
      {"SPIFFE://td/a", "scheme is missing or invalid"},
      {"spiffe:td", "scheme is missing or invalid"},
      {"spiffe://", "trust domain is missing"},
      {"spiffe:///a", "trust domain is missing"},
      {"spiffe://TD/a", "trust domain characters are limited"},
      {"spiffe://user@td/a", "trust domain characters are limited"},
      {"spiffe://td:80/a", "trust domain characters are limited"},
      {"spiffe://td/", "trailing slash"},
      {"spiffe://td/a/", "trailing slash"},
      {"spiffe://td//a", "empty segments"},
      {"spiffe://td/a/../b", "dot segments"},
      {"spiffe://td/.", "dot segments"},
      {"spiffe://td/a%2Fb", "path segment characters are limited"},
      {"spiffe://td/a?b", "path segment characters are limited"},
      {"spiffe://td/a#b", "path segment characters are limited"},
      {"spiffe://td/\xC3\xA4", "path segment characters are limited"},
  };
  for (const auto& [text, reason] : cases) {
    const auto id = Id::parse(text);
    ASSERT_FALSE(id) << text;
    EXPECT_THAT(id.error().message(), HasSubstr(reason)) << text;
  }
}

TEST(SpiffeId, OfAnAppIsMadeOfWholeSegments) {
  EXPECT_EQ(Id::of_app("public", "default", "my-app")->text(), "spiffe://public/ns/default/my-app");
  EXPECT_FALSE(Id::of_app("public", "a/b", "c"));
  EXPECT_FALSE(Id::of_app("public", "a", "b/c"));
  EXPECT_FALSE(Id::of_app("public", "", "c"));
  EXPECT_FALSE(Id::of_app("public", "a", ".."));
  EXPECT_FALSE(Id::of_app("", "a", "b"));
  EXPECT_FALSE(Id::of_app("a/b", "a", "b"));
}

TEST(SpiffeId, SaysWhichAppItIs) {
  const AppIdentity wanted{.trust_domain = "td", .app_namespace = "ns1", .app_id = "app"};
  EXPECT_EQ(app_identity(*Id::parse("spiffe://td/ns/ns1/app")), wanted);
  EXPECT_EQ(app_identity(*Id::parse("spiffe://td/ns/ns1/app/more")), wanted);
  for (const char* text : {"spiffe://td", "spiffe://td/ns/a", "spiffe://td/xx/a/b"}) {
    EXPECT_FALSE(app_identity(*Id::parse(text))) << text;
  }
}

TEST(TrustDomain, IsANameOrThatOfAnId) {
  EXPECT_EQ(trust_domain_of("cluster.local").value(), "cluster.local");
  EXPECT_EQ(trust_domain_of("spiffe://td/ns/a/b").value(), "td");
  EXPECT_FALSE(trust_domain_of(""));
  EXPECT_FALSE(trust_domain_of("http://td"));
  EXPECT_FALSE(trust_domain_of("Cluster"));
}

class LeafTest : public testing::Test {
 protected:
  x509::Certificate certificate(x509::Template wanted) {
    wanted.subject.organization = "x";
    wanted.not_before = wall_now() - 1h;
    wanted.not_after = wall_now() + 1h;
    return x509::issue_self_signed(wanted, key_).value();
  }
  const x509::PrivateKey key_ = x509::PrivateKey::generate(x509::KeyType::ed25519).value();
};

TEST_F(LeafTest, SaysWhoseItIs) {
  x509::Template wanted;
  wanted.uris = {"spiffe://td/ns/a/b"};
  EXPECT_EQ(id_of_leaf(certificate(wanted))->text(), "spiffe://td/ns/a/b");
}

TEST_F(LeafTest, HasExactlyOneUriThatIsASpiffeId) {
  x509::Template wanted;
  EXPECT_THAT(id_of(certificate(wanted)).error().message(), HasSubstr("no URI SAN"));
  wanted.uris = {"spiffe://td/a", "spiffe://td/b"};
  EXPECT_THAT(id_of(certificate(wanted)).error().message(), HasSubstr("more than one URI SAN"));
  wanted.uris = {"https://td/a"};
  EXPECT_FALSE(id_of(certificate(wanted)));
  wanted.uris = {std::string("spiffe://td/a\0b", 15)};
  EXPECT_FALSE(id_of(certificate(wanted)));
}

TEST_F(LeafTest, IsNoCa) {
  x509::Template wanted;
  wanted.kind = x509::Template::Kind::ca;
  wanted.uris = {"spiffe://td/ns/a/b"};
  EXPECT_TRUE(id_of(certificate(wanted)));
  EXPECT_THAT(id_of_leaf(certificate(wanted)).error().message(), HasSubstr("CA flag"));
}

}  // namespace
}  // namespace outrigger::security::spiffe
