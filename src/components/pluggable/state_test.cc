#include "components/pluggable/fakes_testing.h"
#include "components/pluggable/state_messages.h"
#include "dapr/proto/components/v1/state.pb.h"
#include "google/rpc/error_details.pb.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeProgram;
using ::testing::HasSubstr;
using testing::TemporaryFolder;
namespace proto = dapr::proto::components::v1;

constexpr const char* kStore = "dapr.proto.components.v1.StateStore";
constexpr const char* kTransact = "dapr.proto.components.v1.TransactionalStateStore";
constexpr const char* kQueriable = "dapr.proto.components.v1.QueriableStateStore";
constexpr const char* kMaxSize = "dapr.proto.components.v1.TransactionalStoreMultiMaxSize";

std::string path_of(const char* method) { return std::string("/") + kStore + "/" + method; }

/// The error of a component as it comes over the wire.
Error status_error(Code code, std::string message, std::string reason,
                   std::map<std::string, std::string> metadata) {
  ErrorDetails details;
  details.reason = std::move(reason);
  details.domain = "the-domain";
  details.metadata = std::move(metadata);
  return Error(code, std::move(message)).with_details(std::move(details));
}
Error etag_status(Code code, const std::string& field = "etag") {
  ErrorDetails details;
  details.field_violations.push_back({field, "the description"});
  return Error(code, "a message").with_details(std::move(details));
}
std::map<std::string, std::string> kit(std::string http_code) {
  return {{"kit_error", "true"}, {"http_code", std::move(http_code)}, {"tag", "the-tag"}};
}

struct Fixture {
  TemporaryFolder folder;
  FakeProgram program{folder.file("store.sock")};
  std::vector<std::string> features = {"ETAG", "TRANSACTIONAL", "TTL"};
  std::vector<std::string> services = {kStore, kTransact, kQueriable, kMaxSize};
  Metadata metadata{.name = "mystore",
                    .type = "state.store",
                    .version = "v1",
                    .properties = {{"host", "here"}, {"port", "1"}}};

  void start() {
    testing::be_component(program, kStore, features);
    program.start();
  }

  std::unique_ptr<state::Store> make(ComponentContext context) {
    const Registry registry({Socket{folder.file("store.sock"), "store", services}});
    const auto rows = registry.state_stores({});
    return rows[0].make(metadata, context).value();
  }

  /// Opens the store, uses it and closes it.
  using Use = Task<void> (*)(state::Store* store, Fixture* fixture);
  void with_store(Use use) {
    Loop loop;
    auto store = make(ComponentContext{loop});
    run_on(loop, around(store.get(), use, this));
  }

  /// What a test has found out.
  std::optional<Error> error;

 private:
  static Task<void> around(state::Store* store, Use use, Fixture* fixture) {
    auto ready = co_await store->init();
    EXPECT_TRUE(ready) << ready.error().message();
    if (!ready) co_return;
    co_await use(store, fixture);
    co_await store->close();
  }
};

auto get(state::Store* store, std::string key = "k") {
  state::GetRequest request;
  request.key = std::move(key);
  return store->get(std::move(request));
}
auto set(state::Store* store) {
  state::SetRequest request;
  request.key = "k";
  return store->set(std::move(request));
}

TEST(PluggableState, InitialisesOnceAndTellsTheInstanceWithEveryCall) {
  Fixture fixture;
  fixture.program.on(path_of("Get"), [](std::string) { return std::string(); });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    const auto item = co_await get(store);
    EXPECT_TRUE(item && !*item);
  });
  const auto seen = fixture.program.seen();
  ASSERT_GE(seen.size(), 3U);
  EXPECT_EQ(seen[0].path, path_of("Init"));
  proto::InitRequest init;
  ASSERT_TRUE(init.ParseFromString(seen[0].message));
  EXPECT_EQ(init.metadata().properties().at("host"), "here");
  EXPECT_EQ(init.metadata().properties().size(), 2U);
  EXPECT_EQ(seen[1].path, path_of("Features"));
  for (const auto& call : seen) {
    EXPECT_EQ(call.instance, "mystore") << call.path;
    EXPECT_EQ(call.authority, "localhost");
  }
}

