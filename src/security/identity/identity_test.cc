#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sync.h"
#include "dapr/proto/sentry/v1/sentry.pb.h"
#include "net/grpc/channel.h"
#include "net/grpc/server.h"
#include "net/http/client.h"
#include "net/http/server.h"
#include "security/identity/provider.h"
#include "security/x509/certificate.h"
#include "security/x509/pem.h"
#include "security/x509/request.h"

namespace outrigger::security::identity {
namespace {

using namespace std::chrono_literals;
namespace pb = ::dapr::proto::sentry::v1;

x509::Template template_for(std::string uri, x509::Template::Kind kind, Duration life = 1h) {
  x509::Template made;
  if (kind == x509::Template::Kind::ca) made.subject.organization = "test";
  made.not_before = wall_now() - 15min;
  made.not_after = wall_now() + life;
  made.kind = kind;
  if (!uri.empty()) made.uris.push_back(std::move(uri));
  return made;
}

/// A root that signs leaves.
struct Root {
  x509::PrivateKey key = x509::PrivateKey::generate(x509::KeyType::ed25519).value();
  x509::Certificate certificate =
      x509::issue_self_signed(template_for("", x509::Template::Kind::ca), key).value();

  [[nodiscard]] Credentials leaf(const std::string& id, Duration life = 1h) const {
    const auto own = x509::PrivateKey::generate(x509::KeyType::p256).value();
    return {.id = id,
            .chain_pem = sign(id, own.public_key(), life),
            .key_pem = own.pem(),
            .anchors_pem = certificate.pem()};
  }
  [[nodiscard]] std::string sign(const std::string& id, const x509::PublicKey& of,
                                 Duration life = 1h) const {
    const auto wanted = template_for(id, x509::Template::Kind::leaf, life);
    return x509::issue(wanted, of, certificate, key).value().pem();
  }
};

/// An authority for tests, and whatever else serves TLS. Its loop has a thread of its own.
class World {
 public:
  World() { loops_.start(); }
  ~World() {
    on_loop([this] {
      servers_.clear();
      scope_.reset();
    });
    loops_.stop_and_join();
  }
  template <class T>
  T run(Task<T> task) {
    std::promise<T> promise;
    loops_[0].post([&] { scope().spawn(store(std::move(task), &promise)); });
    return promise.get_future().get();
  }
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    loops_[0].post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }
  /// The port of a server of this handler.
  std::uint16_t serve(net::RequestHandler& handler, std::shared_ptr<net::TlsContext> tls) {
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    const std::uint16_t port = listener->port();
    on_loop([&] {
      net::ServerOptions options{.grpc = true};
      options.tls = std::move(tls);
      servers_.push_back(
          std::make_unique<net::Server>(loops_, std::vector{&handler}, std::move(options)));
      servers_.back()->listen(std::move(listener));
    });
    return port;
  }
  void stop_servers() { run(stop(this)); }

 private:
  template <class T>
  static Task<void> store(Task<T> task, std::promise<T>* promise) {
    promise->set_value(co_await std::move(task));
  }
  static Task<bool> stop(World* self) {
    for (auto& server : self->servers_) co_await server->stop(0s);
    co_return true;
  }
  Scope& scope() {
    if (!scope_) scope_ = std::make_unique<Scope>();
    return *scope_;
  }
  Loops loops_{1};
  std::unique_ptr<Scope> scope_;
  std::vector<std::unique_ptr<net::Server>> servers_;
};

constexpr const char* kSentryId = "spiffe://localhost/ns/default/dapr-sentry";

/// Signs what it is asked to sign, with the root that the test sets.
struct Authority {
  explicit Authority(World& world) : world_(world) {
    service.unary(std::string("/dapr.proto.sentry.v1.CA/SignCertificate"),
                  [this](net::grpc::Call&, std::string message) { return sign(this, message); });
    tls = net::TlsContext::server(options()).value();
    port = world.serve(service, tls);
  }
  ~Authority() {
    world_.stop_servers();
    world_.run(drain(this));
  }
  static Task<bool> drain(Authority* self) {
    co_await self->service.drain();
    co_return true;
  }
  net::TlsOptions options() const {
    const Credentials own = root.leaf(kSentryId);
    return {.certificate_chain_pem = own.chain_pem, .private_key_pem = own.key_pem, .alpn = {"h2"}};
  }
  static Task<Result<std::string>> sign(Authority* self, std::string message) {
    ++self->asked;
    while (self->holds) {
      [[maybe_unused]] auto slept = co_await sleep_for(1ms);
    }
    if (self->refusals-- > 0) co_return fail(Code::unavailable, "not now");
    pb::SignCertificateRequest request;
    EXPECT_TRUE(request.ParseFromString(message));
    self->last = request;
    const auto blocks = x509::parse_pem(request.certificate_signing_request());
    EXPECT_EQ(blocks.size(), 1U);
    const auto parsed = x509::parse_request(blocks.front().der);
    const std::string id = "spiffe://public/ns/" + request.namespace_() + "/" + request.id();
    pb::SignCertificateResponse response;
    response.set_workload_certificate(self->root.sign(id, parsed.value().key, self->life));
    response.add_trust_chain_certificates(self->anchors());
    co_return response.SerializeAsString();
  }
  std::string anchors() const {
    return root.certificate.pem() + (next ? next->certificate.pem() : "");
  }
  ProviderOptions provider_options() {
    ProviderOptions made;
    made.authority.address = "127.0.0.1:" + std::to_string(port);
    made.authority.authority_id = kSentryId;
    made.authority.id = "orders";
    made.authority.app_namespace = "shop";
    made.anchors.pem = root.certificate.pem();
    made.anchors.look_every = 10ms;
    made.retry_after = 10ms;
    made.first_wait = 1ms;
    made.keep_min = 10ms;
    return made;
  }

