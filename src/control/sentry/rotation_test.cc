#include "control/sentry/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "control/sentry/authority.h"
#include "control/sentry/ca_testing.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

/// In memory; may fail at one of its writes, as a disk does or a process that is killed.
class MemoryStorage final : public Storage {
 public:
  Result<std::unique_ptr<Lock>> lock() override { return std::make_unique<Lock>(); }
  Result<std::optional<CaTexts>> load_ca() override {
    if (!anchors || !chain || !key) return std::optional<CaTexts>();
    return std::optional(CaTexts{.anchors = *anchors, .issuer_chain = *chain, .issuer_key = *key});
  }
  Result<std::optional<JwtTexts>> load_jwt() override { return std::optional<JwtTexts>(); }
  Result<std::optional<std::string>> load_rotation() override { return rotation; }
  Result<> store_ca(const CaTexts& texts) override {
    OUT_CHECK(write(anchors, texts.anchors));
    OUT_CHECK(write(key, texts.issuer_key));
    return write(chain, texts.issuer_chain);
  }
  Result<> store_anchors(const std::string& text) override { return write(anchors, text); }
  Result<> store_jwt(const JwtTexts&) override { return {}; }
  Result<> store_rotation(const std::optional<std::string>& text) override {
    return write(rotation, text);
  }

  std::optional<std::string> anchors, chain, key, rotation;
  int writes_left = 1'000'000;

 private:
  Result<> write(std::optional<std::string>& where, const std::optional<std::string>& text) {
    if (--writes_left < 0) return fail(Code::unavailable, "killed");
    where = text;
    return {};
  }
};

RotationRules rules() { return {.name = kName, .certificate_ttl = 24h, .clock_skew = 15min}; }

class RotationTest : public testing::Test {
 protected:
  void SetUp() override {
    first_ = make_ca(kName, 15min, kNow).value().texts();
    ASSERT_TRUE(storage_.store_ca(first_));
  }
  std::optional<Stage> go(std::chrono::nanoseconds later) {
    const LogCapture quiet;
    const auto rotation = advance(storage_, rules(), kNow + later);
    EXPECT_TRUE(rotation) << rotation.error().message();
    if (!rotation || !*rotation) return std::nullopt;
    return (*rotation)->stage;
  }
  void crash(std::chrono::nanoseconds later) {
    const LogCapture quiet;
    [[maybe_unused]] const auto killed = advance(storage_, rules(), kNow + later);
  }
  CaBundle ca(std::chrono::nanoseconds later = 0s) {
    auto read = read_ca(storage_.load_ca()->value(), kNow + later);
    EXPECT_TRUE(read) << read.error().message();
    return *std::move(read);
  }
  x509::Chain leaf(std::chrono::nanoseconds later = 0s) {
    const Authority authority(ca(later), std::nullopt, IssueRules());
    const auto key = x509::PrivateKey::generate(x509::KeyType::ed25519).value();
    const auto id = security::spiffe::Id::of_app("public", "default", "shop").value();
    return authority.issue(id, key.public_key(), {}, kNow + later).value();
  }
  void request(Rotation wanted = {}) {
    const auto requested = request_rotation(storage_, std::move(wanted), kNow);
    ASSERT_TRUE(requested) << requested.error().message();
  }

  MemoryStorage storage_;
  CaTexts first_;
};

TEST_F(RotationTest, GoesThroughItsStagesAndEndsWithTheNewRootAlone) {
  const auto old = ca();
  EXPECT_EQ(go(0s), std::nullopt);
  request();
  EXPECT_EQ(go(0s), Stage::distributing);
  EXPECT_THAT(ca().anchors, SizeIs(2));
  EXPECT_EQ(ca().issuer[0], old.issuer[0]);

  EXPECT_EQ(go(23h), Stage::distributing);
  EXPECT_EQ(go(24h), Stage::signing);
  EXPECT_THAT(ca().anchors, SizeIs(2));
  const auto next = ca().issuer[0];
  EXPECT_FALSE(next == old.issuer[0]);

  EXPECT_EQ(go(48h), Stage::signing);
  EXPECT_EQ(go(48h + 15min), std::nullopt);
  EXPECT_EQ(storage_.rotation, std::nullopt);
  ASSERT_THAT(ca().anchors, SizeIs(1));
  EXPECT_FALSE(ca().anchors[0] == old.anchors[0]);
  EXPECT_EQ(ca().issuer[0], next);
  EXPECT_THAT(ca().issuer, SizeIs(1));
}

