#include "components/pluggable/discovery.h"
#include "components/pluggable/messages.h"
#include "components/pluggable/pull_subscription.h"
#include "dapr/proto/components/v1/pubsub.pb.h"

namespace outrigger::components::pluggable {
namespace {

namespace proto = dapr::proto::components::v1;

/// What the instances of one component share.
struct Shares {
  std::shared_ptr<Session> session = std::make_shared<Session>();
  std::atomic<bool> paused = false;
};

class SocketBroker final : public pubsub::Broker, pubsub::BulkPublisher, pubsub::Pausable {
 public:
  SocketBroker(const Socket& socket, const Metadata& metadata, std::shared_ptr<Shares> shares)
      : shares_(std::move(shares)),
        connection_({socket.path, "dapr.proto.components.v1.PubSub"}, metadata, shares_->session) {}

  Task<Result<>> init() override { return connection_.open(); }
  Task<void> close() override { return connection_.close(); }
  Task<Result<>> ping() override { return connection_.ping(); }

  Task<Result<>> publish(pubsub::PublishRequest request) override;
  Task<Result<std::unique_ptr<pubsub::Subscription>>> subscribe(pubsub::SubscribeRequest request,
                                                                pubsub::Deliver deliver) override;

  [[nodiscard]] Traits traits() const noexcept override {
    return {.message_ttl = connection_.has("MESSAGE_TTL"),
            .subscribe_wildcards = connection_.has("SUBSCRIBE_WILDCARDS"),
            .bulk_subscribe_immediate = connection_.has("BULK_SUBSCRIBE_IMMEDIATE"),
            .status_errors = true};
  }
  BulkPublisher* bulk_publisher() noexcept override {
    return connection_.has("BULK_PUBSUB") ? this : nullptr;
  }
  Task<Result<std::vector<pubsub::BulkFailure>>> bulk_publish(
      pubsub::BulkPublishRequest request) override;

  // Whether a program can is known only from its answer.
  Pausable* pausable() noexcept override { return this; }
  Task<Result<>> pause() override { return set_paused("Pause", true); }
  Task<Result<>> resume() override { return set_paused("Resume", false); }

 private:
  Task<Result<>> set_paused(std::string method, bool paused);

  std::shared_ptr<Shares> shares_;
  Connection connection_;
};

// The content type is not told: upstream does not.
Task<Result<>> SocketBroker::publish(pubsub::PublishRequest request) {
  proto::PublishRequest message;
  message.set_topic(request.topic);
  message.set_pubsub_name(connection_.name());
  message.set_data(std::move(request.data));
  copy_to(request.metadata, message.mutable_metadata());
  auto reply =
      co_await connection_.call(connection_.method("Publish"), message.SerializeAsString());
  OUT_CO_CHECK(read_reply<proto::PublishResponse>(reply, &status_error));
  co_return Result<>();
}

Task<Result<std::vector<pubsub::BulkFailure>>> SocketBroker::bulk_publish(
    pubsub::BulkPublishRequest request) {
  proto::BulkPublishRequest message;
  message.set_topic(request.topic);
  message.set_pubsub_name(connection_.name());
  copy_to(request.metadata, message.mutable_metadata());
  for (pubsub::BulkEntry& entry : request.entries) {
    auto* const out = message.add_entries();
    out->set_entry_id(entry.entry_id);
    out->set_event(std::move(entry.event));
    out->set_content_type(entry.content_type);
    copy_to(entry.metadata, out->mutable_metadata());
  }
  auto reply =
      co_await connection_.call(connection_.method("BulkPublish"), message.SerializeAsString());
  OUT_CO_TRY(const auto answer, read_reply<proto::BulkPublishResponse>(reply, &status_error));
  std::vector<pubsub::BulkFailure> failures;
  for (const auto& failed : answer.failed_entries()) {
    failures.push_back({failed.entry_id(), Error(Code::internal, failed.error())});
  }
  co_return failures;
}

Task<Result<std::unique_ptr<pubsub::Subscription>>> SocketBroker::subscribe(
    pubsub::SubscribeRequest request, pubsub::Deliver deliver) {
  auto subscription = std::make_unique<PullSubscription>(connection_, std::move(request),
                                                         std::move(deliver), shares_->paused);
  OUT_CO_CHECK(co_await subscription->start());
  co_return subscription;
}

Task<Result<>> SocketBroker::set_paused(std::string method, bool paused) {
  auto reply = co_await connection_.call(connection_.method(method), std::string());
  // Both answers are empty messages.
  OUT_CO_CHECK(read_reply<proto::PauseResponse>(reply, &status_error));
  shares_->paused.store(paused, std::memory_order_relaxed);
  co_return Result<>();
}

}  // namespace

Result<std::unique_ptr<pubsub::Broker>> make_broker(const Socket& socket, const Metadata& metadata,
                                                    ComponentContext& context) {
  OUT_TRY(auto shares, context.shared<Shares>([]() -> Result<std::shared_ptr<Shares>> {
    return std::make_shared<Shares>();
  }));
  return std::make_unique<SocketBroker>(socket, metadata, std::move(shares));
}

}  // namespace outrigger::components::pluggable
