#pragma once

#include <future>
#include <map>

#include <gtest/gtest.h>

#include "net/http/server.h"
#include "runtime/api/http_api.h"
#include "runtime/app/gate.h"
#include "runtime/invoke/grpc.h"
#include "runtime/invoke/http.h"

/// Sidecars, applications and clients in one process, on one loop, for the tests of this folder.
namespace outrigger::runtime::invoke::testing {

using namespace std::chrono_literals;

/// A loop with a thread; run() waits for a task on it.
class World {
 public:
  World() { loops.start(); }
  ~World() { loops.stop_and_join(); }

  template <class T>
  T run(Task<T> task) {
    std::promise<T> promise;
    loops[0].post([&] { scope.spawn(store(std::move(task), &promise)); });
    return promise.get_future().get();
  }
  template <class F>
  void on_loop(F work) {
    std::promise<void> done;
    loops[0].post([&] {
      work();
      done.set_value();
    });
    done.get_future().get();
  }

  Loops loops{1};
  Scope scope;

 private:
  template <class T>
  static Task<void> store(Task<T> task, std::promise<T>* promise) {
    auto value = co_await std::move(task);
    promise->set_value(std::move(value));
  }
};

/// A server on a free port with one handler.
class TestServer {
 public:
  TestServer(World& world, net::RequestHandler& handler, net::ServerOptions options = {})
      : world_(world) {
    server_ = std::make_unique<net::Server>(
        world.loops, std::vector<net::RequestHandler*>{&handler}, std::move(options));
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    port = listener->port();
    world_.on_loop([&] { server_->listen(std::move(listener)); });
  }
  ~TestServer() { stop(); }
  void stop() {
    if (!server_) return;
    world_.run(stop_task(server_.get()));
    server_.reset();
  }
  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port); }

  std::uint16_t port = 0;

 private:
  static Task<bool> stop_task(net::Server* server) {
    co_await server->stop(10ms);
    co_return true;
  }
  World& world_;
  std::unique_ptr<net::Server> server_;
};

class StaticResolver final : public peers::Resolver {
 public:
  std::map<std::string, std::string, std::less<>> addresses;
  /// Given once, before the others.
  std::vector<std::string> first;
  int evicted = 0;

  Task<Result<>> init(components::nameresolution::Instance) override { co_return Result<>(); }
  std::optional<std::string> resolve_now(
      const components::nameresolution::ResolveRequest&) override {
    return std::nullopt;
  }
  Task<Result<std::string>> resolve(components::nameresolution::ResolveRequest request) override {
    if (!first.empty()) {
      std::string address = std::move(first.front());
      first.erase(first.begin());
      co_return address;
    }
    const auto found = addresses.find(request.id);
    if (found == addresses.end()) co_return fail(Code::not_found, "no address of " + request.id);
    co_return found->second;
  }
  void evict(std::string_view, std::string_view) override { ++evicted; }
  Task<void> close() override { co_return; }
};

/// The built-in retries without their pauses.
inline resiliency::Policies quick_retries() {
  resources::Resiliency document;
  document.retries["DaprBuiltInServiceRetries"] = {.duration = 10ms, .max_retries = 3};
  return resiliency::Policies({document});
}

/// A sidecar as far as invocation needs one.
class Sidecar {
 public:
  Sidecar(World& world, std::string app_id, std::uint16_t app_port = 0,
          app::ChannelOptions::Protocol protocol = app::ChannelOptions::Protocol::http,
          std::size_t body_bytes_max = 0)
      : metrics(telemetry::MetricsOptions{.app_id = app_id}), world_(world) {
    world.on_loop([&] { make(std::move(app_id), app_port, protocol, body_bytes_max); });
    http_server = std::make_unique<TestServer>(world, *http_api);
    net::ServerOptions options;
    options.grpc = true;
    grpc_server = std::make_unique<TestServer>(world, *grpc_api, options);
    internal_server = std::make_unique<TestServer>(world, *internal, options);
  }
  ~Sidecar() {
    http_server.reset();
    grpc_server.reset();
    internal_server.reset();
    world_.run(close(this));
    world_.on_loop([&] {
      service.reset();
      app.reset();
      http_api.reset();
      grpc_api.reset();
      internal.reset();
    });
  }

