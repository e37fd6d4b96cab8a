#include "base/log.h"
#include "components/pubsub/in_memory_hub.h"
#include "components/pubsub/registry.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib.pubsub.in-memory");

/// How long a publisher waits for a subscriber that is behind.
constexpr Duration kRoomPatience = 30s;

using Content = InMemoryHub::Content;

/// Gives the messages of its inbox to the subscriber, one after the other, in order.
class InMemorySubscription final : public Subscription, private Cancellation::Callback {
 public:
  InMemorySubscription(std::shared_ptr<InMemoryHub> hub, std::string topic, Deliver deliver)
      : hub_(std::move(hub)),
        inbox_(std::make_shared<InMemoryHub::Inbox>(Loop::current(), std::move(topic))),
        deliver_(std::move(deliver)) {
    hub_->join(inbox_);
    scope_.spawn(pump());
  }

  /// Delivers first what was published before; if cancelled, only what is being delivered.
  Task<void> close() override {
    hub_->leave(inbox_);
    closing_ = true;
    inbox_->arrived.notify_all();
    Cancellation* const mine = co_await this_cancellation();
    if (mine != nullptr && mine->requested()) {
      abandon();
    } else if (mine != nullptr) {
      mine->add(*this);
    }
    co_await scope_.join();
    unlink();
  }

 private:
  Task<void> pump() {
    std::size_t lost = 0;
    for (;;) {
      const auto batch = hub_->take(*inbox_);
      if (batch.empty() && closing_) break;
      if (batch.empty()) {
        // Cancelled only when closing, which the next turn sees.
        [[maybe_unused]] auto woken = co_await inbox_->arrived.wait();
        continue;
      }
      for (const auto& content : batch) {
        if (abandoned_) {
          ++lost;
          continue;
        }
        Message message;
        message.topic = inbox_->topic;
        message.data = content->data;
        message.metadata = content->metadata;
        auto handled = co_await deliver_(std::move(message));
        // Upstream's policy: trying again is up to the subscription's resiliency policy, which has
        // been used up by now.
        if (!handled) log.error(handled.error());
      }
    }
    if (lost > 0)
      log.warn("dropped ", lost, " messages of topic ", inbox_->topic, " while closing");
  }

  void on_cancel() noexcept override { abandon(); }
  void abandon() noexcept {
    abandoned_ = true;
    scope_.cancel();
  }

  std::shared_ptr<InMemoryHub> hub_;
  std::shared_ptr<InMemoryHub::Inbox> inbox_;
  Deliver deliver_;
  Scope scope_;
  bool closing_ = false;
  bool abandoned_ = false;
};

class InMemoryBroker final : public Broker {
 public:
  explicit InMemoryBroker(std::shared_ptr<InMemoryHub> hub) : hub_(std::move(hub)) {}

  Task<Result<>> init() override { co_return Result<>(); }

  Task<Result<>> publish(PublishRequest request) override {
    if (closed_) co_return closed();
    auto content = std::make_shared<const Content>(
        Content{.data = std::move(request.data), .metadata = std::move(request.metadata)});
    for (;;) {
      auto room = hub_->offer(request.topic, content);
      if (room == nullptr) co_return Result<>();
      auto waited = co_await with_timeout(wait_for(std::move(room)), kRoomPatience);
      if (waited) continue;
      if (waited.error().code() != Code::deadline_exceeded) co_return waited;
      co_return fail(Code::resource_exhausted,
                     "too many messages of topic " + request.topic + " wait for a subscriber");
    }
  }

  Task<Result<std::unique_ptr<Subscription>>> subscribe(SubscribeRequest request,
                                                        Deliver deliver) override {
    if (closed_) co_return closed();
    co_return std::make_unique<InMemorySubscription>(hub_, std::move(request.topic),
                                                     std::move(deliver));
  }

  Task<void> close() override {
    closed_ = true;
    co_return;
  }

  [[nodiscard]] Traits traits() const noexcept override { return {.subscribe_wildcards = true}; }

 private:
  static std::unexpected<Error> closed() {
    return fail(Code::failed_precondition, "component is closed");
  }
  static Task<Result<>> wait_for(std::shared_ptr<InMemoryHub::Room> room) {
    auto made = co_await room->made.wait();
    co_return made;
  }

  std::shared_ptr<InMemoryHub> hub_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Broker>> make_in_memory(const Metadata&, ComponentContext& context) {
  std::move_only_function<Result<std::shared_ptr<InMemoryHub>>()> make = [] {
    return std::make_shared<InMemoryHub>();
  };
  OUT_TRY(auto hub, context.shared<InMemoryHub>(std::move(make)));
  return std::make_unique<InMemoryBroker>(std::move(hub));
}

std::vector<FieldInfo> in_memory_fields() { return {}; }

}  // namespace outrigger::components::pubsub
