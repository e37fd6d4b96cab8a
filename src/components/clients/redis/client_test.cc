#include "components/clients/redis/client.h"

#include "components/clients/redis/fake_server_testing.h"
#include "components/clients/redis/slot_map.h"

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;
using Words = FakeServer::Words;

class RedisClient : public testing::Test {
 protected:
  void serve(FakeServer::Script script) {
    server_ = std::make_unique<FakeServer>(std::move(script));
    loop_.post([this] { server_->start(); });
  }
  std::unique_ptr<Client> make(Properties properties = {}) {
    properties.emplace("redisHost", server_->address());
    properties.emplace("redisMinRetryInterval", "1");
    properties.emplace("redisMaxRetryInterval", "2");
    const Metadata metadata{.name = "r", .type = "state.redis", .properties = properties};
    auto options = parse_options(metadata, Block::state);
    EXPECT_TRUE(options) << options.error().message();
    auto client = Client::make(std::move(*options));
    EXPECT_TRUE(client);
    return std::move(*client);
  }
  void open(Properties properties = {}) {
    client_ = make(std::move(properties));
    auto opened = run_on(loop_, client_->open());
    ASSERT_TRUE(opened) << opened.error().message();
  }
  Result<Reply> call(Command command) { return run_on(loop_, client_->call(std::move(command))); }
  void TearDown() override {
    if (client_ != nullptr) run_on(loop_, client_->close());
    client_.reset();
    server_->stop();
  }

  Loop loop_;
  std::unique_ptr<FakeServer> server_;
  std::unique_ptr<Client> client_;
};

std::string ok(const Words& words) { return words[0] == "PING" ? "+PONG\r\n" : "+OK\r\n"; }

TEST_F(RedisClient, SignsInAndSelectsTheDatabaseBeforeAnythingElse) {
  serve(ok);
  open({{"redisPassword", "p w"}, {"redisUsername", "u"}, {"redisDB", "3"}});
  EXPECT_EQ(server_->seen, (Words{"AUTH u p w", "SELECT 3"}));
}

TEST_F(RedisClient, AWrongPasswordIsAnErrorThatSaysSo) {
  serve([](const Words&) { return "-WRONGPASS invalid username-password pair\r\n"; });
  client_ = make({{"redisPassword", "p"}});
  auto opened = run_on(loop_, client_->open());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::unauthenticated);
  client_.reset();
}

TEST_F(RedisClient, ManyCommandsAtOnceShareAConnectionAndGetTheirOwnReplies) {
  serve([](const Words& words) {
    return words.size() == 2 ? "$" + std::to_string(words[1].size()) + "\r\n" + words[1] + "\r\n"
                             : ok(words);
  });
  open();
  int right = 0;
  const auto echo = [](Client* client, int number, int* right) -> Task<void> {
    const std::string text = std::to_string(number);
    auto command = Command::keyless({"ECHO", text});
    auto reply = co_await client->call(std::move(command));
    if (reply && reply->text == text) ++*right;
  };
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 1000; ++i) tasks.push_back(echo(client_.get(), i, &right));
  run_on(loop_, run_all(std::move(tasks)));
  EXPECT_EQ(right, 1000);
  EXPECT_EQ(server_->connections, 1);
}

TEST_F(RedisClient, AReplyToACancelledCommandIsNotTakenForAnothers) {
  serve([](const Words& words) { return words[0] == "GET" ? "+" + words[1] + "\r\n" : ok(words); });
  open();
  const auto both = [](Client* client) -> Task<Result<Reply>> {
    auto first = Command::keyed("first", {"GET", "first"});
    auto gone = co_await with_timeout(client->call(std::move(first)), 0ns);
    EXPECT_FALSE(gone);
    auto second = Command::keyed("second", {"GET", "second"});
    auto reply = co_await client->call(std::move(second));
    co_return reply;
  };
  auto reply = run_on(loop_, both(client_.get()));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, "second");
}

TEST_F(RedisClient, ABrokenConnectionIsMadeAgainAndTheCommandRepeated) {
  int hang_ups = 2;
  serve([&](const Words& words) {
    if (words[0] == "GET" && hang_ups-- > 0) return std::string("hang up");
    return ok(words);
  });
  open();
  auto reply = call(Command::keyed("k", {"GET", "k"}));
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(reply->text, "OK");
  EXPECT_EQ(server_->connections, 3);
}

