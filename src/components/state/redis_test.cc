#include "base/env.h"
#include "base/scope.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "components/clients/redis/client.h"
#include "components/component.h"
#include "components/state/redis_query.h"
#include "components/state/store.h"

namespace outrigger::components::state {

Result<std::unique_ptr<Store>> make_redis(const Metadata& metadata, ComponentContext& context);

namespace {

using redis::Command;
using redis_query::read_schemas;

constexpr std::string_view kIndexes = R"([{"name": "people", "indexes": [
    {"key": "person.org", "type": "TEXT"}, {"key": "person.id", "type": "NUMERIC"}]}])";

std::string words(std::initializer_list<std::string_view> list) {
  return Command::keyless(list).bytes();
}

/// The command for a query, or the error.
std::string search(std::string_view json, Properties metadata = {{"queryIndexName", "people"}}) {
  auto schemas = read_schemas(kIndexes);
  auto query = parse_query(json);
  if (!query) return query.error().message();
  auto made = redis_query::make_search(*query, metadata, *schemas);
  return made ? made->command.bytes() : made.error().message();
}
std::string search_for(std::string_view filter) {
  return words({"FT.SEARCH", "people", filter, "RETURN", "2", "$.data", "$.version"});
}

TEST(RedisQuery, FiltersAreWrittenInTheLanguageOfRediSearch) {
  EXPECT_EQ(search("{}"), search_for("*"));
  EXPECT_EQ(search(R"({"filter":{"EQ":{"person.org":"Dev Ops"}}})"), search_for("@var0:(Dev Ops)"));
  EXPECT_EQ(search(R"({"filter":{"EQ":{"person.id":5}}})"),
            search_for("@var1:[5.000000 5.000000]"));
  EXPECT_EQ(search(R"({"filter":{"NEQ":{"person.org":"x"}}})"), search_for("-(@var0:(x))"));
  EXPECT_EQ(search(R"({"filter":{"GT":{"person.id":1}}})"), search_for("@var1:[(1.000000 +inf]"));
  EXPECT_EQ(search(R"({"filter":{"GTE":{"person.id":1}}})"), search_for("@var1:[1.000000 +inf]"));
  EXPECT_EQ(search(R"({"filter":{"LT":{"person.id":1}}})"), search_for("@var1:[-inf (1.000000]"));
  EXPECT_EQ(search(R"({"filter":{"LTE":{"person.id":1}}})"), search_for("@var1:[-inf 1.000000]"));
  EXPECT_EQ(search(R"({"filter":{"IN":{"person.org":["a","b"]}}})"), search_for("@var0:(a|b)"));
  EXPECT_EQ(search(R"({"filter":{"OR":[{"EQ":{"person.org":"x"}},
                     {"AND":[{"EQ":{"person.id":1}},{"NEQ":{"person.org":"y"}}]}]}})"),
            search_for("((@var0:(x))|((@var1:[1.000000 1.000000]) -(@var0:(y))))"));
}

TEST(RedisQuery, SortingAndPagesAreAsked) {
  EXPECT_EQ(
      search(R"({"sort":[{"key":"person.id","order":"DESC"}],"page":{"limit":3,"token":"6"}})"),
      words({"FT.SEARCH", "people", "*", "SORTBY", "var1", "DESC", "LIMIT", "6", "3", "RETURN", "2",
             "$.data", "$.version"}));
}

TEST(RedisQuery, WhatCannotBeAskedIsRefused) {
  for (const auto* query :
       {R"({"filter":{"EQ":{"nope":"x"}}})", R"({"filter":{"GT":{"person.org":"x"}}})",
        R"({"filter":{"EQ":{"person.org":true}}})", R"({"filter":{"IN":{"person.org":["a"]}}})",
        R"({"filter":{"IN":{"person.org":["a",1]}}})", R"({"sort":[{"key":"nope"}]})",
        R"({"sort":[{"key":"person.id"},{"key":"person.org"}]})",
        R"({"page":{"limit":1,"token":"x"}})"}) {
    EXPECT_FALSE(search(query).contains("FT.SEARCH")) << query;
  }
  EXPECT_EQ(search("{}", {}), "query index not found");
  EXPECT_EQ(search("{}", {{"queryIndexName", "x"}}), "query index schema \"x\" not found");
}

TEST(RedisQuery, IndexesThatMakeNoSenseAreRefused) {
  EXPECT_TRUE(read_schemas("")->empty());
  for (const auto* text :
       {"x", "{}", "[1]", "[{}]", R"([{"name":"a"},{"name":"a"}])",
        R"([{"name":"a","indexes":[{"key":"k"}]}])", R"([{"name":"a","indexes":[{"type":"t"}]}])",
        R"([{"name":"a","indexes":{}}])", R"([{"name":"a"}] x)"}) {
    EXPECT_FALSE(read_schemas(text)) << text;
  }
}

