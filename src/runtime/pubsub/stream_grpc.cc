#include "runtime/pubsub/stream_grpc.h"

#include <deque>
#include <map>

#include "base/log.h"
#include "base/scope.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "dapr/proto/runtime/v1/pubsub.pb.h"
#include "runtime/pubsub/event_proto.h"
#include "runtime/pubsub/subscriber.h"

namespace outrigger::pubsub {
namespace {

namespace rt = ::dapr::proto::runtime::v1;

const Logger log("dapr.runtime.pubsub.streamer");

/// One stream: events go out, answers come in and find their events by id.
class StreamPostman final : public Postman {
 public:
  explicit StreamPostman(net::grpc::ServerStream& stream) : stream_(stream) {}

  Task<Answer> deliver(Delivery delivery) override {
    rt::SubscribeTopicEventsResponseAlpha1 message;
    if (auto filled = fill(*message.mutable_event_message(), delivery); !filled) {
      co_return failed(std::move(filled).error());
    }
    const std::string id = message.event_message().id();
    std::string bytes = message.SerializeAsString();
    if (ended_) co_return failed(Error(Code::unavailable, "stream closed"));
    const auto answer = std::make_shared<Completion<Answer>>();
    awaited_[id].push_back(answer);
    auto written = co_await write(std::move(bytes));
    if (!written) {
      forget(id, answer);
      co_return failed(std::move(written).error());
    }
    auto answered = co_await answer->wait();
    forget(id, answer);
    if (!answered) co_return failed(std::move(answered).error());
    co_return *std::move(answered);
  }

  Task<std::vector<Answer>> deliver_bulk(BulkDelivery delivery) override {
    const Error error(Code::unimplemented, "not implemented");
    co_return answer_all(delivery.items.size(), Answer::retry(error));
  }

  /// The answer to the initial request goes before every event: hold the pen from before the
  /// subscription begins until that is written.
  Task<Result<>> take_pen() { return pen_.acquire(); }
  Task<Result<>> write_initial_response() {
    rt::SubscribeTopicEventsResponseAlpha1 message;
    message.mutable_initial_response();
    std::string bytes = message.SerializeAsString();
    auto written = co_await stream_.write(std::move(bytes));
    co_return written;
  }
  void leave_pen() { pen_.release(); }

  /// Reads answers until the client has no more, goes away or breaks the rules, or end().
  Task<Result<>> read_answers() {
    Cancellation reading(co_await this_cancellation());
    reading_ = &reading;
    if (end_asked_) reading.request();
    auto loop = read_loop();
    auto ended = co_await std::move(loop).under(reading);
    reading_ = nullptr;
    if (end_asked_) co_return fail(Code::unknown, "stream closed");
    co_return ended;
  }
  void end() {
    end_asked_ = true;
    if (reading_ != nullptr) reading_->request();
  }
  /// No answer will come any more.
  void fail_all() {
    ended_ = true;
    for (auto& [id, waiting] : awaited_) {
      for (const auto& each : waiting) each->set(fail(Code::unavailable, "stream closed"));
    }
  }

 private:
  static Answer failed(Error error) {
    return Answer::retry(
        std::move(error).context("error returned from app while processing pub/sub event"));
  }

  Task<Result<>> write(std::string bytes) {
    OUT_CO_CHECK(co_await pen_.acquire());
    auto written = co_await stream_.write(std::move(bytes));
    pen_.release();
    co_return written;
  }

  void forget(const std::string& id, const std::shared_ptr<Completion<Answer>>& answer) {
    const auto found = awaited_.find(id);
    if (found == awaited_.end()) return;
    std::erase(found->second, answer);
    if (found->second.empty()) awaited_.erase(found);
  }

  Task<Result<>> read_loop() {
    for (;;) {
      auto bytes = co_await stream_.read();
      if (!bytes) co_return std::unexpected(std::move(bytes).error());
      if (!*bytes) co_return fail(Code::unknown, "EOF");  // Upstream's, also of a good end.
      rt::SubscribeTopicEventsRequestAlpha1 message;
      if (!message.ParseFromString(**bytes)) {
        co_return fail(Code::internal, "grpc: error unmarshalling request: malformed message");
      }
      if (!message.has_event_processed()) {
        co_return fail(Code::unknown, "duplicate initial request received");
      }
      take(message.event_processed().id(), message.event_processed().status().status());
    }
  }