TEST_F(RotationTest, LeavesNobodyWithACertificateThatAnotherRefuses) {
  const auto old_anchors = ca().anchors;
  const auto before = leaf();
  request();
  go(0s);
  const auto both = ca().anchors;
  const auto during = leaf(1h);
  go(24h);
  const auto after = leaf(25h);
  // Who knows the old root only (an upstream sidecar, told once) believes the new issuer: a bridge.
  for (const auto& chain : {before, during}) {
    EXPECT_TRUE(x509::verify_chain(chain, old_anchors, kNow + 2h));
    EXPECT_TRUE(x509::verify_chain(chain, both, kNow + 2h));
  }
  EXPECT_TRUE(x509::verify_chain(after, old_anchors, kNow + 26h));
  EXPECT_TRUE(x509::verify_chain(after, both, kNow + 26h));
  go(49h);
  const auto new_anchors = ca(49h).anchors;
  // Who knows the new root only believes what was issued before it was alone.
  EXPECT_TRUE(x509::verify_chain(after, new_anchors, kNow + 26h));
  EXPECT_TRUE(x509::verify_chain(leaf(49h), new_anchors, kNow + 50h));
  EXPECT_TRUE(x509::verify_chain(leaf(49h), both, kNow + 50h));
  EXPECT_FALSE(x509::verify_chain(leaf(49h), old_anchors, kNow + 50h));
}

TEST_F(RotationTest, SurvivesACrashAtEachWrite) {
  const auto start = storage_;
  for (int writes = 0; writes < 16; ++writes) {
    static_cast<MemoryStorage&>(storage_) = start;
    request();
    for (const auto later : {0h, 24h, 49h}) {
      storage_.writes_left = writes;
      crash(later);
      storage_.writes_left = 1'000'000;
      go(later);
      // What is there holds together, and what was issued before is believed.
      ca(later);
    }
    EXPECT_EQ(storage_.rotation, std::nullopt) << writes;
    EXPECT_THAT(ca(49h).anchors, SizeIs(1)) << writes;
    EXPECT_THAT(ca(49h).issuer, SizeIs(1)) << writes;
  }
}

TEST_F(RotationTest, WaitsAsLongAsItIsTold) {
  Rotation wanted;
  wanted.wait = 10s;
  request(wanted);
  EXPECT_EQ(go(0s), Stage::distributing);
  EXPECT_EQ(go(9s), Stage::distributing);
  EXPECT_EQ(go(10s), Stage::signing);
}

TEST_F(RotationTest, HoldsTheOldRootUntilItIsReleased) {
  Rotation wanted;
  wanted.hold = true;
  request(wanted);
  go(0s);
  go(24h);
  EXPECT_EQ(go(100h), Stage::signing);
  EXPECT_THAT(ca().anchors, SizeIs(2));
  ASSERT_TRUE(release_rotation(storage_));
  EXPECT_EQ(go(100h), std::nullopt);
  EXPECT_FALSE(release_rotation(storage_));
}

TEST_F(RotationTest, MayBringItsOwnRoot) {
  const TestCa brought = TestCa::make("brought", x509::KeyType::p256);
  Rotation wanted;
  wanted.next = brought.texts();
  request(wanted);
  go(0s);
  go(24h);
  EXPECT_EQ(ca().issuer[0], brought.issuer);
  go(49h);
  ASSERT_THAT(ca().anchors, SizeIs(1));
  EXPECT_EQ(ca().anchors[0], brought.root);
}

