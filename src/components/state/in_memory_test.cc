#include "base/scope.h"
#include "components/component.h"
#include "components/state/in_memory_table.h"
#include "components/state/like.h"
#include "components/state/query.h"
#include "components/state/registry.h"

namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

InMemoryTable::Now at(std::chrono::milliseconds after) {
  return {.steady = TimePoint(1000s) + after, .wall = WallTime(1'700'000'000s) + after};
}

SetRequest with_ttl(std::string key, std::string seconds) {
  return {.key = std::move(key), .value = "v", .metadata = {{"ttlInSeconds", std::move(seconds)}}};
}

TEST(InMemoryTable, AnItemExpiresAfterItsTtlAndNotAtIt) {
  InMemoryTable table;
  ASSERT_TRUE(table.set(with_ttl("k", "2"), at(0ms)));
  auto item = table.get("k", at(2000ms));
  ASSERT_TRUE(item);
  EXPECT_EQ(item->metadata.at("ttlExpireTime"), "2023-11-14T22:13:22Z");
  EXPECT_FALSE(table.get("k", at(2001ms)));
}

TEST(InMemoryTable, SweepingForgetsOnlyWhatHasExpired) {
  InMemoryTable table;
  ASSERT_TRUE(table.set(with_ttl("short", "1"), at(0ms)));
  ASSERT_TRUE(table.set(with_ttl("long", "9"), at(0ms)));
  EXPECT_TRUE(table.has_expiring());
  EXPECT_FALSE(table.sweep(at(1500ms)));
  EXPECT_TRUE(table.get("long", at(0ms)));
  EXPECT_FALSE(table.get("short", at(0ms)));
  EXPECT_FALSE(table.sweep(at(10s)));
  EXPECT_FALSE(table.has_expiring());
}

TEST(InMemoryTable, WritingAgainWithoutTtlMakesAnItemLast) {
  InMemoryTable table;
  ASSERT_TRUE(table.set(with_ttl("k", "1"), at(0ms)));
  ASSERT_TRUE(table.set({.key = "k", .value = "w"}, at(0ms)));
  EXPECT_FALSE(table.has_expiring());
  EXPECT_FALSE(table.sweep(at(10s)));
  ASSERT_TRUE(table.get("k", at(10s)));
  EXPECT_TRUE(table.get("k", at(10s))->metadata.empty());
}

TEST(InMemoryTable, ANegativeTtlMeansForEverAndAWordIsRefused) {
  InMemoryTable table;
  EXPECT_TRUE(table.set(with_ttl("k", "-5"), at(0ms)));
  EXPECT_FALSE(table.has_expiring());
  EXPECT_TRUE(table.set(with_ttl("k", "9223372036854775807"), at(0ms)));
  auto refused = table.set(with_ttl("k", "soon"), at(0ms));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "strconv.Atoi: parsing \"soon\": invalid syntax");
  EXPECT_EQ(table.set(with_ttl("k", "99999999999999999999"), at(0ms)).error().message(),
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range");
}

TEST(InMemoryTable, AnExpiredItemNoLongerStopsAFirstWrite) {
  InMemoryTable table;
  ASSERT_TRUE(table.set(with_ttl("k", "1"), at(0ms)));
  SetRequest first{.key = "k", .value = "w", .concurrency = Concurrency::first_write};
  EXPECT_FALSE(table.set(first, at(0ms)));
  EXPECT_TRUE(table.set(first, at(2s)));
}

TEST(InMemoryTable, ATransactionChecksAllEtagsBeforeItWritesAnything) {
  InMemoryTable table;
  ASSERT_TRUE(table.set({.key = "a", .value = "1"}, at(0ms)));
  TransactionRequest request;
  request.operations.push_back(SetRequest{.key = "new", .value = "2"});
  request.operations.push_back(DeleteRequest{.key = "a", .etag = "never-issued"});
  auto refused = table.multi(std::move(request), at(0ms));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_etag_mismatch(refused.error()));
  EXPECT_FALSE(table.get("new", at(0ms)));
  EXPECT_TRUE(table.get("a", at(0ms)));
}

TEST(InMemoryTable, ErrorsSayWhatUpstreamSays) {
  InMemoryTable table;
  auto missing = table.remove({.key = "k", .etag = "e"}, at(0ms));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(),
            "possible etag mismatch. error from state store: state not exist or expired for key=k");
}

