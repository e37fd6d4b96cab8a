#include "base/time_format.h"
#include "components/state/registry.h"
#include "tests/conformance/state_conformance.h"

/// Transactions, times to live and what else only some stores can do.
namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

TEST_P(StateConformance, ATransactionDoesItsOperationsInOrder) {
  NEEDS(store_->transactional());
  ASSERT_TRUE(put(key("a"), "old"));
  ASSERT_TRUE(put(key("b"), "old"));
  std::vector<Operation> operations;
  operations.emplace_back(SetRequest{.key = key("a"), .value = "1"});
  operations.emplace_back(DeleteRequest{.key = key("b")});
  operations.emplace_back(SetRequest{.key = key("c"), .value = "1"});
  operations.emplace_back(SetRequest{.key = key("a"), .value = "2"});
  operations.emplace_back(DeleteRequest{.key = key("c")});
  operations.emplace_back(DeleteRequest{.key = key("never")});
  ASSERT_TRUE(multi(std::move(operations)));
  EXPECT_EQ(value(key("a")), "2");
  EXPECT_EQ(value(key("b")), std::nullopt);
  EXPECT_EQ(value(key("c")), std::nullopt);
  EXPECT_TRUE(multi({}));
}

TEST_P(StateConformance, ATransactionWithAStaleEtagChangesNothing) {
  NEEDS(store_->transactional() && store_->traits().etag);
  ASSERT_TRUE(put(key("a"), "old"));
  const std::string stale = etag(key("a"));
  ASSERT_TRUE(put(key("a"), "newer"));
  ASSERT_TRUE(put(key("b"), "old"));
  for (const bool removal : {false, true}) {
    std::vector<Operation> operations;
    operations.emplace_back(SetRequest{.key = key("b"), .value = "lost"});
    operations.emplace_back(SetRequest{.key = key("c"), .value = "lost"});
    if (removal) {
      operations.emplace_back(DeleteRequest{.key = key("a"), .etag = stale});
    } else {
      operations.emplace_back(SetRequest{.key = key("a"), .value = "lost", .etag = stale});
    }
    operations.emplace_back(DeleteRequest{.key = key("b")});
    auto refused = multi(std::move(operations));
    ASSERT_FALSE(refused);
    EXPECT_TRUE(is_etag_mismatch(refused.error())) << refused.error().message();
    EXPECT_EQ(value(key("a")), "newer");
    EXPECT_EQ(value(key("b")), "old");
    EXPECT_EQ(value(key("c")), std::nullopt);
  }
}

TEST_P(StateConformance, ATransactionWithRightEtagsIsDone) {
  NEEDS(store_->transactional() && store_->traits().etag);
  ASSERT_TRUE(put(key("a"), "old"));
  ASSERT_TRUE(put(key("b"), "old"));
  std::vector<Operation> operations;
  operations.emplace_back(SetRequest{.key = key("a"), .value = "new", .etag = etag(key("a"))});
  operations.emplace_back(DeleteRequest{.key = key("b"), .etag = etag(key("b"))});
  ASSERT_TRUE(multi(std::move(operations)));
  EXPECT_EQ(value(key("a")), "new");
  EXPECT_EQ(value(key("b")), std::nullopt);
}

TEST_P(StateConformance, OfTransactionsAtOnceNoneIsSeenInHalf) {
  NEEDS(store_->transactional());
  std::vector<Task<void>> tasks;
  int won = 0;
  int mismatched = 0;
  for (int i = 0; i < 20; ++i) {
    TransactionRequest request;
    request.operations.emplace_back(SetRequest{.key = key("x"), .value = std::to_string(i)});
    request.operations.emplace_back(SetRequest{.key = key("y"), .value = std::to_string(i)});
    auto write = store_->transactional()->multi(std::move(request));
    tasks.push_back(count_success(std::move(write), &won, &mismatched));
  }
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(won, 20);
  EXPECT_EQ(value(key("x")), value(key("y")));
}

TEST_P(StateConformance, AnItemWithTtlSaysWhenItExpiresAndDoes) {
  NEEDS(store_->traits().ttl);
  const auto before = wall_now();
  ASSERT_TRUE(set(with_ttl(key("short"), "1")));
  ASSERT_TRUE(set(with_ttl(key("long"), "100")));
  auto item = get(key("long"));
  ASSERT_TRUE(item);
  if (!is_redis_) {
    auto expires = parse_rfc3339(item->metadata[std::string(kTtlExpireTime)]);
    ASSERT_TRUE(expires);
    EXPECT_GE(*expires, before + 97s);
    EXPECT_LE(*expires, wall_now() + 103s);
  }
  EXPECT_EQ(absent_soon(key("short")), "gone");
  EXPECT_TRUE(get(key("long")));
  if (store_->traits().etag) EXPECT_TRUE(set(first_write(key("short"), "again")));
}