TEST(PluggableState, InstancesOfOneComponentOnSeveralLoopsInitialiseItOnce) {
  Fixture fixture;
  fixture.start();
  Loop loop;
  ComponentContext context{loop};
  auto first = fixture.make(context);
  auto second = fixture.make(context);
  const auto scenario = [](state::Store* one, state::Store* other) -> Task<void> {
    EXPECT_TRUE(co_await one->init());
    EXPECT_TRUE(co_await other->init());
    EXPECT_TRUE(other->traits().etag);
    co_await one->close();
    co_await other->close();
  };
  run_on(loop, scenario(first.get(), second.get()));
  EXPECT_EQ(fixture.program.count(path_of("Init")), 1U);
}

TEST(PluggableState, TheProgramSaysWhatItCan) {
  Fixture fixture;
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    EXPECT_THAT(state::features(*store), ElementsAre("ETAG", "TRANSACTIONAL", "TTL", "QUERY_API"));
    EXPECT_NE(store->transactional(), nullptr);
    co_return;
  });
  Fixture plain;
  plain.features = {};
  plain.services = {kStore};
  plain.start();
  plain.with_store([](state::Store* store, Fixture*) -> Task<void> {
    EXPECT_TRUE(state::features(*store).empty());
    co_return;
  });
}

TEST(PluggableState, ReadsItemsWithEverythingTheyHave) {
  Fixture fixture;
  fixture.program.on(path_of("Get"), [](std::string bytes) -> Result<std::string> {
    proto::GetRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.consistency(), proto::StateOptions::CONSISTENCY_STRONG);
    EXPECT_EQ(request.metadata().at("m"), "1");
    proto::GetResponse response;
    if (request.key() == "absent") return response.SerializeAsString();
    response.set_data("value");
    response.mutable_etag()->set_value("7");
    response.set_content_type("text/plain");
    (*response.mutable_metadata())["ttlExpireTime"] = "soon";
    return response.SerializeAsString();
  });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    state::GetRequest request{.key = "k", .consistency = state::Consistency::strong};
    request.metadata["m"] = "1";
    const auto item = co_await store->get(request);
    EXPECT_EQ((*item)->value, "value");
    EXPECT_EQ((*item)->etag, "7");
    EXPECT_EQ((*item)->content_type, "text/plain");
    EXPECT_EQ((*item)->metadata.at("ttlExpireTime"), "soon");
    request.key = "absent";
    const auto none = co_await store->get(request);
    EXPECT_EQ(*none, std::nullopt);
  });
}

TEST(PluggableState, WritesSayAllThatWasAskedFor) {
  Fixture fixture;
  const auto nothing = [](std::string) { return std::string(); };
  fixture.program.on(path_of("Set"), nothing);
  fixture.program.on(path_of("Delete"), nothing);
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    state::SetRequest set{.key = "k",
                          .value = std::string("a\0b", 3),
                          .etag = "3",
                          .concurrency = state::Concurrency::first_write,
                          .consistency = state::Consistency::eventual,
                          .content_type = "x/y"};
    set.metadata["ttlInSeconds"] = "5";
    EXPECT_TRUE(co_await store->set(std::move(set)));
    state::DeleteRequest remove{.key = "d", .concurrency = state::Concurrency::last_write};
    EXPECT_TRUE(co_await store->remove(std::move(remove)));
  });
  const auto seen = fixture.program.seen();
  proto::SetRequest set;
  ASSERT_TRUE(set.ParseFromString(seen[seen.size() - 2].message));
  EXPECT_EQ(set.value(), std::string("a\0b", 3));
  EXPECT_EQ(set.etag().value(), "3");
  EXPECT_EQ(set.content_type(), "x/y");
  EXPECT_EQ(set.metadata().at("ttlInSeconds"), "5");
  EXPECT_EQ(set.options().concurrency(), proto::StateOptions::CONCURRENCY_FIRST_WRITE);
  EXPECT_EQ(set.options().consistency(), proto::StateOptions::CONSISTENCY_EVENTUAL);
  proto::DeleteRequest remove;
  ASSERT_TRUE(remove.ParseFromString(seen.back().message));
  EXPECT_FALSE(remove.has_etag());
  EXPECT_EQ(remove.options().concurrency(), proto::StateOptions::CONCURRENCY_LAST_WRITE);
}

