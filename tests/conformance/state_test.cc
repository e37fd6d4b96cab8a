#include <latch>
#include <thread>

#include "base/json.h"
#include "base/random.h"
#include "components/state/registry.h"
#include "tests/conformance/state_conformance.h"

namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

TEST_P(StateConformance, AnAbsentKeyIsNoError) {
  EXPECT_EQ(value(key("nothing")), std::nullopt);
  EXPECT_TRUE(remove({.key = key("nothing")}));
  EXPECT_TRUE(run_on(loop_, store_->ping()));
}

TEST_P(StateConformance, WhatWasWrittenIsReadUntilItIsDeleted) {
  ASSERT_TRUE(put(key("k"), "one"));
  EXPECT_EQ(value(key("k")), "one");
  ASSERT_TRUE(put(key("k"), "two"));
  EXPECT_EQ(value(key("k")), "two");
  ASSERT_TRUE(remove({.key = key("k")}));
  EXPECT_EQ(value(key("k")), std::nullopt);
}

TEST_P(StateConformance, ValuesMayHaveAnyBytesAndBeEmptyOrLarge) {
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  std::string large = secure_random_bytes(4 << 20);
  for (const auto& bytes :
       {std::string(), all, std::string("\0", 1), std::string("{\"a\":"), large}) {
    ASSERT_TRUE(put(key("bytes"), bytes));
    const auto read = value(key("bytes"));
    ASSERT_TRUE(read);
    EXPECT_TRUE(*read == bytes) << read->size() << " bytes read, " << bytes.size() << " written";
  }
}

TEST_P(StateConformance, JsonStaysJson) {
  for (const std::string text :
       {R"({"a":[1,2.5,null,true],"b":{"c":"ä<&"}})", R"("text")", "5", "null", "[]"}) {
    ASSERT_TRUE(set({.key = key("json"), .value = text, .kind = ValueKind::json}));
    const auto read = value(key("json"));
    ASSERT_TRUE(read) << text;
    std::string compact;
    ASSERT_TRUE(json::append_compact(compact, *read)) << *read;
    EXPECT_EQ(compact, text);
  }
}

TEST_P(StateConformance, KeysMayHaveOddCharacters) {
  const std::vector<std::string> odd = {"a||b||c", "ключ-鍵",   "quote'\"`", "sp ace",   "%_\\",
                                        "{tag}",   "new\nline", "a/b?c#d&e", "; DROP--", "*[?]"};
  for (const auto& name : odd) ASSERT_TRUE(put(key(name), "value of " + name)) << name;
  for (const auto& name : odd) EXPECT_EQ(value(key(name)), "value of " + name);
  for (const auto& name : odd) ASSERT_TRUE(remove({.key = key(name)})) << name;
  for (const auto& name : odd) EXPECT_EQ(value(key(name)), std::nullopt);
}

TEST_P(StateConformance, BulkGetAnswersEveryRequestAlsoForAbsentKeys) {
  std::vector<GetRequest> requests;
  for (int i = 0; i < 30; ++i) {
    const std::string name = key("bulk" + std::to_string(i));
    if (i % 3 != 0) ASSERT_TRUE(put(name, std::to_string(i)));
    requests.push_back({.key = name});
  }
  auto answers = run_on(loop_, store_->bulk_get(std::move(requests), {.parallelism = 4}));
  ASSERT_TRUE(answers);
  ASSERT_EQ(answers->size(), 30u);
  std::size_t found = 0;
  for (const auto& answer : *answers) {
    ASSERT_TRUE(answer.item);
    if (!*answer.item) continue;
    ++found;
    EXPECT_TRUE(answer.key.ends_with("bulk" + (*answer.item)->value)) << answer.key;
    EXPECT_EQ((*answer.item)->etag.has_value(), store_->traits().etag);
  }
  EXPECT_EQ(found, 20u);
}

TEST_P(StateConformance, BulkWritesAndDeletesDoThemAll) {
  std::vector<SetRequest> sets;
  std::vector<DeleteRequest> removals;
  for (int i = 0; i < 50; ++i) {
    const std::string name = key("many" + std::to_string(i));
    sets.push_back({.key = name, .value = std::to_string(i)});
    removals.push_back({.key = name});
  }
  auto failures = run_on(loop_, store_->bulk_set(std::move(sets), {}));
  ASSERT_TRUE(failures);
  EXPECT_TRUE(failures->empty());
  EXPECT_EQ(value(key("many49")), "49");
  failures = run_on(loop_, store_->bulk_remove(std::move(removals), {.parallelism = 5}));
  ASSERT_TRUE(failures);
  EXPECT_TRUE(failures->empty());
  EXPECT_EQ(value(key("many49")), std::nullopt);
}