TEST_P(StateConformance, AWriteWithoutTtlOrWithMinusOneLastsForEver) {
  NEEDS(store_->traits().ttl);
  ASSERT_TRUE(set(with_ttl(key("a"), "100")));
  ASSERT_TRUE(put(key("a"), "v"));
  ASSERT_TRUE(set(with_ttl(key("b"), "100")));
  ASSERT_TRUE(set(with_ttl(key("b"), "-1")));
  for (const auto& name : {key("a"), key("b")}) {
    auto item = get(name);
    ASSERT_TRUE(item);
    EXPECT_FALSE(item->metadata.contains(kTtlExpireTime)) << name;
  }
}

TEST_P(StateConformance, ABadTtlIsRefusedAndWritesNothing) {
  NEEDS(store_->traits().ttl);
  EXPECT_FALSE(set(with_ttl(key("k"), "foo")));
  EXPECT_EQ(value(key("k")), std::nullopt);
}

TEST_P(StateConformance, TtlHoldsInTransactionsAndShowsInBulk) {
  NEEDS(store_->traits().ttl && store_->transactional());
  std::vector<Operation> operations;
  operations.emplace_back(with_ttl(key("short"), "1"));
  operations.emplace_back(with_ttl(key("long"), "100"));
  ASSERT_TRUE(multi(std::move(operations)));
  std::vector<GetRequest> requests;
  requests.push_back({.key = key("long")});
  auto answers = run_on(loop_, store_->bulk_get(std::move(requests), {}));
  ASSERT_TRUE(answers);
  ASSERT_TRUE((*answers)[0].item && *(*answers)[0].item);
  EXPECT_EQ((*(*answers)[0].item)->metadata.contains(kTtlExpireTime), !is_redis_);
  EXPECT_EQ(absent_soon(key("short")), "gone");
}

TEST_P(StateConformance, DeletesByPrefixOneLevelDeep) {
  NEEDS(store_->prefix_deleter());
  for (const auto* name : {"p||a", "p||b", "p||a||deep", "pp||a", "p"}) {
    ASSERT_TRUE(put(key(name), "v"));
  }
  auto count = run_on(loop_, store_->prefix_deleter()->delete_with_prefix(key("p")));
  ASSERT_TRUE(count);
  EXPECT_EQ(*count, 2);
  EXPECT_EQ(value(key("p||a")), std::nullopt);
  EXPECT_TRUE(value(key("p||a||deep")));
  EXPECT_TRUE(value(key("pp||a")));
  EXPECT_TRUE(value(key("p")));
  for (const auto* none : {"", "||"}) {
    EXPECT_FALSE(run_on(loop_, store_->prefix_deleter()->delete_with_prefix(none)));
  }
}

TEST_P(StateConformance, FindsKeysByPatternPageByPage) {
  NEEDS(store_->keys_lister());
  std::vector<std::string> all;
  for (int i = 0; i < 25; ++i) {
    all.push_back(key("page-" + std::to_string(100 + i)));
    ASSERT_TRUE(put(all.back(), "v"));
  }
  ASSERT_TRUE(put(key("pageX100"), "v"));
  const auto list = [this](KeysLikeRequest request) {
    auto answer = run_on(loop_, store_->keys_lister()->keys_like(std::move(request)));
    EXPECT_TRUE(answer) << answer.error().message();
    return answer ? std::move(*answer) : KeysLikeAnswer();
  };
  auto whole = list({.pattern = key("page-%")});
  std::ranges::sort(whole.keys);
  EXPECT_EQ(whole.keys, all);
  EXPECT_EQ(list({.pattern = key("page_100")}).keys.size(), 2u);
  EXPECT_EQ(list({.pattern = key("page\\_100")}).keys.size(), 0u);
  EXPECT_EQ(list({.pattern = key("page")}).keys.size(), 0u);
  std::vector<std::string> paged;
  KeysLikeRequest request{.pattern = key("page-%"), .page_size = 10};
  for (int page = 0; page < 4; ++page) {
    auto answer = list(request);
    EXPECT_LE(answer.keys.size(), 10u);
    std::ranges::move(answer.keys, std::back_inserter(paged));
    request.continuation_token = answer.continuation_token;
    if (!answer.continuation_token) break;
  }
  std::ranges::sort(paged);
  EXPECT_EQ(paged, all);
  EXPECT_FALSE(run_on(loop_, store_->keys_lister()->keys_like({.pattern = ""})));
}

}  // namespace
}  // namespace outrigger::components::state