TEST_F(RedisClient, AWriteThatMayHaveBeenDoneIsNotRepeatedIfThatDoesHarm) {
  serve([](const Words& words) { return words[0] == "INCR" ? "hang up" : ok(words); });
  open();
  auto reply = call(Command::keyed("k", {"INCR", "k"}).once_only());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::unavailable);
  EXPECT_EQ(std::ranges::count(server_->seen, "INCR k"), 1);
}

TEST_F(RedisClient, RetriesEndAndMinusOneMeansNone) {
  serve([](const Words& words) { return words[0] == "GET" ? "-LOADING wait\r\n" : ok(words); });
  open({{"redisMaxRetries", "2"}});
  auto reply = call(Command::keyed("k", {"GET", "k"}));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->is_error("LOADING"));
  EXPECT_EQ(std::ranges::count(server_->seen, "GET k"), 3);
  run_on(loop_, client_->close());
  server_->seen.clear();
  open({{"redisMaxRetries", "-1"}});
  reply = call(Command::keyed("k", {"GET", "k"}));
  EXPECT_EQ(std::ranges::count(server_->seen, "GET k"), 1);
}

TEST_F(RedisClient, AServerThatDoesNotAnswerIsGivenUp) {
  serve([](const Words& words) { return words[0] == "GET" ? "" : ok(words); });
  open({{"readTimeout", "20ms"}, {"writeTimeout", "20ms"}, {"redisMaxRetries", "-1"}});
  auto reply = call(Command::keyed("k", {"GET", "k"}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), Code::unavailable);
  EXPECT_TRUE(reply.error().message().contains("i/o timeout")) << reply.error().message();
}

TEST_F(RedisClient, AServerThatAcceptsButNeverSpeaksIsGivenUpAfterTheDialTimeout) {
  serve([](const Words&) { return ""; });
  client_ = make({{"dialTimeout", "30ms"}, {"redisMaxRetries", "-1"}});
  auto opened = run_on(loop_, client_->open());
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().message().contains("i/o timeout")) << opened.error().message();
}

TEST_F(RedisClient, BytesThatAreNoRepliesBreakTheConnectionOnly) {
  int times = 1;
  serve([&](const Words& words) {
    if (words[0] == "GET" && times-- > 0) return std::string("HTTP/1.1 400 Bad Request\r\n\r\n");
    return ok(words);
  });
  open();
  auto reply = call(Command::keyed("k", {"GET", "k"}));
  ASSERT_TRUE(reply) << reply.error().message();
  server_->send_all("+unasked\r\n");
  EXPECT_TRUE(call(Command::keyed("k", {"GET", "k"})));
}

constexpr Script kScript("return 1");

TEST_F(RedisClient, AScriptThatTheServerDoesNotKnowIsSentInFull) {
  serve([](const Words& words) {
    return words[0] == "EVALSHA" ? "-NOSCRIPT No matching script.\r\n" : ok(words);
  });
  open();
  const std::string_view words[] = {"1", "k"};
  auto reply = call(Command::evaluate(kScript, words, key_slot("k")));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, "OK");
  EXPECT_EQ(server_->seen.back(), "EVAL return 1 1 k");
}

TEST_F(RedisClient, AClusterIsFollowedWhereItRedirects) {
  FakeServer other([](const Words& words) { return words[0] == "GET" ? "+there\r\n" : ok(words); });
  loop_.post([&] { other.start(); });
  const std::string there = other.address();
  const std::string port = there.substr(there.rfind(':') + 1);
  std::string redirection = "-MOVED 12182 " + there + "\r\n";
  serve([&](const Words& words) {
    if (words[0] == "CLUSTER") {
      const std::string own = server_->address().substr(10);
      return "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:" + own + "\r\n";
    }
    return words[0] == "GET" ? redirection : ok(words);
  });
  open({{"redisType", "cluster"}});
  EXPECT_EQ(call(Command::keyed("foo", {"GET", "foo"}))->text, "there");
  EXPECT_EQ(call(Command::keyed("foo", {"GET", "foo"}))->text, "there");
  EXPECT_EQ(std::ranges::count(server_->seen, "GET foo"), 1);  // The second knew where to go.
  redirection = "-ASK 5061 " + there + "\r\n";
  EXPECT_EQ(call(Command::keyed("bar", {"GET", "bar"}))->text, "there");
  EXPECT_EQ(other.seen[other.seen.size() - 2], "ASKING");
  redirection = "-MOVED 5061 " + server_->address() + "\r\n";  // In a circle.
  auto lost = call(Command::keyed("bar", {"GET", "bar"}));
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->is_error("MOVED"));
  run_on(loop_, client_->close());
  client_.reset();
  other.stop();
}