TEST_P(StateConformance, ABulkWriteNamesTheKeysThatFailedAndDoesTheRest) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(put(key("stale"), "old"));
  const std::string stale = etag(key("stale"));
  ASSERT_TRUE(put(key("stale"), "newer"));
  std::vector<SetRequest> sets;
  sets.push_back({.key = key("fine1"), .value = "1"});
  sets.push_back({.key = key("stale"), .value = "lost", .etag = stale});
  sets.push_back({.key = key("fine2"), .value = "2"});
  auto failures = run_on(loop_, store_->bulk_set(std::move(sets), {}));
  ASSERT_TRUE(failures);
  ASSERT_EQ(failures->size(), 1u);
  EXPECT_EQ((*failures)[0].key, key("stale"));
  EXPECT_TRUE(is_etag_mismatch((*failures)[0].error)) << (*failures)[0].error.message();
  EXPECT_EQ(value(key("fine1")), "1");
  EXPECT_EQ(value(key("fine2")), "2");
  EXPECT_EQ(value(key("stale")), "newer");
}

TEST_P(StateConformance, EveryWriteGivesANewEtag) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(put(key("k"), "same"));
  const std::string first = etag(key("k"));
  ASSERT_TRUE(put(key("k"), "same"));
  const std::string second = etag(key("k"));
  EXPECT_NE(first, "");
  EXPECT_NE(first, second);
}

TEST_P(StateConformance, AWriteWithTheRightEtagIsDoneAndWithAStaleOneRefused) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(put(key("k"), "1"));
  const std::string first = etag(key("k"));
  EXPECT_TRUE(set({.key = key("k"), .value = "2", .etag = first}));
  EXPECT_EQ(value(key("k")), "2");
  for (const auto concurrency :
       {Concurrency::unspecified, Concurrency::first_write, Concurrency::last_write}) {
    if (is_redis_ && concurrency == Concurrency::last_write) continue;
    auto refused = set({.key = key("k"), .value = "3", .etag = first, .concurrency = concurrency});
    ASSERT_FALSE(refused);
    EXPECT_TRUE(is_etag_mismatch(refused.error())) << refused.error().message();
  }
  EXPECT_EQ(value(key("k")), "2");
  EXPECT_TRUE(set({.key = key("k"), .value = "4", .etag = ""}));  // Empty is none.
  EXPECT_EQ(value(key("k")), "4");
}

TEST_P(StateConformance, AnEtagForWhatIsNotThereOrNeverWasIsRefused) {
  NEEDS(store_->traits().etag);
  auto never = set({.key = key("k"), .value = "v", .etag = "never-issued"});
  ASSERT_FALSE(never);
  EXPECT_TRUE(is_etag_error(never.error())) << never.error().message();
  ASSERT_TRUE(put(key("k"), "v"));
  const std::string tag = etag(key("k"));
  ASSERT_TRUE(remove({.key = key("k")}));
  if (is_redis_) GTEST_SKIP() << "a write with an ETag makes an absent item";
  auto gone = set({.key = key("k"), .value = "v", .etag = tag});
  ASSERT_FALSE(gone);
  EXPECT_TRUE(is_etag_mismatch(gone.error())) << gone.error().message();
  EXPECT_EQ(value(key("k")), std::nullopt);
}

TEST_P(StateConformance, ADeleteAsksForTheRightEtagToo) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(put(key("k"), "1"));
  const std::string first = etag(key("k"));
  ASSERT_TRUE(put(key("k"), "2"));
  auto refused = remove({.key = key("k"), .etag = first});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_etag_mismatch(refused.error())) << refused.error().message();
  EXPECT_TRUE(remove({.key = key("k"), .etag = etag(key("k"))}));
  EXPECT_EQ(value(key("k")), std::nullopt);
  if (is_redis_) GTEST_SKIP() << "an ETag is not looked at if there is no item";
  auto missing = remove({.key = key("k"), .etag = first});
  ASSERT_FALSE(missing);
  EXPECT_TRUE(is_etag_mismatch(missing.error())) << missing.error().message();
}

TEST_P(StateConformance, AFirstWriteWithoutEtagIsDoneOnceOnly) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(set(first_write(key("k"), "1")));
  auto refused = set(first_write(key("k"), "2"));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_etag_mismatch(refused.error())) << refused.error().message();
  EXPECT_EQ(value(key("k")), "1");
  auto right = first_write(key("k"), "3");
  right.etag = etag(key("k"));
  EXPECT_TRUE(set(std::move(right)));
  EXPECT_EQ(value(key("k")), "3");
  ASSERT_TRUE(remove({.key = key("k")}));
  EXPECT_TRUE(set(first_write(key("k"), "4")));
}

