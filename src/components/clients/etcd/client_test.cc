#include "components/clients/etcd/client.h"

#include <atomic>

#include "etcd/rpc.pb.h"
#include "net/grpc/server.h"

namespace outrigger::components::etcd {
namespace {

using namespace std::chrono_literals;
namespace pb = etcdserverpb;
using net::grpc::Call;
using net::grpc::ServerStream;

/// A server whose answers the test writes, on a thread of its own.
class FakeEtcd {
 public:
  FakeEtcd() { start_of_watch.reserve(8); }
  ~FakeEtcd() {
    std::atomic<bool> done = false;
    loops_[0].post([&] { stopper_.spawn(stop(&done)); });
    while (!done) std::this_thread::yield();
    loops_.stop_and_join();
  }

  net::grpc::Service service;
  std::atomic<int> calls = 0;
  std::vector<std::int64_t> start_of_watch;

  std::string start() {
    net::ServerOptions options;
    options.grpc = true;
    server_ = std::make_unique<net::Server>(loops_, std::vector<net::RequestHandler*>{&service},
                                            std::move(options));
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    const std::string address = "http://127.0.0.1:" + std::to_string(listener->port());
    loops_.start();
    server_->listen(std::move(listener));
    return address;
  }

 private:
  Task<void> stop(std::atomic<bool>* done) {
    co_await service.drain();
    co_await server_->stop(0ms);
    *done = true;
  }
  Loops loops_{1};
  Scope stopper_;
  std::unique_ptr<net::Server> server_;
};

std::string nowhere() {
  const auto listener = net::Listener::bind("127.0.0.1", 0).value();
  return "http://127.0.0.1:" + std::to_string(listener->port());
}

template <class Reply>
Result<Reply> with_client(Options options,
                          std::move_only_function<Task<Result<Reply>>(Client&)> use) {
  Loop loop;
  auto client = Client::make(std::move(options)).value();
  auto reply = run_on(loop, use(*client));
  run_on(loop, client->close());
  return reply;
}

Result<RangeReply> get(Options options, std::string key) {
  return with_client<RangeReply>(std::move(options),
                                 [key](Client& client) { return client.range({.key = key}); });
}
Result<std::int64_t> put(Options options) {
  return with_client<std::int64_t>(
      std::move(options), [](Client& client) { return client.put({.key = "k", .value = "v"}); });
}

Task<Result<std::string>> answer_range(FakeEtcd* fake, Call&, std::string bytes) {
  ++fake->calls;
  pb::RangeRequest request;
  request.ParseFromString(bytes);
  pb::RangeResponse response;
  response.mutable_header()->set_revision(7);
  auto& item = *response.add_kvs();
  item.set_key(request.key());
  item.set_value("value");
  item.set_mod_revision(5);
  response.set_count(1);
  co_return response.SerializeAsString();
}

Task<Result<std::string>> refuse(FakeEtcd* fake, std::string message, Code code) {
  ++fake->calls;
  co_return fail(code, std::move(message));
}

TEST(EtcdClient, AsksTheNextEndpointWhenOneIsNotThere) {
  FakeEtcd fake;
  fake.service.unary("/etcdserverpb.KV/Range", [&](Call& call, std::string bytes) {
    return answer_range(&fake, call, std::move(bytes));
  });
  const std::string address = fake.start();
  const auto reply = get({.endpoints = {nowhere(), address}}, "k");
  ASSERT_TRUE(reply) << reply.error().message();
  ASSERT_EQ(reply->items.size(), 1);
  EXPECT_EQ(reply->items[0].key, "k");
  EXPECT_EQ(reply->items[0].mod_revision, 5);
  EXPECT_EQ(reply->revision, 7);
}

TEST(EtcdClient, SaysWhyWhenNoEndpointAnswersInTime) {
  const auto reply = get({.endpoints = {nowhere()}, .timeout = 300ms}, "k");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::unavailable);
  EXPECT_NE(reply.error().message().find("etcd: no endpoint did it in time: "), std::string::npos)
      << reply.error().message();
}

TEST(EtcdClient, DoesNotRepeatAWriteThatMayHaveBeenDone) {
  FakeEtcd fake;
  fake.service.unary("/etcdserverpb.KV/Put", [&](Call&, std::string) {
    return refuse(&fake, "etcdserver: request timed out", Code::unavailable);
  });
  const std::string address = fake.start();
  const auto reply = put({.endpoints = {address, address}});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().message(), "etcdserver: request timed out");
  EXPECT_EQ(fake.calls, 1);
}

TEST(EtcdClient, RepeatsAWriteThatWasRefusedForWantOfALeader) {
  FakeEtcd fake;
  fake.service.unary("/etcdserverpb.KV/Put", [&](Call&, std::string) -> Task<Result<std::string>> {
    if (fake.calls == 0) return refuse(&fake, "etcdserver: no leader", Code::unavailable);
    return [](FakeEtcd* one) -> Task<Result<std::string>> {
      ++one->calls;
      pb::PutResponse response;
      response.mutable_header()->set_revision(9);
      co_return response.SerializeAsString();
    }(&fake);
  });
  const std::string address = fake.start();
  const auto reply = put({.endpoints = {address}});
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(*reply, 9);
  EXPECT_EQ(fake.calls, 2);
}

