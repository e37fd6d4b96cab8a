#include "runtime/invoke/http.h"

#include "base/base64.h"
#include "runtime/invoke/sidecar_testing.h"

namespace outrigger::runtime::invoke {
namespace {

using namespace testing;

/// An application that says what it was sent.
class App final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    ++calls;
    net::Response response;
    response.headers.add("X-Method", request.method);
    response.headers.add("X-Target", request.target);
    if (request.target.starts_with("/headers")) {
      for (const Field field : request.headers) {
        response.body.whole.append(field.name).append(": ").append(field.value).append("\n");
      }
    } else if (request.target == "/short") {
      auto pipe = std::make_shared<net::Pipe>();
      pipe->push(std::string_view("\"ok\""));
      response.content_length = 999;
      response.body = net::Body(pipe);
      Loop::current().post([pipe] { pipe->abort(Error(Code::unavailable, "no more")); });
    } else if (request.target == "/hop") {
      for (const auto name : {"Upgrade", "HTTP2-Settings", "TE", "Proxy-Authorization"}) {
        response.headers.add(name, "x");
      }
      response.headers.add("X-Kept", "yes");
      response.body = "ok";
    } else if (request.target.starts_with("/status/")) {
      response.status = std::stoi(request.target.substr(8));
      response.body = "answer";
    } else if (request.target == "/never") {
      Completion<> never;
      auto woken = co_await never.wait();
      if (!woken) ++cancelled;
    } else {
      auto body = co_await request.body.read_all(64U << 20);
      response.headers.add("X-Body-Type", request.headers.value("content-type"));
      response.headers.add("Content-Type", "text/plain");
      response.body = body.value_or("(broken)");
    }
    co_return response;
  }
  std::atomic<int> calls = 0;
  std::atomic<int> cancelled = 0;
};

struct Net {
  Net() { caller.resolver.addresses["callee"] = callee.internal_server->address(); }
  TestClient::Answer send(std::string method, std::string target, net::Body body = {},
                          net::Headers headers = {}) {
    return client.send(caller.http_server->port, std::move(method), std::move(target),
                       std::move(body), std::move(headers));
  }
  World world;
  App app;
  TestServer app_server{world, app};
  Sidecar callee{world, "callee", app_server.port};
  Sidecar caller{world, "caller", app_server.port};
  TestClient client{world};
};

/// The same through another sidecar and straight to the own application.
class InvokeOverHttp : public ::testing::TestWithParam<std::string> {
 protected:
  TestClient::Answer invoke(std::string method, const std::string& name, net::Body body = {},
                            net::Headers headers = {}) {
    return net_.send(std::move(method), "/v1.0/invoke/" + GetParam() + "/method/" + name,
                     std::move(body), std::move(headers));
  }
  Net net_;
};
INSTANTIATE_TEST_SUITE_P(To, InvokeOverHttp, ::testing::Values("callee", "caller"),
                         [](const auto& info) { return info.param; });

