#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/pubsub/broker.h"
#include "net/uri.h"
#include "runtime/app/channel.h"
#include "runtime/pubsub/service.h"

/// Stand-ins for what this room talks to, for its tests.
namespace outrigger::pubsub {

namespace fake_detail = components::pubsub;

inline net::Target net_target(std::string_view target) { return net::split_target(target); }

/// A broker that keeps what is published, and delivers what the test says.
class FakeBroker : public fake_detail::Broker, public fake_detail::Pausable {
 public:
  int pauses = 0;
  /// Subscriptions at work when it was paused.
  std::size_t paused_with = 0;
  Pausable* pausable() noexcept override { return this; }
  Task<Result<>> pause() override {
    ++pauses;
    paused_with = delivers.size();
    co_return Result<>();
  }
  Task<Result<>> resume() override { co_return Result<>(); }
  std::vector<fake_detail::PublishRequest> published;
  int publish_calls = 0;
  std::optional<Error> publish_error;
  /// Publications whose data has this text in it fail with "refused".
  std::string fail_publish_of;
  bool hold_publish = false;
  Signal release_publish;
  Traits abilities;
  bool closed = false;

  std::optional<Error> subscribe_error;
  int subscribe_calls = 0;

  class FakeSubscription final : public fake_detail::Subscription {
   public:
    FakeSubscription(FakeBroker& owner, std::string topic) : owner_(owner), topic_(topic) {}
    ~FakeSubscription() override { OUT_ASSERT(closed_); }
    Task<void> close() override {
      closed_ = true;
      owner_.delivers.erase(topic_);
      while (owner_.running > 0) {
        [[maybe_unused]] auto woken = co_await owner_.settled.wait();
      }
    }

   private:
    FakeBroker& owner_;
    std::string topic_;
    bool closed_ = false;
  };
  std::map<std::string, fake_detail::Deliver> delivers;
  std::map<std::string, Properties> subscribed_metadata;
  int running = 0;
  Signal settled;

  Task<Result<>> init() override { co_return Result<>(); }
  Task<Result<>> publish(fake_detail::PublishRequest request) override {
    if (hold_publish) {
      OUT_CO_CHECK(co_await release_publish.wait());
    }
    ++publish_calls;
    if (publish_error) co_return fail(*publish_error);
    if (!fail_publish_of.empty() && request.data.find(fail_publish_of) != std::string::npos) {
      co_return fail(Code::internal, "refused");
    }
    published.push_back(std::move(request));
    co_return Result<>();
  }
  Task<Result<std::unique_ptr<fake_detail::Subscription>>> subscribe(
      fake_detail::SubscribeRequest request, fake_detail::Deliver deliver) override {
    ++subscribe_calls;
    if (subscribe_error) co_return fail(*subscribe_error);
    delivers[request.topic] = std::move(deliver);
    subscribed_metadata[request.topic] = request.metadata;
    co_return std::make_unique<FakeSubscription>(*this, request.topic);
  }
  Task<void> close() override {
    closed = true;
    co_return;
  }
  [[nodiscard]] Traits traits() const noexcept override { return abilities; }

  /// Gives a message to the subscription of its topic, as a broker would; the outcome.
  Task<Result<>> give(fake_detail::Message message) {
    const auto found = delivers.find(message.topic);
    if (found == delivers.end()) co_return fail(Code::not_found, "nobody subscribed");
    fake_detail::Deliver deliver = found->second;
    ++running;
    auto handled = co_await deliver(std::move(message));
    --running;
    settled.notify_all();
    co_return handled;
  }
};

inline std::shared_ptr<OpenBroker> open_fake(std::string name, std::unique_ptr<FakeBroker> broker,
                                             Properties properties = {}, std::string prefix = {}) {
  OpenBroker::Settings settings{std::move(name), TopicScopes(properties, "app"), std::move(prefix)};
  return std::make_shared<OpenBroker>(std::move(settings), std::move(broker));
}

/// An application that answers with what the test puts in.
class FakeApp final : public runtime::app::Channel {
 public:
  bool speaks_grpc = false;
  runtime::app::ChannelOptions settings;
  std::function<Task<Result<net::Response>>(net::Request)> on_http;
  std::function<Task<Result<net::grpc::Reply>>(std::string, std::string, net::grpc::CallOptions)>
      on_grpc;
  std::vector<net::Request> requests;

  [[nodiscard]] bool is_grpc() const noexcept override { return speaks_grpc; }
  [[nodiscard]] const runtime::app::ChannelOptions& options() const noexcept override {
    return settings;
  }
  Task<Result<net::Response>> http(net::Request request) override {
    if (on_http) return on_http(std::move(request));
    return missing();
  }
  Task<Result<net::grpc::Reply>> grpc(std::string path, std::string message,
                                      net::grpc::CallOptions options) override {
    return on_grpc(std::move(path), std::move(message), std::move(options));
  }
  Task<Result<net::Response>> proxy(net::Request) override { return missing(); }
  Task<void> close() override { co_return; }

 private:
  static Task<Result<net::Response>> missing() {
    co_return fail(Code::unavailable, "no such application");
  }
};

}  // namespace outrigger::pubsub
