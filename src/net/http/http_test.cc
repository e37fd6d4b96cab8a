#include "base/scope.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "net/http/tls_testing.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

Task<void> trickle(std::shared_ptr<Pipe> pipe, std::size_t bytes) {
  const std::string part(10'000, 'x');
  while (bytes > 0) {
    const std::size_t now = std::min(bytes, part.size());
    auto written = co_await pipe->write(part.substr(0, now));
    if (!written) co_return;
    bytes -= now;
  }
  pipe->finish({{"x-sum", "ok"}});
}

/// Answers by the path of the request.
class TestHandler final : public RequestHandler {
 public:
  std::atomic<int> cancelled = 0;
  Scope scope;

  Task<Response> handle(Request request) override {
    Response response;
    response.headers.add("x-method", request.method);
    if (request.target == "/echo") {
      auto body = co_await request.body.read_all(1U << 20);
      if (!body) {
        response.status = 413;
        response.body = body.error().message();
      } else {
        response.body = *body;
      }
    } else if (request.target == "/mirror") {  // The stream itself goes back.
      response.content_length = request.content_length;
      response.body = std::move(request.body);
    } else if (request.target == "/large") {
      auto pipe = std::make_shared<Pipe>();
      scope.spawn(trickle(pipe, 5'000'000));
      response.body = Body(pipe);
    } else if (request.target == "/broken") {
      auto pipe = std::make_shared<Pipe>();
      pipe->push(std::string_view("half"));
      pipe->abort(Error(Code::unavailable, "gone"));
      response.body = Body(pipe);
    } else if (request.target == "/never") {
      Completion<> never;
      auto woken = co_await never.wait();
      if (!woken) ++cancelled;
    } else if (request.target == "/throw") {
      throw std::runtime_error("oops");
    } else {
      response.status = 404;
      response.body = "no such path";
    }
    co_return response;
  }
};

struct Fixture {
  explicit Fixture(ServerOptions options = {}) : server(make_server(std::move(options))) {
    loops.start();
    auto listener = Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    server->listen(std::move(listener));
  }
  ~Fixture() {
    std::atomic<bool> done = false;
    loops[0].post([&] { stopper.spawn(stop(&done)); });
    while (!done) std::this_thread::yield();
    loops.stop_and_join();
  }
  Task<void> stop(std::atomic<bool>* done) {
    co_await server->stop(100ms);
    *done = true;
  }
  std::unique_ptr<Server> make_server(ServerOptions options) {
    return std::make_unique<Server>(loops, std::vector<RequestHandler*>{&handlers[0], &handlers[1]},
                                    std::move(options));
  }
  Endpoint endpoint(Endpoint::Protocol protocol) const {
    Endpoint to;
    to.address = {"127.0.0.1", port};
    to.protocol = protocol;
    to.tls = client_tls;
    to.server_name = client_tls ? "test.local" : "";
    return to;
  }
  Loops loops{2};
  Scope stopper;
  std::array<TestHandler, 2> handlers;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;
  std::shared_ptr<TlsContext> client_tls;
};

Request make_request(std::string method, std::string target, Body body = {}) {
  Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.authority = "test.local";
  request.body = std::move(body);
  return request;
}

Task<Result<std::string>> fetch(Client& client, Endpoint to, Request request) {
  auto response = co_await client.send(to, std::move(request));
  if (!response) co_return std::unexpected(std::move(response).error());
  auto body = co_await response->body.read_all(100U << 20);
  if (!body) co_return body;
  co_return std::to_string(response->status) + " " + *body;
}

template <class F>
auto with_client(F use) {
  auto scenario = [](F inner) -> Task<void> {
    Client client;
    co_await inner(client);
    co_await client.close();
  };
  run(scenario(use));
}

class BothVersions : public testing::TestWithParam<Endpoint::Protocol> {};
INSTANTIATE_TEST_SUITE_P(Http, BothVersions,
                         testing::Values(Endpoint::Protocol::http1, Endpoint::Protocol::http2),
                         [](const auto& info) {
                           return info.param == Endpoint::Protocol::http1 ? "http1" : "http2";
                         });

Task<void> simple_exchanges(Client& client, Endpoint to) {
  for (int i = 0; i < 3; ++i) {
    auto echoed = co_await fetch(client, to, make_request("POST", "/echo", "hello"));
    EXPECT_EQ(echoed.value_or("error"), "200 hello");
    auto missing = co_await fetch(client, to, make_request("GET", "/nothing"));
    EXPECT_EQ(missing.value_or("error"), "404 no such path");
    auto thrown = co_await fetch(client, to, make_request("GET", "/throw"));
    EXPECT_EQ(thrown.value_or("error"), "500 internal error: oops\n");
  }
}
TEST_P(BothVersions, RequestsShareAConnectionAndGetTheirOwnAnswers) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return simple_exchanges(client, to); });
}