TEST_F(RotationTest, IsRefusedIfItMakesNoSense) {
  const auto why = [this](Rotation wanted) {
    const auto requested = request_rotation(storage_, std::move(wanted), kNow);
    return requested ? std::string("not refused") : requested.error().message();
  };
  Rotation same;
  same.next = first_;
  EXPECT_THAT(why(same), HasSubstr("have no new root"));
  Rotation wrong;
  wrong.next = TestCa::make("a").texts();
  wrong.next->issuer_key = first_.issuer_key;
  EXPECT_THAT(why(wrong), HasSubstr("does not match"));
  request();
  EXPECT_THAT(why({}), HasSubstr("runs already"));
  go(0s);
  EXPECT_THAT(why({}), HasSubstr("distributing"));
  MemoryStorage empty;
  EXPECT_FALSE(request_rotation(empty, {}, kNow));
}

TEST_F(RotationTest, IsGivenUpIfSomebodyReplacesTheIssuer) {
  request();
  go(0s);
  const TestCa other = TestCa::make("other");
  ASSERT_TRUE(storage_.store_ca(other.texts()));
  EXPECT_EQ(go(1h), std::nullopt);
  EXPECT_EQ(storage_.load_ca()->value(), other.texts());
}

TEST_F(RotationTest, KeepsAnchorsThatSomebodyElseHasAdded) {
  request();
  go(0s);
  const TestCa other = TestCa::make("other");
  *storage_.anchors += other.root.pem();
  go(24h);
  go(49h);
  ASSERT_THAT(ca().anchors, SizeIs(2));
  EXPECT_THAT(ca().anchors, testing::Contains(other.root));
}

TEST_F(RotationTest, WorksWithoutABridgeWhereTheOldIssuerMayMakeNone) {
  ASSERT_TRUE(storage_.store_ca(flat_ca()));
  request();
  EXPECT_EQ(go(0s), Stage::distributing);
  EXPECT_EQ(parse_rotation(*storage_.rotation)->bridge, "");
  const auto both = ca().anchors;
  EXPECT_THAT(both, SizeIs(2));
  EXPECT_EQ(go(24h), Stage::signing);
  EXPECT_THAT(ca().issuer, SizeIs(1));
  EXPECT_TRUE(x509::verify_chain(leaf(24h), both, kNow + 25h));
  EXPECT_THAT(describe(storage_, kNow + 24h).value(), HasSubstr("must learn it in time"));
  EXPECT_EQ(go(49h), std::nullopt);
}

TEST_F(RotationTest, IsWrittenDownAsItIs) {
  Rotation rotation;
  rotation.stage = Stage::signing;
  rotation.since = kNow;
  rotation.until = kNow + 1h;
  rotation.wait = 90s;
  rotation.hold = true;
  rotation.next = first_;
  rotation.bridge = "bridge";
  rotation.old_anchors = "old";
  rotation.old_issuer_fingerprint = "print";
  EXPECT_EQ(parse_rotation(to_json(rotation)).value(), rotation);
  for (const char* text : {"", "[]", "{}", R"({"stage":"signing"})", R"({"stage":"x"})",
                           R"({"stage":"signing","since":"2026-01-01T00:00:00Z",)"
                           R"("until":"2026-01-01T00:00:00Z"})"}) {
    EXPECT_FALSE(parse_rotation(text)) << text;
  }
}

TEST_F(RotationTest, IsToldToPeople) {
  EXPECT_THAT(describe(storage_, kNow).value(), HasSubstr("root rotation: none"));
  request();
  EXPECT_THAT(describe(storage_, kNow).value(), HasSubstr("root rotation: requested"));
  go(0s);
  EXPECT_THAT(describe(storage_, kNow + 23h).value(),
              testing::AllOf(HasSubstr("root rotation: distributing"), HasSubstr("in 1h0m0s"),
                             HasSubstr("the old issuer signs")));
  go(24h);
  EXPECT_THAT(describe(storage_, kNow + 24h).value(),
              testing::AllOf(HasSubstr("root rotation: signing"), HasSubstr("in 24h15m0s"),
                             HasSubstr("the new issuer signs")));
  EXPECT_THAT(describe(storage_, kNow + 24h).value(), testing::Not(HasSubstr("PRIVATE")));
}

}  // namespace
}  // namespace outrigger::control::sentry