TEST_P(InvokeOverHttp, CarriesMethodQueryAndBodyThereAndTheAnswerBack) {
  const auto answer = invoke("PUT", "echo/deep?a=b&c=%20d", "payload", {{"Content-Type", "x/y"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "payload");
  EXPECT_EQ(answer.headers.value("x-method"), "PUT");
  EXPECT_EQ(answer.headers.value("x-target"), "/echo/deep?a=b&c=%20d");
  EXPECT_EQ(answer.headers.value("x-body-type"), "x/y");
  EXPECT_EQ(answer.headers.joined("content-type"), "text/plain");
  EXPECT_EQ(answer.headers.joined("content-length"), "7");
}

TEST_P(InvokeOverHttp, KnowsAllVerbsAndSendsOthersAsPost) {
  for (const std::string verb : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_EQ(invoke(verb, "x").headers.value("x-method"), verb);
  }
  EXPECT_EQ(invoke("PROPFIND", "x").headers.value("x-method"), "POST");
  EXPECT_EQ(invoke("HEAD", "x").headers.value("x-method"), "HEAD");
}

TEST_P(InvokeOverHttp, SaysNoLengthInAnswerToHeadButThatOfErrors) {
  const auto fine = invoke("HEAD", "status/200");
  EXPECT_EQ(fine.status, 200);
  EXPECT_FALSE(fine.headers.contains("content-length"));
  const auto failed = invoke("HEAD", "status/404");
  EXPECT_EQ(failed.status, 404);
  EXPECT_EQ(failed.headers.joined("content-length"), "0");
}

TEST_P(InvokeOverHttp, PassesStatusesOn) {
  for (const int status : {201, 204, 301, 400, 404, 409, 500, 502, 503}) {
    EXPECT_EQ(invoke("POST", "status/" + std::to_string(status), "x").status, status);
  }
  EXPECT_EQ(invoke("GET", "status/404").body, "answer");
  EXPECT_EQ(invoke("GET", "status/404").headers.value("content-type"), "application/json");
  EXPECT_EQ(invoke("GET", "status/202").headers.value("content-type"), "text/plain; charset=utf-8");
}

TEST_P(InvokeOverHttp, DecodesAndCleansTheMethod) {
  const std::pair<std::string, std::string> kCases[] = {{"test%22stream", "/test%22stream"},
                                                        {"test%2Astream", "/test*stream"},
                                                        {"test%5Cstream", "/test%5Cstream"},
                                                        {"a%20b", "/a%20b"},
                                                        {"admin%2F..%2Fpublic", "/public"},
                                                        {"a//b/", "/a/b"},
                                                        {"%C3%A9", "/%C3%A9"},
                                                        {"", "/"}};
  for (const auto& [sent, seen] : kCases) {
    EXPECT_EQ(invoke("GET", sent).headers.value("x-target"), seen) << sent;
  }
}

TEST_P(InvokeOverHttp, RefusesForbiddenMethods) {
  for (const std::string method :
       {"test%23stream", "test%3Fstream", "test%25stream", "test%00stream", "test%0Dstream"}) {
    const auto answer = invoke("GET", method);
    EXPECT_EQ(answer.status, 500) << method;
    EXPECT_NE(answer.body.find("ERR_DIRECT_INVOKE"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(net_.app.calls, 0);
}

TEST_P(InvokeOverHttp, KeepsHeadersOfTheConnectionToItself) {
  const auto answer = invoke("GET", "headers", {},
                             {{"Upgrade", "websocket"},
                              {"TE", "trailers"},
                              {"Proxy-Authorization", "p"},
                              {"X-Yours", "2"},
                              {"x-lower", "3"}});
  EXPECT_EQ(answer.body.find("Upgrade"), std::string::npos);
  EXPECT_EQ(answer.body.find("Te:"), std::string::npos);
  EXPECT_EQ(answer.body.find("Proxy"), std::string::npos);
  EXPECT_NE(answer.body.find("X-Yours: 2\n"), std::string::npos);
  EXPECT_NE(answer.body.find("X-Lower: 3\n"), std::string::npos);
  const auto hop = invoke("GET", "hop");
  for (const auto name : {"upgrade", "http2-settings", "te", "proxy-authorization"}) {
    EXPECT_FALSE(hop.headers.contains(name)) << name;
  }
  EXPECT_EQ(hop.headers.value("x-kept"), "yes");
}

TEST_P(InvokeOverHttp, TakesABodyThatIsShorterThanDeclaredAsItIs) {
  const auto answer = invoke("GET", "short");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "\"ok\"");
}

TEST_P(InvokeOverHttp, AsksForServerSentEvents) {
  const auto answer = invoke("GET", "headers", {}, {{"accept", "Text/Event-Stream"}});
  EXPECT_EQ(answer.headers.joined("content-type"), "text/event-stream");
  EXPECT_EQ(answer.headers.joined("cache-control"), "no-cache");
  EXPECT_NE(answer.body.find("Accept: text/event-stream\n"), std::string::npos);
}

TEST_P(InvokeOverHttp, PassesTheTraceOn) {
  constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const auto answer = invoke("GET", "headers", {}, {{"traceparent", kParent}, {"baggage", "a=b"}});
  EXPECT_NE(answer.body.find("raceparent: " + std::string(kParent)), std::string::npos)
      << answer.body;
  EXPECT_NE(answer.body.find("aggage: a=b"), std::string::npos);
}

TEST(Invoke, TellsTheApplicationWhoCalls) {
  Net net;
  const auto answer = net.send("GET", "/v1.0/invoke/callee/method/headers", {},
                               {{"X-Forwarded-For", "1.2.3.4"}, {"dapr-caller-app-id", "forged"}});
  EXPECT_NE(answer.body.find("Dapr-Caller-App-Id: caller\n"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("Dapr-Callee-App-Id: callee\n"), std::string::npos);
  EXPECT_NE(answer.body.find("Dapr-Caller-Namespace: default\n"), std::string::npos);
  EXPECT_NE(answer.body.find("X-Forwarded-For: 1.2.3.4\n"), std::string::npos);
  EXPECT_NE(answer.body.find("X-Forwarded-For: 10.0.0.1\n"), std::string::npos);
  EXPECT_NE(answer.body.find("X-Forwarded-Host: test-host\n"), std::string::npos);
  EXPECT_NE(answer.body.find("Forwarded: for=10.0.0.1;by=10.0.0.1;host=test-host\n"),
            std::string::npos);
  EXPECT_EQ(answer.body.find("forged"), std::string::npos);
  EXPECT_EQ(answer.body.find("estination"), std::string::npos);
}

TEST(Invoke, FindsTheAppByHeaderAndByBasicAuthentication) {
  Net net;
  auto answer = net.send("GET", "/any/path?q=1", {}, {{"dapr-app-id", "callee"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.value("x-target"), "/any/path?q=1");
  answer = net.send("GET", "/admin%2F..%2Fpublic", {},
                    {{"Authorization", "Basic " + base64_encode("dapr-app-id:callee")}});
  EXPECT_EQ(answer.headers.value("x-target"), "/public");
  answer = net.send("GET", "/headers", {}, {{"dapr-app-id", "callee"}});
  EXPECT_EQ(answer.body.find("Dapr-App-Id"), std::string::npos);
}

TEST(Invoke, WithoutAnAppIsNotFound) {
  Net net;
  for (const std::string path : {"/nowhere", "/v1.0/invoke/callee", "/v1.0/invoke/callee/other"}) {
    const auto answer = net.send("POST", path);
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body,
              R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed getting app id either from )"
              R"(the URL path or the header dapr-app-id"})");
  }
}

TEST(Invoke, OfAnUnknownAppSaysWhy) {
  Net net;
  const auto answer = net.send("GET", "/v1.0/invoke/nobody/method/x");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body,
            R"({"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: nobody, err: no )"
            R"(address of nobody"})");
  EXPECT_NE(net.send("GET", "/v1.0/invoke/a.b.c/method/x").body.find("err: invalid app id a.b.c"),
            std::string::npos);
}

TEST(Invoke, OfADeadSidecarIsTriedFourTimes) {
  Net net;
  net.callee.internal_server->stop();
  const auto answer = net.send("POST", "/v1.0/invoke/callee/method/x", "body");
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("failed to invoke target callee after 3 retries. Error: rpc error: "
                             "code = Unavailable desc = "),
            std::string::npos)
      << answer.body;
  EXPECT_EQ(net.caller.resolver.evicted, 4);
}