Task<void> large_bodies(Client& client, Endpoint to) {
  auto large = co_await fetch(client, to, make_request("GET", "/large"));
  EXPECT_EQ(large ? large->size() : 0, 5'000'004U);
  auto pipe = std::make_shared<Pipe>();
  Scope scope;
  scope.spawn(trickle(pipe, 3'000'000));
  Body body(pipe);
  auto mirrored = co_await fetch(client, to, make_request("PUT", "/mirror", std::move(body)));
  EXPECT_EQ(mirrored ? mirrored->size() : 0, 3'000'004U) << mirrored.error().message();
  co_await scope.join();
  auto after = co_await fetch(client, to, make_request("POST", "/echo", "still fine"));
  EXPECT_EQ(after.value_or("error"), "200 still fine");
}
TEST_P(BothVersions, BodiesStreamBothWaysAtOnce) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return large_bodies(client, to); });
}

Task<void> too_large(Client& client, Endpoint to) {
  std::string body(2U << 20, 'b');
  auto refused = co_await fetch(client, to, make_request("POST", "/echo", std::move(body)));
  if (refused) {
    EXPECT_TRUE(refused->starts_with("413")) << *refused;
  } else {
    EXPECT_EQ(refused.error().code(), Code::unavailable);
  }
}
Task<void> head_answers(Client& client, Endpoint to) {
  // Unknown, a stream of unknown length, and known.
  for (const auto& [target, length] :
       {std::pair("/echo", ""), std::pair("/large", ""), std::pair("/nothing", "12")}) {
    auto answer = co_await client.send(to, make_request("HEAD", target));
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->headers.value("content-length"), length) << target;
    EXPECT_FALSE(answer->headers.contains("transfer-encoding")) << target;
    auto body = co_await answer->body.read_all(1);
    EXPECT_EQ(body.value_or("error"), "");
  }
}
// As Go's server answers.
TEST_P(BothVersions, AnAnswerToHeadSaysALengthOnlyIfItIsKnown) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return head_answers(client, to); });
}

TEST_P(BothVersions, ABodyAboveTheLimitIsRefused) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return too_large(client, to); });
}

Task<void> broken_body(Client& client, Endpoint to) {
  auto broken = co_await fetch(client, to, make_request("GET", "/broken"));
  EXPECT_FALSE(broken);
}
TEST_P(BothVersions, AResponseThatBreaksOffDoesNotLookComplete) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return broken_body(client, to); });
}

Task<void> give_up(Client& client, Endpoint to) {
  auto late = co_await with_timeout(fetch(client, to, make_request("GET", "/never")), 20ms);
  EXPECT_FALSE(late);
  if (!late) EXPECT_EQ(late.error().code(), Code::deadline_exceeded);
}
TEST_P(BothVersions, AClientThatGivesUpCancelsTheHandler) {
  Fixture fixture;
  const Endpoint to = fixture.endpoint(GetParam());
  with_client([&](Client& client) { return give_up(client, to); });
  while (fixture.handlers[0].cancelled + fixture.handlers[1].cancelled == 0) {
    std::this_thread::yield();
  }
}

Task<void> refused(Client& client, Endpoint to) {
  auto answer = co_await fetch(client, to, make_request("GET", "/echo"));
  EXPECT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Code::unavailable);
  EXPECT_NE(answer.error().message().find("dial 127.0.0.1:"), std::string::npos);
}
TEST_P(BothVersions, NobodyListeningIsUnavailable) {
  Endpoint to;
  to.address = {"127.0.0.1", Listener::bind("127.0.0.1", 0).value()->port()};
  to.protocol = GetParam();
  with_client([&](Client& client) { return refused(client, to); });
}

TEST(Listener, APortInUseIsAnErrorThatNamesIt) {
  auto first = Listener::bind("127.0.0.1", 0).value();
  auto second = Listener::bind("127.0.0.1", first->port());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message().find(std::to_string(first->port())), std::string::npos);
}