  World& world_;
  Root root;
  std::optional<Root> next;
  Duration life = 1h;
  std::atomic<int> refusals = 0;
  std::atomic<int> asked = 0;
  std::atomic<bool> holds = false;
  pb::SignCertificateRequest last;
  net::grpc::Service service;
  std::shared_ptr<net::TlsContext> tls;
  std::uint16_t port = 0;
};

/// Tells each caller who it is.
class WhoAmI final : public net::RequestHandler {
 public:
  Task<net::Response> handle(net::Request request) override {
    net::Response response;
    response.body = request.peer->identity;
    co_return response;
  }
};

/// What a server says of whoever calls it with this context; else why not.
Task<std::string> ask(std::uint16_t port, std::shared_ptr<net::TlsContext> tls) {
  net::Client client({.connect_timeout = 5s});
  net::Endpoint to{.address = {.host = "127.0.0.1", .port = port},
                   .protocol = net::Endpoint::Protocol::http2,
                   .tls = std::move(tls)};
  net::Request request;
  request.method = "GET";
  request.target = "/";
  request.scheme = "https";
  request.authority = "test";
  std::string said;
  auto response = co_await client.send(to, std::move(request));
  if (response) {
    auto body = co_await response->body.read_all(1000);
    said = body ? *body : body.error().message();
  } else {
    said = response.error().message();
  }
  co_await client.close();
  co_return said;
}

TEST(Identity, BothSidesShowWhoTheyAreAndNoOtherIsAccepted) {
  World world;
  const Root root;
  const auto orders = Contexts::make(root.leaf("spiffe://public/ns/shop/orders")).value();
  const auto stock = Contexts::make(root.leaf("spiffe://public/ns/shop/stock")).value();
  WhoAmI who;
  const auto port = world.serve(who, stock->server());
  EXPECT_EQ(world.run(ask(port, orders->client_of("spiffe://public/ns/shop/stock"))),
            "spiffe://public/ns/shop/orders");
  EXPECT_EQ(world.run(ask(port, orders->client_of_path("/ns/shop/stock"))),
            "spiffe://public/ns/shop/orders");
  EXPECT_TRUE(world.run(ask(port, orders->client_of("spiffe://other/ns/shop/stock")))
                  .contains("unexpected SPIFFE ID: \"spiffe://public/ns/shop/stock\""));
  const auto stranger = Contexts::make(Root().leaf("spiffe://public/ns/shop/orders")).value();
  EXPECT_FALSE(world.run(ask(port, stranger->client_of_path("/ns/shop/stock"))).contains("orders"));
  const auto anonymous =
      trusting_client(root.certificate.pem(), "spiffe://public/ns/shop/stock").value();
  EXPECT_NE(world.run(ask(port, anonymous)), "");
  world.stop_servers();
}

Task<bool> close(Provider* provider) {
  co_await provider->close();
  co_return true;
}

TEST(Identity, IsAskedForWithAFreshKeyAndNamesItself) {
  World world;
  Authority authority(world);
  authority.refusals = 2;
  auto options = authority.provider_options();
  options.authority.jwt_audiences = {"a", "b"};
  Provider provider(options);
  const auto opened = world.run(provider.open());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ(authority.asked, 3) << "what is not there yet is asked again";
  EXPECT_EQ(provider.contexts().credentials().id, "spiffe://public/ns/shop/orders");
  EXPECT_EQ(authority.last.jwt_audiences_size(), 2);
  EXPECT_EQ(authority.last.token_validator(), pb::SignCertificateRequest::UNKNOWN);
  world.run(close(&provider));
}

Task<Result<>> open_until_it_complains(Provider* provider, const LogCapture* logged) {
  Cancellation enough(co_await this_cancellation());
  Timer look([&] {
    if (logged->contains("trying again")) return enough.request();
    look.start(1ms);
  });
  look.start(1ms);
  auto opening = provider->open();
  auto opened = co_await std::move(opening).under(enough);
  co_return opened;
}

TEST(Identity, OfAnAuthorityThatIsAnotherIsNotTakenAndWaitedFor) {
  const LogCapture logged;
  World world;
  Authority authority(world);
  auto options = authority.provider_options();
  options.authority.authority_id = "spiffe://localhost/ns/elsewhere/dapr-sentry";
  options.first_wait = std::chrono::hours(1);
  Provider provider(options);
  EXPECT_FALSE(world.run(open_until_it_complains(&provider, &logged)));
  EXPECT_TRUE(logged.contains("unexpected SPIFFE ID")) << logged.text();
  EXPECT_EQ(authority.asked, 0);
  auto token = authority.provider_options();
  token.authority.token_file = "/nowhere/token";
  Provider tokenless(token);
  EXPECT_TRUE(world.run(tokenless.open()).error().message().contains("error obtaining token"));
}

TEST(Identity, IsWaitedForIfTheAuthorityIsDeaf) {
  const LogCapture logged;
  World world;
  Authority authority(world);
  // The kernel takes the connection, and nobody the handshake.
  const auto deaf = net::Listener::bind("127.0.0.1", 0).value();
  auto options = authority.provider_options();
  options.authority.address = "127.0.0.1:" + std::to_string(deaf->port());
  options.first_wait = std::chrono::hours(1);
  Provider provider(options);
  EXPECT_FALSE(world.run(open_until_it_complains(&provider, &logged)));
  EXPECT_TRUE(logged.contains("error establishing connection to sentry")) << logged.text();
}

TEST(Identity, IsRenewedAtHalfOfItsTimeAndAgainAfterAFailure) {
  World world;
  Authority authority(world);
  authority.life = 40ms;
  std::atomic<int> renewed = 0;
  std::atomic<int> failures = 0;
  auto options = authority.provider_options();
  options.renewed = [&] { ++renewed; };
  options.failed = [&](std::string_view reason) {
    EXPECT_EQ(reason, "sign");
    ++failures;
  };
  Provider provider(options);
  ASSERT_TRUE(world.run(provider.open()));
  const std::string first = provider.contexts().credentials().chain_pem;
  while (renewed == 0) std::this_thread::yield();
  EXPECT_NE(provider.contexts().credentials().chain_pem, first);
  authority.refusals = 5;
  while (failures == 0) std::this_thread::yield();
  const int before = renewed;
  while (renewed == before) std::this_thread::yield();
  world.run(close(&provider));
}

TEST(Identity, LearnsANewRootFromTheAuthorityBeforeItIsUsed) {
  World world;
  Authority authority(world);
  authority.next.emplace();
  Provider provider(authority.provider_options());
  ASSERT_TRUE(world.run(provider.open()));
  // A peer that has its certificate from the new root already.
  Credentials ahead = authority.next->leaf("spiffe://public/ns/shop/stock");
  ahead.anchors_pem = authority.anchors();
  const auto stock = Contexts::make(ahead).value();
  WhoAmI who;
  const auto port = world.serve(who, stock->server());
  EXPECT_EQ(world.run(ask(port, provider.contexts().client_of_path("/ns/shop/stock"))),
            "spiffe://public/ns/shop/orders");
  world.run(close(&provider));
}

TEST(Identity, FollowsTheFileOfItsAnchors) {
  World world;
  Authority authority(world);
  const Root added;
  const auto file = std::filesystem::temp_directory_path() /
                    ("outrigger-anchors-" + std::to_string(::getpid()) + ".crt");
  std::ofstream(file) << authority.root.certificate.pem();
  auto options = authority.provider_options();
  options.anchors.pem.clear();
  options.anchors.file = file;
  std::atomic<int> renewed = 0;
  options.renewed = [&] { ++renewed; };
  Provider provider(options);
  ASSERT_TRUE(world.run(provider.open()));
  std::ofstream(file) << "nothing to trust";
  std::ofstream(file) << authority.root.certificate.pem() << added.certificate.pem();
  while (renewed == 0) std::this_thread::yield();
  const auto anchors = x509::parse_certificates(provider.contexts().credentials().anchors_pem);
  EXPECT_EQ(anchors.value().size(), 2U) << "each once";
  world.run(close(&provider));
  std::filesystem::remove(file);
}

TEST(Identity, IsAskedForAgainIfTheAnchorsChangeWhileItIsAskedFor) {
  World world;
  Authority authority(world);
  const Root second, third;
  const auto file = std::filesystem::temp_directory_path() /
                    ("outrigger-anchors-twice-" + std::to_string(::getpid()) + ".crt");
  std::string text = authority.root.certificate.pem();
  const auto add = [&](const Root& root) {
    text += root.certificate.pem();
    std::ofstream(file) << text;
  };
  std::ofstream(file) << text;
  auto options = authority.provider_options();
  options.anchors.pem.clear();
  options.anchors.file = file;
  Provider provider(options);
  ASSERT_TRUE(world.run(provider.open()));
  authority.holds = true;
  add(second);
  while (authority.asked < 2) std::this_thread::yield();
  const int before = authority.asked;
  add(third);
  const auto known = [&] {
    return x509::parse_certificates(provider.contexts().credentials().anchors_pem)->size();
  };
  while (known() < 3) std::this_thread::yield();
  authority.holds = false;
  while (authority.asked == before) std::this_thread::yield();
  world.run(close(&provider));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace outrigger::security::identity