TEST(InMemoryTable, IsCorrectUnderConcurrentFirstWritesAndTransactions) {
  InMemoryTable table;
  std::atomic<int> won{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&table, &won, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string key = "k" + std::to_string(i);
        SetRequest first{.key = key, .value = "v", .concurrency = Concurrency::first_write};
        if (table.set(std::move(first), InMemoryTable::now())) won.fetch_add(1);
        TransactionRequest both;
        both.operations.push_back(SetRequest{.key = t % 2 == 0 ? "a" : "b", .value = "1"});
        both.operations.push_back(SetRequest{.key = t % 2 == 0 ? "b" : "a", .value = "2"});
        EXPECT_TRUE(table.multi(std::move(both), InMemoryTable::now()));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(won.load(), 2000);
}

TEST(InMemory, ListsUpstreamsFeatures) {
  Loop loop;
  ComponentContext context{.loop = loop, .app_id = "app"};
  const auto* kind = find_kind(kinds(), "State.In-Memory", "");
  ASSERT_NE(kind, nullptr);
  auto store = kind->make(Metadata{}, context).value();
  EXPECT_EQ(features(*store), (std::vector<std::string>{"ETAG", "TRANSACTIONAL", "TTL",
                                                        "DELETE_WITH_PREFIX", "KEYS_LIKE"}));
}

TEST(Like, FollowsSqlWithBackslashAsEscape) {
  EXPECT_TRUE(like("abc", "a%"));
  EXPECT_TRUE(like("abc", "%c"));
  EXPECT_TRUE(like("abc", "a_c"));
  EXPECT_FALSE(like("abc", "A%"));
  EXPECT_FALSE(like("abbc", "a_c"));
  EXPECT_TRUE(like("a%c", "a\\%c"));
  EXPECT_FALSE(like("abc", "a\\%c"));
  EXPECT_TRUE(like("a\\", "a\\"));
  EXPECT_TRUE(like("äö", "__"));
  EXPECT_TRUE(like("", "%%"));
  EXPECT_FALSE(like("", "_"));
  EXPECT_TRUE(like("xaxaxb", "%a%b"));
  EXPECT_FALSE(like(std::string(20000, 'a'), "%a%a%a%a%a%b"));
}

TEST(Query, ReadsFiltersSortAndPage) {
  auto query = parse_query(
      R"({"filter":{"AND":[{"EQ":{"person.org":"A"}},{"IN":{"n":[1,true,null,"x"]}}]},
          "sort":[{"key":"n","order":"DESC"}],"page":{"limit":3,"token":"t"}})");
  ASSERT_TRUE(query);
  ASSERT_EQ(query->filter.size(), 1u);
  EXPECT_EQ(query->filter[0].kind, Filter::Kind::all_of);
  ASSERT_EQ(query->filter[0].children.size(), 2u);
  const auto& in = query->filter[0].children[1];
  EXPECT_EQ(in.key, "n");
  EXPECT_EQ(in.values, (std::vector<Literal>{1.0, true, std::monostate{}, std::string("x")}));
  EXPECT_EQ(query->sort[0].order, "DESC");
  EXPECT_EQ(query->limit, 3);
  EXPECT_EQ(query->token, "t");
}

TEST(Query, RefusesWhatIsNoQuery) {
  const std::string deep = std::string(100000, '[');
  for (const std::string& text :
       {std::string("nonsense"), std::string("[]"), std::string(R"({"filter":{"XX":{"a":1}}})"),
        std::string(R"({"filter":{"EQ":{"a":1,"b":2}}})"), std::string(R"({"filter":{"AND":[]}})"),
        std::string(R"({"filter":{"IN":{"a":1}}})"), std::string(R"({"page":{"limit":"x"}})"), deep,
        R"({"filter":{"EQ":{"a":)" + deep + std::string(100000, ']') + "}}}"}) {
    auto query = parse_query(text);
    ASSERT_FALSE(query) << text.substr(0, 40);
    EXPECT_EQ(query.error().code(), Code::invalid_argument);
  }
  EXPECT_TRUE(parse_query("{}"));
}

}  // namespace
}  // namespace outrigger::components::state
