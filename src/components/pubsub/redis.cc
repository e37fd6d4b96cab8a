#include <algorithm>

#include "base/log.h"
#include "components/clients/redis/client.h"
#include "components/pubsub/redis_subscription.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;

constexpr Logger log("dapr.contrib.pubsub.redis");
constexpr auto kMs = BareNumber::milliseconds;

struct BrokerOptions {
  std::string consumer_id;
  std::chrono::nanoseconds redeliver_interval = 15s;
  std::chrono::nanoseconds processing_timeout = 60s;
  unsigned queue_depth = 100;
  unsigned concurrency = 10;
  std::int64_t length_max = 0;
  std::chrono::nanoseconds lifetime{0};
};
constexpr Field<BrokerOptions> kFields[] = {
    {{.name = "consumerID"}, &BrokerOptions::consumer_id},
    {{.name = "redeliverInterval", .bare = kMs}, &BrokerOptions::redeliver_interval},
    {{.name = "processingTimeout", .bare = kMs}, &BrokerOptions::processing_timeout},
    {{.name = "queueDepth"}, &BrokerOptions::queue_depth},
    {{.name = "concurrency"}, &BrokerOptions::concurrency},
    {{.name = "maxLenApprox"}, &BrokerOptions::length_max},
    {{.name = "streamTTL", .bare = kMs}, &BrokerOptions::lifetime},
};

class RedisBroker final : public Broker {
 public:
  RedisBroker(std::unique_ptr<redis::Client> client, BrokerOptions options)
      : client_(std::move(client)), options_(std::move(options)), workers_(options_.concurrency) {}

  Task<Result<>> init() override {
    auto opened = co_await client_->open();
    if (opened) co_return opened;
    co_return fail(std::move(opened).error().context(
        "redis streams: error connecting to redis at " + client_->host()));
  }

  Task<Result<>> publish(PublishRequest request) override {
    const redis_stream::Trim trim{.length = options_.length_max, .lifetime = options_.lifetime};
    auto command = redis_stream::add(request, trim, wall_now());
    auto added = co_await client_->run(std::move(command));
    if (added) co_return Result<>();
    co_return fail(std::move(added).error().context("redis streams: error from publish"));
  }

  Task<Result<std::unique_ptr<Subscription>>> subscribe(SubscribeRequest request,
                                                        Deliver deliver) override {
    redis_stream::Group group{.stream = std::move(request.topic),
                              .name = options_.consumer_id,
                              .consumer = options_.consumer_id};
    const RedisDelivery delivery{.redeliver_interval = options_.redeliver_interval,
                                 .processing_timeout = options_.processing_timeout,
                                 .queue_depth = options_.queue_depth};
    auto subscription = std::make_unique<RedisSubscription>(*client_, workers_, std::move(group),
                                                            delivery, std::move(deliver));
    OUT_CO_CHECK(co_await subscription->start());
    co_return subscription;
  }

  Task<Result<>> ping() override {
    auto done = co_await client_->ping();
    if (done) co_return done;
    co_return fail(std::move(done).error().context("redis pubsub: error connecting to redis at " +
                                                   client_->host()));
  }

  Task<void> close() override { co_await client_->close(); }
  [[nodiscard]] Traits traits() const noexcept override { return {}; }

 private:
  std::unique_ptr<redis::Client> client_;
  BrokerOptions options_;
  Semaphore workers_;  // Shared by all subscriptions, as `concurrency` is meant.
};

}  // namespace

Result<std::unique_ptr<Broker>> make_redis(const Metadata& metadata, ComponentContext& context) {
  OUT_TRY(auto options, redis::parse_options(metadata, redis::Block::pubsub));
  OUT_TRY(auto own, parse_fields<BrokerOptions>(metadata, kFields));
  if (own.consumer_id.empty()) own.consumer_id = context.app_id;
  own.queue_depth = std::max(own.queue_depth, 1u);
  own.concurrency = std::max(own.concurrency, 1u);
  if (own.length_max > 0 && own.lifetime.count() > 0) {
    log.warn("redis streams: maxLenApprox and streamTTL cannot be used together; only one stream ",
             "trimming strategy can be active at a time.");
  }
  OUT_TRY(auto client, redis::Client::make(std::move(options)));
  return std::make_unique<RedisBroker>(std::move(client), std::move(own));
}

std::vector<FieldInfo> redis_fields() {
  redis::Options defaults;
  std::vector<FieldInfo> fields;
  for (const auto& field : redis::client_fields()) {
    fields.push_back(detail::describe_field(field.rule, field.target(defaults)));
  }
  std::ranges::move(describe(kFields), std::back_inserter(fields));
  return fields;
}

}  // namespace outrigger::components::pubsub