TEST_F(RedisClient, AClusterThatKnowsOfNoSlotsIsAnError) {
  serve([](const Words& words) { return words[0] == "CLUSTER" ? "*0\r\n" : ok(words); });
  client_ = make({{"redisType", "cluster"}});
  auto opened = run_on(loop_, client_->open());
  ASSERT_FALSE(opened);
  EXPECT_TRUE(opened.error().message().contains("no slots")) << opened.error().message();
}

TEST_F(RedisClient, TheMasterIsWhomTheSentinelNamesAndFoundAgainWhenItIsNoMore) {
  bool demoted = false;
  FakeServer first([&](const Words& words) {
    return words[0] == "SET" && demoted ? "-READONLY You can't write\r\n" : ok(words);
  });
  FakeServer second(ok);
  loop_.post([&] { first.start(), second.start(); });
  const auto named = [&](const FakeServer& server) {
    const std::string port = server.address().substr(10);
    return "*2\r\n$9\r\n127.0.0.1\r\n$" + std::to_string(port.size()) + "\r\n" + port + "\r\n";
  };
  serve([&](const Words& words) {
    if (words[0] != "SENTINEL") return words[0] == "SUBSCRIBE" ? std::string() : ok(words);
    if (words[1] == "sentinels") return std::string("*0\r\n");
    return words[2] == "mine" ? named(demoted ? second : first) : "*-1\r\n";
  });
  open({{"failover", "true"}, {"sentinelMasterName", "mine"}, {"sentinelPassword", "s"}});
  EXPECT_TRUE(call(Command::keyed("k", {"SET", "k", "1"})));
  EXPECT_EQ(first.seen, (Words{"SET k 1"}));
  demoted = true;
  auto reply = call(Command::keyed("k", {"SET", "k", "2"}));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->text, "OK");
  EXPECT_EQ(second.seen, (Words{"SET k 2"}));
  EXPECT_EQ(std::ranges::count(server_->seen, "AUTH s"), 3);  // Two questions and the listening.
  run_on(loop_, client_->close());
  client_.reset();
  first.stop();
  second.stop();
}

TEST_F(RedisClient, OfSeveralServersTheFirstThatAnswersIsUsed) {
  serve(ok);
  open({{"redisHost", "127.0.0.1:1, " + server_->address()}});
  EXPECT_TRUE(call(Command::keyed("k", {"GET", "k"})));
}

TEST(RedisSlotMap, RepliesOfAnotherShapeAreRefused) {
  const auto number = [](std::int64_t n) {
    return Reply{.type = Reply::Type::integer, .integer = n};
  };
  const auto list = [](std::vector<Reply> items) {
    return Reply{.type = Reply::Type::array, .items = std::move(items)};
  };
  const auto text = [](std::string t) { return Reply{.type = Reply::Type::text, .text = t}; };
  const net::Address asked{"10.0.0.1", 1};
  const auto map = [&](std::int64_t first, std::int64_t last, Reply host, std::int64_t port) {
    return read_slots(list({list({number(first), number(last), list({host, number(port)})})}),
                      asked);
  };
  ASSERT_EQ(map(0, 5, text("h"), 7)->size(), 1u);
  EXPECT_EQ(map(0, 5, Reply(), 7)->front().master, (net::Address{"10.0.0.1", 7}));
  EXPECT_TRUE(map(0, 5, text("?"), 7)->empty());
  EXPECT_TRUE(map(0, 5, text("h"), 70000)->empty());
  EXPECT_FALSE(map(-1, 5, text("h"), 7));
  EXPECT_FALSE(map(6, 5, text("h"), 7));
  EXPECT_FALSE(map(0, 16384, text("h"), 7));
  EXPECT_FALSE(read_slots(list({number(1)}), asked));
  EXPECT_FALSE(read_slots(text("x"), asked));
  EXPECT_EQ(read_redirect("MOVED 3999 ::1:6381", asked)->address, (net::Address{"::1", 6381}));
  EXPECT_EQ(read_redirect("ASK 3999 :6381", asked)->address, (net::Address{"10.0.0.1", 6381}));
  for (const auto* wrong :
       {"MOVED", "MOVED x h:1", "MOVED 16384 h:1", "MOVED 1 h", "MOVED 1 h:0"}) {
    EXPECT_FALSE(read_redirect(wrong, asked)) << wrong;
  }
}