/// The error that Set gives if the program answers with `status`.
Error error_of_set(const Error& status) {
  Fixture fixture;
  fixture.program.on(path_of("Set"), [&](std::string) { return fail(status); });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture* f) -> Task<void> {
    auto done = co_await set(store);
    EXPECT_FALSE(done);
    f->error = std::move(done).error();
  });
  return *fixture.error;
}

TEST(PluggableState, EtagErrorsAreTheOnesOfStateStores) {
  const Error mismatch = error_of_set(etag_status(Code::failed_precondition));
  EXPECT_TRUE(state::is_etag_mismatch(mismatch));
  EXPECT_EQ(mismatch.message(), "possible etag mismatch. error from state store: the description");
  const Error invalid = error_of_set(etag_status(Code::invalid_argument));
  EXPECT_TRUE(state::is_etag_invalid(invalid));
  EXPECT_EQ(invalid.message(), "invalid etag value: the description");
}

TEST(PluggableState, OtherStatusesAreErrorsInTheWordsOfGrpc) {
  for (const Error& status :
       {etag_status(Code::failed_precondition, "other"), etag_status(Code::aborted),
        Error(Code::failed_precondition, "a message"), Error(Code::aborted, "a message"),
        status_error(Code::aborted, "a message", "r", {{"kit_error", "false"}}),
        status_error(Code::aborted, "a message", "r", kit("many"))}) {
    const Error error = error_of_set(status);
    EXPECT_FALSE(state::is_etag_error(error));
    EXPECT_EQ(error.details(), nullptr);
    EXPECT_EQ(error.message(),
              "rpc error: code = " + std::string(to_string(status.code())) + " desc = a message");
  }
}

TEST(PluggableState, AComponentCanSayItselfWhatClientsShallSee) {
  const Error error = error_of_set(status_error(Code::aborted, "no", "the-reason", kit("512")));
  EXPECT_EQ(error.code(), Code::aborted);
  EXPECT_EQ(error.message(), "no");
  EXPECT_EQ(error.tag(), "the-tag");
  EXPECT_EQ(error.http_status(), 512);
  ASSERT_NE(error.details(), nullptr);
  EXPECT_EQ(error.details()->reason, "the-reason");
  EXPECT_EQ(error.details()->domain, "the-domain");
  EXPECT_TRUE(error.details()->metadata.empty());
  EXPECT_FALSE(state::is_etag_mismatch(error));
}

TEST(PluggableState, BulkCallsAreOneCallEach) {
  Fixture fixture;
  fixture.program.on(path_of("BulkGet"), [](std::string bytes) -> Result<std::string> {
    proto::BulkGetRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.options().parallelism(), 4);
    EXPECT_EQ(request.items_size(), 3);
    proto::BulkGetResponse response;
    auto* item = response.add_items();
    item->set_key("a");
    item->set_data("1");
    item->mutable_etag()->set_value("e");
    response.add_items()->set_key("b");
    item = response.add_items();
    item->set_key("c");
    item->set_error("broken");
    return response.SerializeAsString();
  });
  fixture.program.on(path_of("BulkSet"), [](std::string bytes) -> Result<std::string> {
    proto::BulkSetRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    if (request.items_size() == 1) return fail(Code::internal, "no");
    return std::string();
  });
  fixture.program.on(path_of("BulkDelete"), [](std::string) -> Result<std::string> {
    return fail(status_error(Code::internal, "no", "r", {{"expected", "2"}, {"affected", "1"}}));
  });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    std::vector<state::GetRequest> gets(3);
    state::BulkOptions options;
    options.parallelism = 4;
    const auto items = co_await store->bulk_get(gets, options);
    EXPECT_EQ(items->size(), 3U);
    EXPECT_EQ((*items->at(0).item)->value, "1");
    EXPECT_EQ(*items->at(1).item, std::nullopt);
    EXPECT_EQ(items->at(2).item.error().message(), "broken");
    std::vector<state::SetRequest> sets(2);
    const auto all = co_await store->bulk_set(sets, options);
    EXPECT_TRUE(all && all->empty());
    sets.resize(1);
    const auto none = co_await store->bulk_set(sets, options);
    EXPECT_FALSE(none);
    std::vector<state::DeleteRequest> removes(2);
    const auto some = co_await store->bulk_remove(removes, options);
    EXPECT_EQ(some.error().message(), "delete affected only 1 rows, expected 2");
  });
}

