#include "runtime/placement/ring.h"

#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <openssl/evp.h>

#include "runtime/placement/blake2b.h"

namespace outrigger::runtime::placement {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<RingHost> hosts(int count) {
  std::vector<RingHost> made;
  for (int i = 1; i <= count; ++i) {
    const std::string name = "10.0.0." + std::to_string(i) + ":50002";
    made.push_back({.key = name, .location = {.address = name, .app_id = "app"}});
  }
  return made;
}
std::string owner(const Ring& ring, std::string_view id) {
  const Location* found = ring.find(id);
  return found == nullptr ? "" : found->address;
}
std::string digit(const std::string& address) { return address.substr(7, 1); }

std::uint64_t openssl_prefix(std::string_view bytes) {
  unsigned char digest[64];
  EVP_Digest(bytes.data(), bytes.size(), digest, nullptr, EVP_blake2b512(), nullptr);
  std::uint64_t prefix;
  std::memcpy(&prefix, digest, sizeof prefix);
  return prefix;
}

TEST(Blake2b, GivesWhatAnotherImplementationGivesForEveryLengthAroundItsBlocks) {
  std::string bytes;
  for (int i = 0; i < 600; ++i) {
    EXPECT_EQ(blake2b_512_prefix(bytes), openssl_prefix(bytes)) << i;
    bytes += static_cast<char>(i * 7);
  }
}

// The numbers below were printed by upstream's own hashing package.
TEST(Ring, PointsAreUpstreams) {
  PointCache cache;
  EXPECT_EQ(cache.points("10.0.0.1:50002", 100)[0], 7120362376346592644U);
  EXPECT_EQ(cache.points("10.0.0.1:50002", 100)[9], 878720661516117403U);
  EXPECT_EQ(cache.points("10.0.0.1:50002", 100)[99], 8251988567651704418U);
  EXPECT_EQ(cache.points("127.0.0.1:47321", 100)[99], 1117293733422744748U);
  EXPECT_EQ(cache.points("[fd00::7]:50002", 100)[0], 10633652462787338384U);
  EXPECT_EQ(cache.points("", 100)[9], 10727192113839036203U);
}

TEST(Ring, GivesTheHostsThatUpstreamGives) {
  PointCache cache;
  const Ring ring(hosts(5), 100, cache);
  std::string long_id;
  for (int i = 0; i < 13; ++i) long_id += "0123456789";
  const std::pair<std::string, char> recorded[] = {
      {"", '1'},     {"1", '4'},      {"2", '3'},     {"actor-1", '4'}, {"actor-2", '3'},
      {"a||b", '5'}, {"\u00e9", '1'}, {long_id, '5'}, {"x42", '2'},     {"order/7", '4'}};
  for (const auto& [id, host] : recorded) EXPECT_EQ(digit(owner(ring, id)), std::string(1, host));
  const Ring coarse(hosts(5), 7, cache);
  EXPECT_EQ(digit(owner(coarse, "x42")), "4");
  EXPECT_EQ(digit(owner(coarse, long_id)), "3");
  const Ring single(hosts(5), 1, cache);
  EXPECT_EQ(digit(owner(single, "x42")), "5");
  EXPECT_EQ(digit(owner(single, "")), "5");
}

TEST(Ring, SpreadsTenThousandActorsAsUpstreamDoes) {
  PointCache cache;
  const auto count = [&](std::int64_t factor) {
    const Ring ring(hosts(5), factor, cache);
    std::vector<int> counts(5);
    for (int i = 0; i < 10000; ++i) {
      ++counts[static_cast<std::size_t>(owner(ring, "id-" + std::to_string(i))[7] - '1')];
    }
    return counts;
  };
  EXPECT_THAT(count(100), ElementsAre(2290, 1710, 1709, 2328, 1963));
  EXPECT_THAT(count(1), ElementsAre(1407, 1004, 149, 2580, 4860));
  EXPECT_THAT(count(7), ElementsAre(2248, 1795, 1564, 2526, 1867));
}

TEST(Ring, MadeFromAnotherIsAsOneMadeFromNothing) {
  std::mt19937 random(7);
  PointCache cache;
  std::optional<Ring> ring;
  for (int round = 0; round < 50; ++round) {
    std::vector<RingHost> some;
    for (const RingHost& host : hosts(9)) {
      if (random() % 2 == 0) some.push_back(host);
    }
    const std::int64_t factor = round % 10 == 9 ? 20 : 30;
    const Ring fresh(some, factor, cache);
    ring.emplace(Ring(some, factor, cache, ring ? &*ring : nullptr));
    for (int i = 0; i < 300; ++i) {
      const std::string id = std::to_string(i);
      ASSERT_EQ(owner(*ring, id), owner(fresh, id)) << round;
    }
  }
}

TEST(Ring, WithoutHostsOrPointsHasNoOwner) {
  PointCache cache;
  EXPECT_EQ(Ring({}, 100, cache).find("a"), nullptr);
  EXPECT_EQ(Ring(hosts(2), 0, cache).find("a"), nullptr);
}

std::shared_ptr<const Tables> tables(std::map<std::string, std::vector<RingHost>, std::less<>> of,
                                     const Tables* previous, PointCache& cache) {
  TableSource source{.version = 1, .factor = 10, .hosts = std::move(of)};
  return make_tables(std::move(source), previous, cache).value();
}

TEST(Tables, OnlyTypesWhoseHostsDifferHaveChanged) {
  PointCache cache;
  const auto before =
      tables({{"a", hosts(2)}, {"b", hosts(2)}, {"gone", hosts(1)}}, nullptr, cache);
  EXPECT_THAT(changed_types(nullptr, *before), ElementsAre("a", "b", "gone"));
  std::vector<RingHost> turned = hosts(2);
  std::swap(turned[0], turned[1]);
  const auto after =
      tables({{"a", turned}, {"b", hosts(3)}, {"new", hosts(2)}}, before.get(), cache);
  EXPECT_THAT(changed_types(before.get(), *after), ElementsAre("b", "gone", "new"));
  EXPECT_THAT(changed_types(after.get(), *after), IsEmpty());
}

TEST(Tables, AHostThatChangesItsAppOrAddressIsAChange) {
  PointCache cache;
  const auto before = tables({{"a", hosts(2)}, {"b", hosts(2)}}, nullptr, cache);
  auto other_app = hosts(2);
  other_app[1].location.app_id = "other";
  auto other_address = hosts(2);
  other_address[0].location.address = "10.9.9.9:1";
  const auto after = tables({{"a", other_app}, {"b", other_address}}, before.get(), cache);
  EXPECT_THAT(changed_types(before.get(), *after), ElementsAre("a", "b"));
}

TEST(Tables, AReplicationFactorBeyondReasonIsRefused) {
  PointCache cache;
  for (const std::int64_t factor : {std::int64_t{-1}, std::int64_t{1} << 40}) {
    TableSource source{.version = 1, .factor = factor, .hosts = {{"a", hosts(1)}}};
    EXPECT_FALSE(make_tables(std::move(source), nullptr, cache));
  }
}

TEST(Tables, NobodyHostsAnUnknownType) {
  PointCache cache;
  EXPECT_EQ(tables({{"a", hosts(1)}}, nullptr, cache)->find("b", "1"), nullptr);
}

TEST(IsLocal, NamesOfThisMachineAreOne) {
  EXPECT_TRUE(is_local("10.1.2.3:50002", "10.1.2.3", 50002));
  EXPECT_FALSE(is_local("10.1.2.3:50003", "10.1.2.3", 50002));
  EXPECT_TRUE(is_local("localhost:7", "127.0.0.1", 7));
  EXPECT_TRUE(is_local("[::1]:7", "127.0.0.1", 7));
  EXPECT_FALSE(is_local("localhost:8", "127.0.0.1", 7));
  EXPECT_FALSE(is_local("localhost:7", "10.1.2.3", 7));
  EXPECT_TRUE(is_local("[fd00::7]:50002", "fd00::7", 50002));
  EXPECT_FALSE(is_local("", "127.0.0.1", 7));
}

}  // namespace
}  // namespace outrigger::runtime::placement