TEST(Invoke, SurvivesARestartOfTheOtherSidecar) {
  Net net;
  EXPECT_EQ(net.send("GET", "/v1.0/invoke/callee/method/x").status, 200);
  net.callee.internal_server->stop();
  net::ServerOptions options;
  options.grpc = true;
  TestServer elsewhere(net.world, *net.callee.internal, options);
  net.caller.resolver.addresses["callee"] = elsewhere.address();
  EXPECT_EQ(net.send("POST", "/v1.0/invoke/callee/method/x", "b").body, "b");
}

TEST(Invoke, WithoutAnApplicationSaysSo) {
  Net net;
  Sidecar lonely(net.world, "lonely");
  net.caller.resolver.addresses["lonely"] = lonely.internal_server->address();
  EXPECT_NE(net.send("GET", "/v1.0/invoke/lonely/method/x")
                .body.find("rpc error: code = Internal desc = app channel is not initialized"),
            std::string::npos);
  const auto own = net.client.send(lonely.http_server->port, "GET", "/v1.0/invoke/lonely/method/x");
  EXPECT_NE(own.body.find("cannot invoke local endpoint: app channel not initialized"),
            std::string::npos);
}

TEST(Invoke, OfADeadApplicationIsAnErrorAtOnce) {
  Net net;
  net.app_server.stop();
  const auto answer = net.send("GET", "/v1.0/invoke/callee/method/x");
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("rpc error: code = Internal desc = error invoking app channel: Get "
                             "\\\"http://127.0.0.1:"),
            std::string::npos)
      << answer.body;
}