TEST(PluggableState, TransactionsKeepTheirOrderAndTheirLimit) {
  Fixture fixture;
  fixture.program.on(std::string("/") + kMaxSize + "/MultiMaxSize", [](std::string) {
    proto::MultiMaxSizeResponse response;
    response.set_max_size(9);
    return response.SerializeAsString();
  });
  fixture.program.on(std::string("/") + kTransact + "/Transact",
                     [](std::string bytes) -> Result<std::string> {
                       proto::TransactionalStateRequest request;
                       EXPECT_TRUE(request.ParseFromString(bytes));
                       EXPECT_EQ(request.operations_size(), 2);
                       EXPECT_EQ(request.operations(0).set().key(), "a");
                       EXPECT_EQ(request.operations(1).delete_().key(), "b");
                       EXPECT_EQ(request.metadata().at("m"), "1");
                       return std::string();
                     });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    co_await store->transactional()->learn_limit();
    EXPECT_EQ(store->transactional()->operations_max(), 9U);
    state::TransactionRequest request;
    request.operations.emplace_back(state::SetRequest{.key = "a"});
    request.operations.emplace_back(state::DeleteRequest{.key = "b"});
    request.metadata["m"] = "1";
    EXPECT_TRUE(co_await store->transactional()->multi(std::move(request)));
  });
}

TEST(PluggableState, AProgramThatCannotTellItsLimitHasNone) {
  Fixture fixture;
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    co_await store->transactional()->learn_limit();
    EXPECT_EQ(store->transactional()->operations_max(), std::nullopt);
    co_return;
  });
}

TEST(PluggableState, QueriesTravelAsTheirParts) {
  Fixture fixture;
  fixture.program.on(
      std::string("/") + kQueriable + "/Query", [](std::string bytes) -> Result<std::string> {
        proto::QueryRequest request;
        EXPECT_TRUE(request.ParseFromString(bytes));
        EXPECT_EQ(request.query().filter().size(), 1U);
        EXPECT_EQ(request.query().filter().at("OR").value(),
                  R"([{"EQ":{"person.org":"Dev Ops"}},{"AND":[{"IN":{"state":["CA",1.5,true]}},)"
                  R"({"NEQ":{"x":null}}]}])");
        EXPECT_EQ(request.query().sort(0).key(), "a");
        EXPECT_EQ(request.query().sort(0).order(), proto::Sorting::DESC);
        EXPECT_EQ(request.query().sort(1).order(), proto::Sorting::ASC);
        EXPECT_EQ(request.query().pagination().limit(), 3);
        EXPECT_EQ(request.query().pagination().token(), "t");
        proto::QueryResponse response;
        response.set_token("next");
        auto* const item = response.add_items();
        item->set_key("k");
        item->set_data("{}");
        item->mutable_etag()->set_value("1");
        return response.SerializeAsString();
      });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    auto query = state::parse_query(
        R"({"filter":{"OR":[{"EQ":{"person.org":"Dev Ops"}},
        {"AND":[{"IN":{"state":["CA",1.5,true]}},{"NEQ":{"x":null}}]}]},
        "sort":[{"key":"a","order":"DESC"},{"key":"b"}],"page":{"limit":3,"token":"t"}})");
    const auto answer = co_await store->queriable()->query(*std::move(query), Properties());
    EXPECT_EQ(answer->token, "next");
    EXPECT_EQ(answer->results.at(0).key, "k");
    EXPECT_EQ(answer->results.at(0).etag, "1");
    EXPECT_EQ(answer->results.at(0).content_type, std::nullopt);
  });
}