Result<Options> parse(Properties properties, Block block = Block::state) {
  return parse_options({.name = "r", .properties = std::move(properties)}, block);
}

TEST(RedisOptions, HostsMayHavePortsOfTheirOwnOrShareOne) {
  const auto addresses = [](Properties properties) {
    std::string all;
    auto options = parse(std::move(properties));
    if (!options) return options.error().message();
    for (const auto& address : options->addresses) all += address.to_string() + " ";
    return all;
  };
  EXPECT_EQ(addresses({{"redisHost", "h"}}), "h:6379 ");
  EXPECT_EQ(addresses({{"redisHost", "h"}, {"redisPort", "1"}}), "h:1 ");
  EXPECT_EQ(addresses({{"redisHost", "a:1, b ,[::1]:3,::1"}}), "a:1 b:6379 [::1]:3 [::1]:6379 ");
  EXPECT_TRUE(addresses({{"redisHost", "h:1"}, {"redisPort", "2"}}).contains("already contains"));
  EXPECT_EQ(addresses({{"redisHost", "h:2"}, {"redisPort", "2"}}), "h:2 ");
}

TEST(RedisOptions, DurationsAreMillisecondsOrHaveAUnit) {
  auto options = parse({{"readTimeout", "100"}, {"writeTimeout", "1s"}, {"dialTimeout", "2s"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->answer_timeout(), 1s);
  EXPECT_EQ(options->dial_timeout, 2s);
  EXPECT_EQ(parse({})->answer_timeout(), 3s);
  EXPECT_EQ(parse({{"readTimeout", "-1"}})->answer_timeout(), 0s);
  EXPECT_FALSE(parse({{"readTimeout", "soon"}}));
}

TEST(RedisOptions, RetriesHaveUpstreamsDefaultsAndOlderNames) {
  EXPECT_EQ(parse({})->retries(), 3);
  EXPECT_EQ(parse({{"redisMaxRetries", "-1"}})->retries(), 0);
  EXPECT_EQ(parse({{"maxRetries", "7"}})->retries(), 7);
  EXPECT_EQ(parse({{"maxRetries", "7"}, {"redisMaxRetries", "2"}})->retries(), 2);
  EXPECT_EQ(parse({})->backoff(1), 512ms);
  EXPECT_EQ(parse({{"maxRetryBackoff", "1000000"}})->min_retry_interval, 1ms);
  EXPECT_FALSE(parse({{"maxRetryBackoff", "1s"}}));
  for (int attempt = 1; attempt < 100; ++attempt) {
    const auto wait = parse({}, Block::pubsub)->backoff(attempt);
    EXPECT_GE(wait, 8ms);
    EXPECT_LE(wait, 512ms);
  }
  EXPECT_EQ(parse({{"redisMinRetryInterval", "-1"}})->backoff(1), 0ms);
}

TEST(RedisOptions, WhatCannotBeMeantIsRefused) {
  EXPECT_FALSE(parse({{"enableTLS", "maybe"}}));
  EXPECT_FALSE(parse({{"redisDB", "-1"}}));
  EXPECT_FALSE(parse({{"redisDB", "x"}}));
  EXPECT_FALSE(parse({{"redisPort", "70000"}}));
  EXPECT_FALSE(parse({{"redisHost", ","}}));
  EXPECT_FALSE(parse({{"useEntraID", "true"}}));
  auto bad_key = parse({{"enableTLS", "true"}, {"clientCert", "x"}, {"clientKey", "y"}});
  ASSERT_TRUE(bad_key);
  EXPECT_FALSE(Client::make(std::move(*bad_key)));
}

}  // namespace
}  // namespace outrigger::components::redis