TEST(Tls, AlpnChoosesTheVersionAndTheNameIsVerified) {
  const auto [certificate, key] = self_signed();
  TlsOptions server;
  server.certificate_chain_pem = certificate;
  server.private_key_pem = key;
  server.alpn = {"h2", "http/1.1"};
  ServerOptions options;
  options.tls = TlsContext::server(server).value();
  Fixture fixture(options);
  for (const char* alpn : {"h2", "http/1.1"}) {
    TlsOptions client;
    client.ca_pem = certificate;
    client.alpn = {alpn};
    fixture.client_tls = TlsContext::client(client).value();
    const Endpoint to = fixture.endpoint(Endpoint::Protocol::negotiate);
    with_client([&](Client& one) { return simple_exchanges(one, to); });
    with_client([&](Client& one) { return large_bodies(one, to); });
  }
  TlsOptions stranger;
  fixture.client_tls = TlsContext::client(stranger).value();
  const Endpoint to = fixture.endpoint(Endpoint::Protocol::http1);
  auto distrust = [](Client& client, Endpoint there) -> Task<void> {
    auto answer = co_await fetch(client, there, make_request("GET", "/echo"));
    EXPECT_FALSE(answer);
    EXPECT_NE(answer.error().message().find("self-signed"), std::string::npos)
        << answer.error().message();
  };
  with_client([&](Client& client) { return distrust(client, to); });
}

Task<void> end_of_greeting(Client& client, Endpoint to, std::string* said) {
  auto answer = co_await fetch(client, std::move(to), make_request("GET", "/echo"));
  *said = answer ? "200" : answer.error().message();
}

TlsOptions identified(const std::pair<std::string, std::string>& self, const std::string& trusted) {
  TlsOptions options;
  options.certificate_chain_pem = self.first;
  options.private_key_pem = self.second;
  options.ca_pem = trusted;
  options.alpn = {"h2"};
  options.identify = [](std::string_view der) -> Result<std::string> {
    return "certificate of " + std::to_string(der.size()) + " bytes";
  };
  return options;
}

TEST(Tls, PeersAreJudgedByWhoTheyAreAndNotByTheirName) {
  const auto here = self_signed();
  const auto there = self_signed();
  ServerOptions options;
  TlsOptions server = identified(here, there.first);
  server.require_client_certificate = true;
  options.tls = TlsContext::server(server).value();
  Fixture fixture(options);
  std::string said;
  const auto greet = [&](const TlsOptions& client) {
    fixture.client_tls = TlsContext::client(client).value();
    Endpoint to = fixture.endpoint(Endpoint::Protocol::negotiate);
    to.server_name = "a name of no certificate";
    with_client([&](Client& one) { return end_of_greeting(one, to, &said); });
    return said;
  };
  EXPECT_EQ(greet(identified(there, here.first)), "200");
  TlsOptions picky = identified(there, here.first);
  picky.identify = [](std::string_view) -> Result<std::string> {
    return fail(Code::permission_denied, "this is not whom I wanted");
  };
  EXPECT_TRUE(greet(picky).contains("this is not whom I wanted")) << said;
  TlsOptions anonymous = identified(there, here.first);
  anonymous.certificate_chain_pem.clear();
  EXPECT_NE(greet(anonymous), "200");
  EXPECT_NE(greet(identified(here, here.first)), "200");
}

TEST(Tls, RenewedOptionsAreThoseOfNewConnections) {
  const auto first = self_signed();
  const auto second = self_signed();
  ServerOptions options;
  options.tls = TlsContext::server(identified(first, first.first)).value();
  Fixture fixture(options);
  std::string said;
  const auto greet = [&](const std::string& trusted) {
    fixture.client_tls = TlsContext::client(identified(first, trusted)).value();
    const Endpoint to = fixture.endpoint(Endpoint::Protocol::negotiate);
    with_client([&](Client& one) { return end_of_greeting(one, to, &said); });
    return said == "200";
  };
  EXPECT_TRUE(greet(first.first));
  EXPECT_FALSE(greet(second.first));
  EXPECT_TRUE(options.tls->replace(identified(second, first.first)));
  EXPECT_FALSE(greet(first.first));
  EXPECT_TRUE(greet(second.first));
  TlsOptions broken;
  broken.certificate_chain_pem = "none";
  EXPECT_FALSE(options.tls->replace(broken));
  EXPECT_TRUE(greet(second.first));
}

TEST(Tls, AKeyThatIsNotTheCertificatesIsAnErrorWhateverItsKind) {
  const auto own = self_signed();
  for (const char* type : {"ED25519", "EC"}) {
    TlsOptions options;
    options.certificate_chain_pem = own.first;
    options.private_key_pem = self_signed(type).second;
    const auto made = TlsContext::client(options);
    ASSERT_FALSE(made) << type;
    EXPECT_TRUE(made.error().message().contains("the private key does not belong to"))
        << made.error().message();
  }
}