TEST(Invoke, ThatAccessControlForbidsIs403) {
  Net net;
  std::string seen;
  net.world.on_loop([&] {
    net.callee.service->set_access([&seen](const AccessQuestion& question) -> Result<> {
      seen = std::string(question.operation) + " " + std::string(to_string(question.verb));
      return fail(Code::permission_denied, "access control policy has denied access");
    });
  });
  const auto answer = net.send("DELETE", "/v1.0/invoke/callee/method/a/../secret");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(seen, "secret DELETE");
  EXPECT_NE(answer.body.find("rpc error: code = PermissionDenied desc = access control policy"),
            std::string::npos);
  EXPECT_EQ(net.app.calls, 0);
}

TEST(Invoke, OfAServiceOutsideGoesThereDirectly) {
  Net net;
  const std::string url = "http://127.0.0.1:" + std::to_string(net.app_server.port);
  auto answer = net.send("POST", "/v1.0/invoke/" + url + "/method/a/b?c=d", "body");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "body");
  EXPECT_EQ(answer.headers.value("x-target"), "/a/b?c=d");

  resources::HttpEndpoint resource;
  resource.name = "site";
  resource.base_url = url + "/base";
  resource.headers = {{.name = "X-Key", .value = "secret", .has_value = true}};
  auto endpoints = std::make_shared<Endpoints>(Endpoints::make({resource}));
  net.world.on_loop([&] { net.caller.service->set_endpoints(endpoints); });
  answer = net.send("GET", "/v1.0/invoke/site/method/headers");
  EXPECT_EQ(answer.headers.value("x-target"), "/base/headers");
  resource.base_url = url;
  endpoints = std::make_shared<Endpoints>(Endpoints::make({resource}));
  net.world.on_loop([&] { net.caller.service->set_endpoints(endpoints); });
  answer = net.send("GET", "/v1.0/invoke/site/method/headers", {}, {{"x-key", "guess"}});
  EXPECT_NE(answer.body.find("X-Key: secret\n"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("guess"), std::string::npos);
  EXPECT_EQ(answer.body.find("ller-app-id"), std::string::npos);

  answer = net.send("GET", "/v1.0/invoke/http://127.0.0.1:1/method/x");
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("Get \\\"http://127.0.0.1:1/x\\\": "), std::string::npos);
}

resources::TlsDocument text(std::string value) {
  resources::TlsDocument document;
  document.value = std::move(value);
  return document;
}