TEST(PluggableState, AFailedInitLeavesNothingBehindAndSaysWhy) {
  Fixture refusing;
  refusing.program.on(path_of("Init"), [](std::string) -> Result<std::string> {
    return fail(Code::invalid_argument, "no host");
  });
  refusing.program.start();
  Fixture nobody;
  Fixture silent;
  silent.program.hang(path_of("Init"));
  silent.program.start();
  Loop loop;
  auto one = refusing.make(ComponentContext{loop});
  auto two = nobody.make(ComponentContext{loop});
  auto three = silent.make(ComponentContext{loop});
  const auto open = [](state::Store* store) -> Task<Result<>> {
    auto opening = store->init();
    auto opened = co_await with_timeout(std::move(opening), 100ms);
    co_await store->close();
    co_return opened;
  };
  EXPECT_EQ(run_on(loop, open(one.get())).error().message(),
            "rpc error: code = InvalidArgument desc = no host");
  EXPECT_EQ(run_on(loop, open(two.get())).error().code(), Code::unavailable);
  EXPECT_EQ(run_on(loop, open(three.get())).error().code(), Code::deadline_exceeded);
}

TEST(PluggableState, AnswersThatAreNoMessagesAreErrors) {
  Fixture fixture;
  const auto nonsense = [](std::string) { return std::string("\xff\xff\xff"); };
  fixture.program.on(path_of("Get"), nonsense);
  fixture.program.on(path_of("BulkGet"), nonsense);
  fixture.program.on(std::string("/") + kQueriable + "/Query", nonsense);
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    const auto item = co_await get(store);
    EXPECT_EQ(item.error().code(), Code::internal);
    const auto items =
        co_await store->bulk_get(std::vector<state::GetRequest>(), state::BulkOptions());
    EXPECT_EQ(items.error().code(), Code::internal);
    const auto found = co_await store->queriable()->query(state::Query(), Properties());
    EXPECT_EQ(found.error().code(), Code::internal);
    const auto unknown = co_await set(store);
    EXPECT_EQ(unknown.error().code(), Code::unimplemented);
  });
}

TEST(PluggableState, ACallToASlowProgramEndsWithItsDeadline) {
  Fixture fixture;
  fixture.program.hang(path_of("Get"));
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture*) -> Task<void> {
    auto getting = get(store);
    const auto item = co_await with_timeout(std::move(getting), 50ms);
    EXPECT_EQ(item.error().code(), Code::deadline_exceeded);
  });
}

TEST(PluggableState, AProgramThatWasStartedAnewIsInitialisedAgain) {
  Fixture fixture;
  fixture.program.on(path_of("Get"), [](std::string) { return std::string(); });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture* f) -> Task<void> {
    EXPECT_TRUE(co_await get(store));
    f->program.stop();
    const auto gone = co_await get(store);
    EXPECT_EQ(gone.error().code(), Code::unavailable);
    EXPECT_THAT(gone.error().message(), HasSubstr("rpc error: code = Unavailable"));
    f->program.start();
    EXPECT_TRUE(co_await get(store));
    EXPECT_TRUE(co_await get(store));
  });
  EXPECT_EQ(fixture.program.count(path_of("Init")), 2U);
  const auto seen = fixture.program.seen();
  EXPECT_EQ(seen.back().path, path_of("Get"));
}

TEST(PluggableState, ARestartBetweenTwoCallsIsSeenToo) {
  Fixture fixture;
  fixture.program.on(path_of("Get"), [](std::string) { return std::string(); });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture* f) -> Task<void> {
    EXPECT_TRUE(co_await get(store));
    f->program.stop();
    f->program.start();
    EXPECT_TRUE(co_await get(store));
  });
  EXPECT_EQ(fixture.program.count(path_of("Init")), 2U);
}

TEST(PluggableState, PingAsksTheProgram) {
  Fixture fixture;
  fixture.program.on(path_of("Ping"), [](std::string) { return std::string(); });
  fixture.start();
  fixture.with_store([](state::Store* store, Fixture* f) -> Task<void> {
    EXPECT_TRUE(co_await store->ping());
    f->program.stop();
    const auto gone = co_await store->ping();
    EXPECT_EQ(gone.error().code(), Code::unavailable);
  });
}

}  // namespace
}  // namespace outrigger::components::pluggable