  telemetry::RuntimeMetrics metrics;
  app::Gate gate{0};
  std::unique_ptr<app::Channel> app;
  StaticResolver resolver;
  resiliency::Policies policies = quick_retries();
  std::unique_ptr<Service> service;
  api::Router router;
  std::unique_ptr<api::HttpApi> http_api;
  std::unique_ptr<net::grpc::Service> grpc_api, internal;
  std::unique_ptr<TestServer> http_server, grpc_server, internal_server;

 private:
  static Task<bool> close(Sidecar* self) {
    co_await self->grpc_api->drain();
    co_await self->internal->drain();
    co_await self->service->close();
    if (self->app) co_await self->app->close();
    co_return true;
  }
  void make(std::string app_id, std::uint16_t app_port, app::ChannelOptions::Protocol protocol,
            std::size_t body_bytes_max) {
    Service::Settings settings;
    settings.identity.app_id = app_id;
    settings.identity.host_address = "10.0.0.1";
    settings.host_name = "test-host";
    settings.metrics = &metrics;
    settings.body_bytes_max = body_bytes_max;
    settings.policies = &policies;
    settings.peers.connect_timeout = 2s;
    settings.peers.ping_after = 50ms;
    settings.peers.ping_timeout = 5s;  // A starved machine is no silent peer.
    service = std::make_unique<Service>(settings);
    service->set_resolver(&resolver);
    if (app_port != 0) {
      app::ChannelOptions options;
      options.port = app_port;
      options.protocol = protocol;
      options.app_id = app_id;
      app = app::make_channel(options, gate).value();
      service->set_app(app.get());
    }
    add_http_routes(router, *service);
    auto http_settings = std::make_shared<api::HttpApiSettings>();
    http_api = std::make_unique<api::HttpApi>(http_settings, router, metrics);
    http_api->set_fallback(make_fallback(*service));
    grpc_api = std::make_unique<net::grpc::Service>();
    add_grpc_methods(*grpc_api, *service);
    internal = std::make_unique<net::grpc::Service>();
    add_internal_methods(*internal, *service);
  }
  World& world_;
};

/// An HTTP client on the world's loop.
class TestClient {
 public:
  explicit TestClient(World& world) : world_(world) {
    world.on_loop([&] { client = std::make_unique<net::Client>(); });
  }
  ~TestClient() {
    world_.run(close(client.get()));
    world_.on_loop([&] { client.reset(); });
  }

  struct Answer {
    int status = 0;
    net::Headers headers;
    std::string body;
  };
  Answer send(std::uint16_t port, std::string method, std::string target, net::Body body = {},
              net::Headers headers = {}) {
    net::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.authority = "localhost";
    request.headers = std::move(headers);
    request.body = std::move(body);
    return world_.run(exchange(client.get(), port, std::move(request)));
  }
  static Task<Answer> exchange(net::Client* client, std::uint16_t port, net::Request request) {
    net::Endpoint to;
    to.address = {"127.0.0.1", port};
    auto response = co_await client->send(to, std::move(request));
    Answer answer;
    if (!response) {
      answer.body = response.error().message();
      co_return answer;
    }
    answer.status = response->status;
    answer.headers = std::move(response->headers);
    auto body = co_await response->body.read_all(1U << 30);
    answer.body = body ? *std::move(body) : "(broken) " + body.error().message();
    co_return answer;
  }

  std::unique_ptr<net::Client> client;

 private:
  static Task<bool> close(net::Client* client) {
    co_await client->close();
    co_return true;
  }
  World& world_;
};

}  // namespace outrigger::runtime::invoke::testing