  void take(const std::string& id, int status) {
    const auto found = awaited_.find(id);
    if (found == awaited_.end()) {
      log.error("no client stream expecting publish response for id ", id);
      return;
    }
    // The same event may be on its way twice; each answer is for the first that has none.
    for (const auto& each : found->second) {
      if (each->is_set()) continue;
      Answer answer = answer_of(status, id);
      answer.status = {};
      return each->set(std::move(answer));
    }
  }

  net::grpc::ServerStream& stream_;
  Semaphore pen_{1};
  std::map<std::string, std::deque<std::shared_ptr<Completion<Answer>>>> awaited_;
  Cancellation* reading_ = nullptr;
  bool end_asked_ = false;
  bool ended_ = false;
};

Result<SubscriptionPtr> read_initial(const std::optional<std::string>& bytes) {
  rt::SubscribeTopicEventsRequestAlpha1 message;
  if (bytes && !message.ParseFromString(*bytes)) {
    return fail(Code::internal, "grpc: error unmarshalling request: malformed message");
  }
  if (!message.has_initial_request()) return fail(Code::unknown, "initial request is required");
  const auto& initial = message.initial_request();
  if (initial.pubsub_name().empty()) return fail(Code::unknown, "pubsubName is required");
  if (initial.topic().empty()) return fail(Code::unknown, "topic is required");
  Properties metadata(initial.metadata().begin(), initial.metadata().end());
  return make_stream_subscription(initial.pubsub_name(), initial.topic(),
                                  initial.dead_letter_topic(), std::move(metadata));
}

Error refusal(Error error, const std::string& pubsub_name) {
  // An unknown component is told with all details, everything else in one line.
  if (error.details() != nullptr) return error;
  return Error(Code::unknown,
               "failed to create subscription for " + pubsub_name + ": " + error.message());
}

/// Hands a request to end on.
class HandOn final : public Cancellation::Callback {
 public:
  explicit HandOn(Cancellation& target) : target_(target) {}
  void on_cancel() noexcept override { target_.request(); }

 private:
  Cancellation& target_;
};

/// A client may open a stream and say nothing: the shutdown does not wait for it.
Task<Result<std::optional<std::string>>> read_first(Subscriber& subscriber,
                                                    net::grpc::ServerStream& stream) {
  Cancellation reading(co_await this_cancellation());
  HandOn hand_on(reading);
  subscriber.closing().add(hand_on);
  if (subscriber.closing().requested()) reading.request();
  auto read = stream.read();
  auto first = co_await std::move(read).under(reading);
  if (!first && subscriber.closing().requested()) {
    co_return fail(Code::unknown, "api server closed");
  }
  if (first && !*first) co_return fail(Code::unknown, "EOF");
  co_return first;
}

}  // namespace

Task<Result<>> subscribe_stream(Subscriber& subscriber, net::grpc::ServerStream& stream) {
  OUT_CO_TRY(const auto first, co_await read_first(subscriber, stream));
  OUT_CO_TRY(const SubscriptionPtr subscription, read_initial(first));
  StreamPostman postman(stream);
  Subscriber::Stream entry{subscription, postman, [&postman] { postman.end(); }};
  OUT_CO_CHECK(co_await postman.take_pen());
  auto opened = co_await subscriber.open_stream(entry);
  if (!opened) co_return fail(refusal(std::move(opened).error(), subscription->pubsub_name));
  log.info("Subscribing to pubsub '", subscription->pubsub_name, "' topic '", subscription->topic,
           "'");
  auto ended = co_await postman.write_initial_response();
  postman.leave_pen();
  if (ended) ended = co_await postman.read_answers();
  log.info("Unsubscribed from pubsub '", subscription->pubsub_name, "' topic '",
           subscription->topic, "'");
  postman.fail_all();
  // The client may be gone and this task cancelled; what is being delivered must end all the same.
  Cancellation never;
  auto closing = subscriber.close_stream(entry);
  co_await std::move(closing).under(never);
  co_return ended;
}

}  // namespace outrigger::pubsub