TEST(Invoke, OfAServiceOutsideWhoseCertificatesAreUnusableSaysWhichAndHarmsNoOther) {
  Net net;
  resources::HttpEndpoint good;
  good.name = "good";
  good.base_url = "http://127.0.0.1:" + std::to_string(net.app_server.port);
  resources::HttpEndpoint bad = good;
  bad.name = "bad";
  const auto said = [&](std::string_view about) {
    auto endpoints = std::make_shared<Endpoints>(Endpoints::make({good, bad}));
    net.world.on_loop([&] { net.caller.service->set_endpoints(endpoints); });
    EXPECT_EQ(net.send("GET", "/v1.0/invoke/good/method/x").status, 200);
    const int calls = net.app.calls;
    const auto answer = net.send("GET", "/v1.0/invoke/bad/method/x");
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(net.app.calls, calls);
    EXPECT_TRUE(answer.body.contains("clientTLS of the http endpoint bad: ")) << answer.body;
    EXPECT_TRUE(answer.body.contains(about)) << answer.body;
  };
  resources::ClientTls& tls = bad.client_tls.emplace();
  tls.root_ca = text("not a certificate");
  said("no certificate in the root CA text");
  tls.root_ca = text("");
  said("rootCA");
  tls.root_ca = resources::TlsDocument{.value = std::nullopt, .secret_key_ref = {"login", "ca"}};
  said("rootCA: the secret login has no value under ca");
  tls.root_ca.reset();
  tls.private_key = text("a key");
  said("a privateKey is given, but no certificate");
  tls.certificate = text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  said("the certificate is not PEM");
  tls.private_key = text("");
  said("privateKey");
}

TEST(Invoke, OfAServiceOutsideKeepsItsConnectionsAsLongAsItsCertificatesStay) {
  resources::HttpEndpoint site;
  site.name = "site";
  site.base_url = "https://127.0.0.1:1";
  const Endpoints first = Endpoints::make({site});
  ASSERT_FALSE(first.find("site")->unusable);
  site.base_url = "https://127.0.0.1:2";
  site.headers = {{.name = "X-Key", .value = "secret", .has_value = true}};
  const Endpoints second = Endpoints::make({site}, first);
  EXPECT_EQ(second.find("site")->tls, first.find("site")->tls);
  site.client_tls.emplace().renegotiation = resources::ClientTls::Renegotiation::once_as_client;
  const Endpoints third = Endpoints::make({site}, second);
  EXPECT_NE(third.find("site")->tls, first.find("site")->tls);
}

/// An application that answers each request with more bytes than the answer has.
class Talkative {
 public:
  explicit Talkative(World& world) : world_(world) {
    listener_ = net::Listener::bind("127.0.0.1", 0).value();
    port = listener_->port();
    world_.on_loop([this] {
      listener_->start([this](int fd, net::Peer peer) {
        connections_.push_back(std::make_unique<Connection>(fd, std::move(peer)));
        ++accepted;
      });
    });
  }
  ~Talkative() {
    world_.on_loop([this] {
      listener_->close();
      connections_.clear();
      listener_.reset();
    });
  }
  std::uint16_t port = 0;
  std::atomic<int> accepted = 0;

 private:
  struct Connection final : net::Transport::Events {
    Connection(int fd, net::Peer peer)
        : transport(net::make_socket_transport(fd, std::move(peer))) {
      transport->start(*this);
    }
    void on_bytes(std::string_view) override {
      transport->send("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n");
    }
    void on_end() override {}
    void on_error(const Error&) override {}
    void on_drained() override {}
    std::unique_ptr<net::Transport> transport;
  };
  World& world_;
  std::unique_ptr<net::Listener> listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

TEST(Invoke, OfAnApplicationThatSaysTooMuchDoesNotSpoilTheNextAnswer) {
  World world;
  Talkative app(world);
  Sidecar sidecar(world, "me", app.port);
  TestClient client(world);
  for (int i = 1; i <= 3; ++i) {
    const auto answer =
        client.send(sidecar.http_server->port, "POST", "/v1.0/invoke/me/method/x", "b");
    EXPECT_EQ(answer.status, 204) << answer.body;
    EXPECT_EQ(app.accepted, i);
  }
}

}  // namespace
}  // namespace outrigger::runtime::invoke
