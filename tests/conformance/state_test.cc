#include <filesystem>
#include <latch>
#include <thread>

#include "base/env.h"
#include "base/json.h"
#include "base/random.h"
#include "base/scope.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "base/uuid.h"
#include "components/component.h"
#include "components/state/registry.h"

/// What every state store must do, run over each row of the registry. A store that needs a server
/// is skipped unless the environment says where one is:
///   OUTRIGGER_TEST_<TYPE>  with <TYPE> as in STATE_REDIS: the store's metadata, "name=value" each,
///                          separated by semicolons.
namespace outrigger::components::state {
namespace {

using namespace std::chrono_literals;

/// How long a test waits for what must come in the end.
constexpr Duration kPatience = 10s;

std::string variable_of(std::string_view type) {
  std::string name = "OUTRIGGER_TEST_" + to_upper(type);
  std::ranges::replace(name, '.', '_');
  std::ranges::replace(name, '-', '_');
  return name;
}

Properties properties_of(std::string_view text) {
  Properties properties;
  for (const auto part : split_list(text, ';')) {
    if (const auto pair = cut(part, "=")) properties.emplace(pair->first, pair->second);
  }
  return properties;
}

class StateConformance : public testing::TestWithParam<Kind<Store>> {
 protected:
  void SetUp() override {
    const auto type = GetParam().type;
    directory_ = std::filesystem::temp_directory_path() / ("outrigger-state-" + uuid_v4());
    if (type == "state.in-memory") {
      properties_ = Properties();
    } else if (type.starts_with("state.sqlite")) {
      properties_ = Properties{{"connectionString", (directory_ / "state.db").string()}};
      lasting_ = true;
    } else if (const auto given = env(variable_of(type))) {
      properties_ = properties_of(*given);
      lasting_ = true;
    } else {
      GTEST_SKIP() << "no server: " << variable_of(type) << " is not set";
    }
    std::filesystem::create_directories(directory_);
    open();
  }

  void TearDown() override {
    if (store_ != nullptr) close();
    std::filesystem::remove_all(directory_);
  }

  /// Another instance of the same configured component.
  std::unique_ptr<Store> make(Loop& loop) {
    ComponentContext context{.loop = loop, .app_id = "app", .slot = shared_};
    const Metadata metadata{.name = "store",
                            .type = std::string(GetParam().type),
                            .version = std::string(GetParam().version),
                            .properties = properties_};
    auto store = GetParam().make(metadata, context);
    EXPECT_TRUE(store) << store.error().message();
    return store ? std::move(*store) : nullptr;
  }
  void open() {
    shared_ = std::make_shared<Shared>();
    store_ = make(loop_);
    ASSERT_NE(store_, nullptr);
    auto ready = run_on(loop_, store_->init());
    ASSERT_TRUE(ready) << ready.error().message();
  }
  void close() {
    run_on(loop_, store_->close());
    store_.reset();
    shared_.reset();
  }

  Result<> set(SetRequest request) { return run_on(loop_, store_->set(std::move(request))); }
  Result<> put(std::string key, std::string value) {
    return set({.key = std::move(key), .value = std::move(value)});
  }
  Result<> remove(DeleteRequest request) {
    return run_on(loop_, store_->remove(std::move(request)));
  }
  std::optional<Item> get(std::string key) {
    auto item = run_on(loop_, store_->get({.key = std::move(key)}));
    EXPECT_TRUE(item) << item.error().message();
    return item ? std::move(*item) : std::nullopt;
  }
  std::optional<std::string> value(std::string key) {
    auto item = get(std::move(key));
    return item ? std::optional(item->value) : std::nullopt;
  }
  std::string etag(std::string key) {
    auto item = get(std::move(key));
    return item && item->etag ? *item->etag : std::string();
  }
  Result<> multi(std::vector<Operation> operations) {
    TransactionRequest request{.operations = std::move(operations)};
    return run_on(loop_, store_->transactional()->multi(std::move(request)));
  }
  /// A key that no other test and no earlier run has used.
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  std::string absent_soon(const std::string& gone) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (!get(gone)) return "gone";
      EXPECT_TRUE(run_on(loop_, sleep_for(20ms)));
    }
    return "still there";
  }
  static SetRequest first_write(std::string key, std::string value) {
    return {
        .key = std::move(key), .value = std::move(value), .concurrency = Concurrency::first_write};
  }
  static SetRequest with_ttl(std::string key, std::string seconds) {
    return {.key = std::move(key),
            .value = "v",
            .metadata = {{std::string(kTtlInSeconds), std::move(seconds)}}};
  }

  Loop loop_;
  Properties properties_;
  std::filesystem::path directory_;
  bool lasting_ = false;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<Store> store_;
  const std::string prefix_ = "app||" + uuid_v4() + "-";
};

#define NEEDS(ability) \
  if (!(ability)) GTEST_SKIP() << "not an ability of this store"

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
  auto expires = parse_rfc3339(item->metadata[std::string(kTtlExpireTime)]);
  ASSERT_TRUE(expires);
  EXPECT_GE(*expires, before + 97s);
  EXPECT_LE(*expires, wall_now() + 103s);
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
  EXPECT_TRUE((*(*answers)[0].item)->metadata.contains(kTtlExpireTime));
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
  std::string name = std::string(info.param.type) + "_" + std::string(info.param.version);
  std::erase_if(name, [](char c) { return c == '-'; });
  std::ranges::replace(name, '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Every, StateConformance, testing::ValuesIn(kinds().begin(), kinds().end()),
                         name_of);

}  // namespace
}  // namespace outrigger::components::state