TEST(EtcdClient, SignsInAgainWhenItsTokenHasExpired) {
  FakeEtcd fake;
  std::atomic<int> logins = 0;
  fake.service.unary("/etcdserverpb.Auth/Authenticate", [&](Call&, std::string bytes) {
    return [](std::atomic<int>* count, std::string request) -> Task<Result<std::string>> {
      pb::AuthenticateRequest asked;
      asked.ParseFromString(request);
      if (asked.name() != "me" || asked.password() != "secret") {
        co_return fail(Code::invalid_argument, "etcdserver: authentication failed");
      }
      pb::AuthenticateResponse response;
      response.set_token("t" + std::to_string(++*count));
      co_return response.SerializeAsString();
    }(&logins, std::move(bytes));
  });
  fake.service.unary("/etcdserverpb.KV/Range", [&](Call& call, std::string bytes) {
    if (call.value("token") == "t2") return answer_range(&fake, call, std::move(bytes));
    return refuse(&fake, "etcdserver: invalid auth token", Code::unauthenticated);
  });
  const std::string address = fake.start();
  const auto reply = get({.endpoints = {address}, .username = "me", .password = "secret"}, "k");
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(logins, 2);
  const auto wrong = get({.endpoints = {address}, .username = "me", .password = "no"}, "k");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(), "etcdserver: authentication failed");
}

Task<Result<>> send(ServerStream* stream, pb::WatchResponse response) {
  co_return co_await stream->write(response.SerializeAsString());
}

pb::WatchResponse change(std::int64_t revision, std::string key) {
  pb::WatchResponse response;
  response.mutable_header()->set_revision(revision);
  auto& event = *response.add_events();
  event.mutable_kv()->set_key(std::move(key));
  event.mutable_kv()->set_mod_revision(revision);
  return response;
}

/// Tells two changes in two streams, and then that the rest was compacted.
Task<Result<>> watched(FakeEtcd* fake, ServerStream* stream) {
  OUT_CO_TRY(const auto message, co_await stream->read());
  pb::WatchRequest request;
  request.ParseFromString(message.value_or(""));
  fake->start_of_watch.push_back(request.create_request().start_revision());
  pb::WatchResponse created;
  created.set_created(true);
  created.mutable_header()->set_revision(100);
  OUT_CO_CHECK(co_await send(stream, created));
  const auto turn = fake->start_of_watch.size();
  if (turn == 1) {
    auto first = change(50, "a");
    OUT_CO_CHECK(co_await send(stream, first));
    co_return fail(Code::unavailable, "the server goes");
  }
  if (turn == 2) {
    auto second = change(60, "b");
    OUT_CO_CHECK(co_await send(stream, second));
    co_return fail(Code::unavailable, "the server goes");
  }
  pb::WatchResponse compacted;
  compacted.set_canceled(true);
  compacted.set_compact_revision(90);
  co_return co_await send(stream, compacted);
}

TEST(EtcdClient, AWatchGoesOnBehindTheLastChangeAndSaysWhenSomeAreForgotten) {
  FakeEtcd fake;
  fake.service.stream("/etcdserverpb.Watch/Watch",
                      [&](Call&, ServerStream& stream) { return watched(&fake, &stream); });
  const std::string address = fake.start();
  Loop loop;
  auto client = Client::make({.endpoints = {address}}).value();
  auto watch = client->watch("a", "z", 40);
  std::vector<std::string> keys;
  for (int i = 0; i < 2; ++i) {
    const auto events = run_on(loop, watch->next());
    ASSERT_TRUE(events) << events.error().message();
    for (const Event& event : events->events) keys.push_back(event.item.key);
  }
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "b"}));
  const auto forgotten = run_on(loop, watch->next());
  ASSERT_FALSE(forgotten);
  EXPECT_EQ(forgotten.error().code(), Code::out_of_range);
  EXPECT_EQ(fake.start_of_watch, (std::vector<std::int64_t>{40, 51, 61}));
  watch.reset();
  run_on(loop, client->close());
}

TEST(EtcdClient, AnswersThatAreNoMessagesAreErrors) {
  FakeEtcd fake;
  fake.service.unary("/etcdserverpb.KV/Range", [](Call&, std::string) {
    return []() -> Task<Result<std::string>> { co_return std::string("\xff\xff\xff"); }();
  });
  const std::string address = fake.start();
  const auto reply = get({.endpoints = {address}}, "k");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::internal);
}

TEST(EtcdClient, EndpointsThatAreNoneAreRefused) {
  EXPECT_FALSE(Client::make({}));
  EXPECT_FALSE(Client::make({.endpoints = {"http://"}}));
  EXPECT_FALSE(Client::make({.endpoints = {"host:port"}}));
}

TEST(EtcdTypes, ThePrefixOfEverythingHasNoEnd) {
  EXPECT_EQ(prefix_end("a/"), "a0");
  EXPECT_EQ(prefix_end(std::string("a\xff")), "b");
  EXPECT_EQ(prefix_end(""), std::string(1, '\0'));
}

}  // namespace
}  // namespace outrigger::components::etcd