Task<void> count_success(Task<Result<>> write, int* won, int* mismatched) {
  auto done = co_await std::move(write);
  if (done) {
    ++*won;
  } else if (is_etag_mismatch(done.error())) {
    ++*mismatched;
  }
}

TEST_P(StateConformance, OfManyFirstWritesAtOnceOneWins) {
  NEEDS(store_->traits().etag);
  for (int round = 0; round < 10; ++round) {
    int won = 0;
    int mismatched = 0;
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
      auto write = store_->set(first_write(key("race" + std::to_string(round)), "v"));
      tasks.push_back(count_success(std::move(write), &won, &mismatched));
    }
    run_on(loop_, run_all(std::move(tasks)));
    EXPECT_EQ(won, 1);
    EXPECT_EQ(mismatched, 19);
  }
}

TEST_P(StateConformance, OfManyWritesWithOneEtagOneWins) {
  NEEDS(store_->traits().etag);
  ASSERT_TRUE(put(key("race"), "0"));
  for (int round = 0; round < 10; ++round) {
    const std::string tag = etag(key("race"));
    int won = 0;
    int mismatched = 0;
    std::vector<Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
      SetRequest request{.key = key("race"), .value = std::to_string(i), .etag = tag};
      tasks.push_back(count_success(store_->set(std::move(request)), &won, &mismatched));
    }
    run_on(loop_, run_all(std::move(tasks)));
    EXPECT_EQ(won, 1);
    EXPECT_EQ(mismatched, 19);
  }
}

/// Increments a counter by reading it and writing it back under its ETag until that is accepted.
Task<Result<>> increment(Store* store, std::string key, int times) {
  for (int done = 0; done < times;) {
    GetRequest get{.key = key};
    OUT_CO_TRY(auto item, co_await store->get(std::move(get)));
    const int now = item ? parse_int<int>(item->value).value_or(-1) : 0;
    SetRequest set{.key = key, .value = std::to_string(now + 1)};
    if (item) set.etag = item->etag;
    set.concurrency = Concurrency::first_write;
    auto written = co_await store->set(std::move(set));
    if (written) {
      ++done;
    } else if (!is_etag_mismatch(written.error())) {
      co_return fail(std::move(written).error());
    }
  }
  co_return Result<>();
}

TEST_P(StateConformance, InstancesOnSeveralLoopsLoseNoUpdate) {
  NEEDS(store_->traits().etag);
  constexpr int kThreads = 3;
  constexpr int kTimes = 40;
  std::vector<std::thread> threads;
  std::latch start(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      Loop loop;
      auto store = make(loop);
      auto ready = run_on(loop, store->init());
      EXPECT_TRUE(ready);
      start.arrive_and_wait();
      auto done = run_on(loop, increment(store.get(), key("counter"), kTimes));
      EXPECT_TRUE(done) << done.error().message();
      run_on(loop, store->close());
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(value(key("counter")), std::to_string(kThreads * kTimes));
}

TEST_P(StateConformance, WhatWasWrittenIsThereAfterReopening) {
  NEEDS(lasting_);
  const std::string bytes = secure_random_bytes(1000);
  ASSERT_TRUE(put(key("bytes"), bytes));
  ASSERT_TRUE(set({.key = key("json"), .value = "{\"a\":1}", .kind = ValueKind::json}));
  const std::string tag = etag(key("bytes"));
  close();
  open();
  EXPECT_EQ(value(key("bytes")), bytes);
  EXPECT_EQ(etag(key("bytes")), tag);
  EXPECT_TRUE(value(key("json")));
}

TEST_P(StateConformance, CallsThatAreCancelledLeaveTheStoreUsable) {
  std::vector<Task<void>> tasks;
  const auto cancelled = [](Store* store, std::string key) -> Task<void> {
    SetRequest request{.key = key, .value = "v"};
    [[maybe_unused]] auto set = co_await with_timeout(store->set(std::move(request)), 0ns);
    GetRequest again{.key = key};
    [[maybe_unused]] auto got = co_await with_timeout(store->get(std::move(again)), 0ns);
  };
  for (int i = 0; i < 20; ++i) tasks.push_back(cancelled(store_.get(), key("cancelled")));
  run_on(loop_, run_all(std::move(tasks)));
  ASSERT_TRUE(put(key("after"), "v"));
  EXPECT_EQ(value(key("after")), "v");
}

std::string name_of(const testing::TestParamInfo<Kind<Store>>& info) {
  return conformance::test_name_of(info.param.type, info.param.version);
}
INSTANTIATE_TEST_SUITE_P(Every, StateConformance, testing::ValuesIn(kinds().begin(), kinds().end()),
                         name_of);

}  // namespace
}  // namespace outrigger::components::state
