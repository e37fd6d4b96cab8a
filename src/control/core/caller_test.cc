#include "control/core/caller.h"

#include <gtest/gtest.h>

namespace outrigger::control {
namespace {

TEST(Caller, IsWhoItsCertificateSays) {
  net::Peer peer;
  EXPECT_EQ(identity_of(nullptr).value(), std::nullopt);
  EXPECT_EQ(identity_of(&peer).value(), std::nullopt) << "cleartext";
  peer.tls = true;
  peer.identity = "spiffe://public/ns/shop/orders";
  const auto identity = identity_of(&peer).value();
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->app_namespace, "shop");
  EXPECT_EQ(identity->app_id, "orders");
}

TEST(Caller, WithoutAnAppsIdentityIsNobody) {
  net::Peer peer;
  peer.tls = true;
  for (const char* text : {"", "spiffe://public", "spiffe://public/elsewhere/orders"}) {
    peer.identity = text;
    const auto identity = identity_of(&peer);
    ASSERT_FALSE(identity) << text;
    EXPECT_EQ(identity.error().code(), Code::unauthenticated);
  }
}

}  // namespace
}  // namespace outrigger::control