TEST(Tls, AServerThatWantsACertificateServesNobodyWithoutARightOne) {
  const auto here = self_signed();
  const auto there = self_signed();
  ServerOptions options;
  TlsOptions server;
  server.certificate_chain_pem = here.first;
  server.private_key_pem = here.second;
  server.ca_pem = there.first;
  server.alpn = {"h2", "http/1.1"};
  server.require_client_certificate = true;
  options.tls = TlsContext::server(server).value();
  Fixture fixture(options);
  std::string said;
  for (const char* alpn : {"h2", "http/1.1"}) {
    TlsOptions client;
    client.ca_pem = here.first;
    client.alpn = {alpn};
    const auto greet = [&] {
      fixture.client_tls = TlsContext::client(client).value();
      const Endpoint to = fixture.endpoint(Endpoint::Protocol::negotiate);
      with_client([&](Client& one) { return end_of_greeting(one, to, &said); });
      return said;
    };
    EXPECT_NE(greet(), "200");
    client.certificate_chain_pem = here.first;
    client.private_key_pem = here.second;
    EXPECT_NE(greet(), "200");
    client.certificate_chain_pem = there.first;
    client.private_key_pem = there.second;
    EXPECT_EQ(greet(), "200");
    client.ca_pem = there.first;
    EXPECT_TRUE(greet().contains("tls: failed to verify certificate: ")) << said;
  }
}

Task<void> two_trusts(Client& client, Endpoint to, std::string trusted, std::string other) {
  TlsOptions options;
  options.ca_pem = trusted;
  options.alpn = {"h2"};
  to.tls = TlsContext::client(options).value();
  EXPECT_TRUE(co_await fetch(client, to, make_request("GET", "/echo")));
  const std::uint64_t first = to.tls->id();
  // Most likely the new one is where the old one was.
  options.ca_pem = other;
  to.tls.reset();
  to.tls = TlsContext::client(options).value();
  EXPECT_NE(to.tls->id(), first);
  EXPECT_FALSE(co_await fetch(client, to, make_request("GET", "/echo")));
}

TEST(Tls, ConnectionsOfAContextThatIsGoneAreNoneOfTheNextOnes) {
  const auto own = self_signed();
  const auto other = self_signed();
  TlsOptions server;
  server.certificate_chain_pem = own.first;
  server.private_key_pem = own.second;
  server.alpn = {"h2"};
  ServerOptions options;
  options.tls = TlsContext::server(server).value();
  Fixture fixture(options);
  fixture.client_tls = TlsContext::client({}).value();
  const Endpoint to = fixture.endpoint(Endpoint::Protocol::negotiate);
  with_client([&](Client& one) { return two_trusts(one, to, own.first, other.first); });
}

Task<void> paused_tls() {
  const auto [certificate, key] = self_signed();
  TlsOptions options;
  options.certificate_chain_pem = certificate;
  options.private_key_pem = key;
  auto server_tls = TlsContext::server(options).value();
  TlsOptions trust;
  trust.ca_pem = certificate;
  auto client_tls = TlsContext::client(trust).value();
  std::string from_server;
  std::string from_client;
  auto server_wire = std::make_unique<HandTransport>(from_server);
  auto client_wire = std::make_unique<HandTransport>(from_client);
  HandTransport& to_server = *server_wire;
  HandTransport& to_client = *client_wire;
  auto server = server_tls->accept(std::move(server_wire));
  auto client = client_tls->connect(std::move(client_wire), "test.local");
  Listening at_server(*server, 0);
  Listening first(*client, 1);
  server->start(at_server);
  server->send("hello");
  client->start(first);
  to_server.to->on_bytes(std::exchange(from_client, {}));
  to_client.to->on_bytes(std::exchange(from_server, {}));
  to_server.to->on_bytes(std::exchange(from_client, {}));
  to_client.to->on_bytes(std::exchange(from_server, {}));
  co_await next_turn();
  EXPECT_EQ(first.heard, "");  // It has paused at the end of the handshake.
  Listening second(*client, 1);
  client->start(second);
  co_await next_turn();
  EXPECT_EQ(second.heard, "hello");  // And paused again.
  server->send("one");
  server->send("two");
  server->finish_sending();
  to_client.to->on_bytes(std::exchange(from_server, {}));
  to_client.to->on_end();
  co_await next_turn();
  EXPECT_EQ(second.heard, "hello");
  second.pauses = 1;
  client->pause_reading(false);
  EXPECT_EQ(second.heard, "hello");  // Never inside the call.
  co_await next_turn();
  EXPECT_EQ(second.heard, "helloone");
  client->pause_reading(false);
  co_await next_turn();
  EXPECT_EQ(second.heard, "helloonetwoEND");
  EXPECT_EQ(first.heard, "");
}
TEST(Tls, NothingIsDecryptedWhileReadingIsPausedAndNothingIsLost) { run(paused_tls()); }

}  // namespace
}  // namespace outrigger::net