/// Tests with a server: OUTRIGGER_TEST_STATE_REDIS is its metadata, "name=value;...".
class RedisStoreLive : public testing::Test {
 protected:
  void SetUp() override {
    const auto given = env("OUTRIGGER_TEST_STATE_REDIS");
    if (!given) GTEST_SKIP() << "no server: OUTRIGGER_TEST_STATE_REDIS is not set";
    for (const auto part : split_list(*given, ';')) {
      if (const auto pair = cut(part, "=")) properties_.emplace(pair->first, pair->second);
    }
    open({});
    Metadata metadata{.properties = properties_};
    auto options = redis::parse_options(metadata, redis::Block::state);
    client_ = std::move(*redis::Client::make(std::move(*options)));
    ASSERT_TRUE(run_on(loop_, client_->open()));
  }
  void TearDown() override {
    if (store_ != nullptr) run_on(loop_, store_->close());
    if (client_ != nullptr) run_on(loop_, client_->close());
  }
  void open(Properties more) {
    ComponentContext context{.loop = loop_, .app_id = "app"};
    Metadata metadata{.name = "s", .type = "state.redis", .properties = properties_};
    metadata.properties.merge(more);
    auto store = make_redis(metadata, context);
    ASSERT_TRUE(store) << store.error().message();
    store_ = std::move(*store);
    auto ready = run_on(loop_, store_->init());
    ASSERT_TRUE(ready) << ready.error().message();
  }
  redis::Reply raw(std::initializer_list<std::string_view> list) {
    auto reply = run_on(loop_, client_->call(Command::keyed(key_, list)));
    EXPECT_TRUE(reply);
    return *reply;
  }
  Result<std::optional<Item>> get() { return run_on(loop_, store_->get({.key = key_})); }
  Result<> set(SetRequest request) {
    request.key = key_;
    return run_on(loop_, store_->set(std::move(request)));
  }

  Loop loop_;
  Properties properties_;
  const std::string key_ = "app||" + uuid_v4();
  std::unique_ptr<Store> store_;
  std::unique_ptr<redis::Client> client_;
};

TEST_F(RedisStoreLive, AnItemIsAHashOfDataAndVersion) {
  ASSERT_TRUE(set({.value = "v"}));
  auto hash = raw({"HGETALL", key_});
  ASSERT_EQ(hash.items.size(), 4u);
  EXPECT_EQ(hash.find("data")->text, "v");
  EXPECT_EQ(hash.find("version")->text, "1");
  ASSERT_TRUE(set({.value = "w", .concurrency = Concurrency::first_write}));
  EXPECT_EQ(raw({"HGET", key_, "first-write"}).text, "0");
  // From then on a write without an ETag is not accepted.
  EXPECT_FALSE(set({.value = "x"}));
  EXPECT_TRUE(set({.value = "x", .etag = "2"}));
}

TEST_F(RedisStoreLive, APlainStringOfOldIsReadAndReplaced) {
  raw({"SET", key_, "old"});
  auto item = get();
  ASSERT_TRUE(item && *item);
  EXPECT_EQ((*item)->value, "old");
  EXPECT_FALSE((*item)->etag);
  ASSERT_TRUE(set({.value = "new"}));
  EXPECT_EQ((*get())->value, "new");
  EXPECT_EQ((*get())->etag, "1");
}

TEST_F(RedisStoreLive, KeysOfOtherProgramsAreErrorsNotItems) {
  raw({"HSET", key_, "field", "x"});
  EXPECT_FALSE(get());
  raw({"DEL", key_});
  raw({"LPUSH", key_, "x"});
  EXPECT_FALSE(get());
}

TEST_F(RedisStoreLive, ScriptsThatTheServerForgotAreSentAgain) {
  ASSERT_TRUE(set({.value = "1"}));
  raw({"SCRIPT", "FLUSH"});
  ASSERT_TRUE(set({.value = "2"}));
  raw({"SCRIPT", "FLUSH"});
  TransactionRequest request;
  request.operations.emplace_back(SetRequest{.key = key_, .value = "3", .etag = "2"});
  ASSERT_TRUE(run_on(loop_, store_->transactional()->multi(std::move(request))));
  EXPECT_EQ((*get())->value, "3");
  EXPECT_EQ((*get())->etag, "3");
}

TEST_F(RedisStoreLive, ATimeToLiveStaysUntilAWriteSaysAnother) {
  ASSERT_TRUE(set({.value = "v", .metadata = {{"ttlInSeconds", "100"}}}));
  ASSERT_TRUE(set({.value = "v"}));
  EXPECT_GT(raw({"TTL", key_}).integer, 90);
  ASSERT_TRUE(set({.value = "v", .metadata = {{"ttlInSeconds", "-1"}}}));
  EXPECT_EQ(raw({"TTL", key_}).integer, -1);
  EXPECT_FALSE(set({.value = "w", .metadata = {{"ttlInSeconds", "99999999999999999"}}}));
  EXPECT_EQ((*get())->value, "v");
  run_on(loop_, store_->close());
  open({{"ttlInSeconds", "50"}});
  ASSERT_TRUE(set({.value = "v"}));
  EXPECT_GT(raw({"TTL", key_}).integer, 40);
}

TEST_F(RedisStoreLive, ATransactionSeesWhatItsOwnOperationsLeave) {
  TransactionRequest request;
  request.operations.emplace_back(SetRequest{.key = key_, .value = "1"});
  request.operations.emplace_back(SetRequest{.key = key_, .value = "2", .etag = "1"});
  request.operations.emplace_back(DeleteRequest{.key = key_, .etag = "2"});
  request.operations.emplace_back(SetRequest{.key = key_, .value = "3"});
  ASSERT_TRUE(run_on(loop_, store_->transactional()->multi(std::move(request))));
  EXPECT_EQ((*get())->value, "3");
  EXPECT_EQ((*get())->etag, "1");
}

TEST_F(RedisStoreLive, StrongConsistencyIsNoHindrance) {
  ASSERT_TRUE(set({.value = "v", .consistency = Consistency::strong}));
  EXPECT_EQ((*get())->value, "v");
}

TEST_F(RedisStoreLive, AnEtagThatIsNoNumberIsInvalid) {
  auto refused = set({.value = "v", .etag = "abc"});
  ASSERT_FALSE(refused);
  EXPECT_TRUE(is_etag_invalid(refused.error()));
}

}  // namespace
}  // namespace outrigger::components::state
