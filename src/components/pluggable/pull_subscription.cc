#include "components/pluggable/pull_subscription.h"

#include "base/log.h"
#include "components/pluggable/messages.h"
#include "dapr/proto/components/v1/pubsub.pb.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
namespace proto = dapr::proto::components::v1;

constexpr Logger log("dapr.runtime.pubsub.pluggable");

// Between attempts to open a stream again; doubled after each that gave no message.
constexpr Duration kPauseMin = 100ms;
constexpr Duration kPauseMax = 10s;
constexpr Duration kPingPatience = 5s;
// A program that takes no acknowledgements any more is asked for a new stream.
constexpr Duration kAckPatience = 10s;
// After a last acknowledgement the stream stays open for so long, as upstream's, for programs to
// make it good while they still have the stream; what comes meanwhile is left to be sent again.
constexpr Duration kSettling = 400ms;
// How long a program may take to see that nothing more is asked of it.
constexpr Duration kGoodbye = 400ms;
// A paused program has nothing more on its way when it was quiet for so long (upstream's number);
// one that is never quiet is not waited for longer than upstream's 30 s.
constexpr Duration kQuiet = 100ms;
constexpr Duration kQuietPatience = 30s;

std::string first_request(const pubsub::SubscribeRequest& request) {
  proto::PullMessagesRequest message;
  message.mutable_topic()->set_name(request.topic);
  copy_to(request.metadata, message.mutable_topic()->mutable_metadata());
  return message.SerializeAsString();
}

std::string acknowledgement(const std::string& id, const Result<>& delivered) {
  proto::PullMessagesRequest message;
  message.set_ack_message_id(id);
  if (!delivered) message.mutable_ack_error()->set_message(delivered.error().message());
  return message.SerializeAsString();
}

pubsub::Message to_message(proto::PullMessagesResponse& from) {
  pubsub::Message message;
  message.topic = from.topic_name();
  message.data = std::move(*from.mutable_data());
  message.metadata = to_properties(from.metadata());
  if (!from.content_type().empty()) message.content_type = from.content_type();
  return message;
}

}  // namespace

PullSubscription::PullSubscription(Connection& connection, pubsub::SubscribeRequest request,
                                   pubsub::Deliver deliver, const std::atomic<bool>& paused)
    : connection_(connection),
      request_(std::move(request)),
      deliver_(std::move(deliver)),
      paused_(paused),
      pause_(kPauseMin) {}

PullSubscription::~PullSubscription() { OUT_ASSERT(!open_); }

Task<Result<>> PullSubscription::start() {
  // A stream's first answer may be far away, so that it does not tell whether anybody is there.
  auto pinging = connection_.ping();
  auto reached = co_await with_timeout(std::move(pinging), kPingPatience);
  if (!reached && reached.error().code() == Code::unavailable) {
    co_return fail(std::move(reached).error().context("unable to subscribe"));
  }
  auto stream = co_await open();
  if (!stream) co_return fail(std::move(stream).error().context("unable to subscribe"));
  open_ = true;
  scope_.spawn(run(*std::move(stream)));
  co_return Result<>();
}

Task<Result<PullSubscription::Stream>> PullSubscription::open() {
  OUT_CO_TRY(auto stream, co_await connection_.stream(connection_.method("PullMessages")));
  auto written = co_await stream->write(first_request(request_));
  if (!written) {
    // Why the call is over is known to the reading side.
    auto end = co_await stream->read();
    if (!end) co_return fail(std::move(end).error());
    co_return fail(std::move(written).error());
  }
  co_return stream;
}

Task<void> PullSubscription::run(Stream stream) {
  for (;;) {
    const auto pulled = co_await pull(stream);
    if (reading_.requested()) break;
    if (!pulled) log.error("Failed to receive pubsub message: ", pulled.error());
    stream.reset();
    auto reopened = co_await reopen();
    if (!reopened) co_return;
    stream = *std::move(reopened);
  }
  co_await say_goodbye(std::move(stream));
}

// An error: the subscription is being closed.
Task<Result<PullSubscription::Stream>> PullSubscription::reopen() {
  for (;;) {
    auto sleeping = sleep_for(pause_);
    OUT_CO_CHECK(co_await std::move(sleeping).under(reading_));
    pause_ = std::min(pause_ * 2, kPauseMax);
    auto opening = open();
    auto opened = co_await std::move(opening).under(reading_);
    if (opened) co_return opened;
    log.error("cannot subscribe to topic ", request_.topic, " again: ", opened.error());
  }
}

// Until the stream ends. An error: how it ended, if not well, or that the reading is to end.
Task<Result<>> PullSubscription::pull(Stream stream) {
  for (;;) {
    auto reading = stream->read();
    OUT_CO_TRY(auto message, co_await std::move(reading).under(reading_));
    if (!message) co_return Result<>();
    busy_ = true;
    auto handled = co_await handle(stream, *std::move(message));
    busy_ = false;
    ++handled_;
    if (!handled) co_return handled;
    if (reading_.requested()) co_return fail(reading_.error());
  }
}

Task<Result<>> PullSubscription::handle(Stream stream, std::string bytes) {
  OUT_CO_TRY(auto message, read_message<proto::PullMessagesResponse>(bytes));
  pause_ = kPauseMin;
  const std::string id = message.id();
  const std::string topic = message.topic_name();
  log.debug("Received message from stream on topic ", topic);
  const auto delivered = co_await deliver_(to_message(message));
  if (!delivered) {
    log.error("error when handling message on topic ", topic);
    // It was given up because this ends, not refused: another shall have it.
    if (closing_ && delivered.error().code() == Code::cancelled) co_return Result<>();
  }
  auto writing = stream->write(acknowledgement(id, delivered));
  auto written = co_await with_timeout(std::move(writing), kAckPatience);
  if (!written) log.error("error when ack'ing message ", id, " from topic ", topic);
  co_return written;
}

// Reads what comes and does nothing with it, until the stream ends or for so long.
Task<void> PullSubscription::drop_messages(Stream stream, Duration limit) {
  struct Drop {
    static Task<Result<>> messages(Stream stream) {
      for (;;) {
        OUT_CO_TRY(const auto message, co_await stream->read());
        if (!message) co_return Result<>();
      }
    }
  };
  auto dropping = Drop::messages(std::move(stream));
  [[maybe_unused]] const auto ended = co_await with_timeout(std::move(dropping), limit);
}

Task<void> PullSubscription::say_goodbye(Stream stream) {
  if (settles_) co_await drop_messages(stream, kSettling);
  stream->finish_writing();
  co_await drop_messages(stream, kGoodbye);
  stream->cancel();
}

Task<void> PullSubscription::wait_until_quiet() {
  const TimePoint end = Loop::current().now() + kQuietPatience;
  while (Loop::current().now() < end) {
    const std::uint64_t before = handled_;
    const auto slept = co_await sleep_for(kQuiet);
    if (!slept || (!busy_ && before == handled_)) co_return;
  }
}

Task<void> PullSubscription::close() {
  if (!open_) co_return;
  if (paused_.load(std::memory_order_relaxed)) co_await wait_until_quiet();
  closing_ = true;
  settles_ = busy_;
  reading_.request();
  co_await scope_.join();
  open_ = false;
}

}  // namespace outrigger::components::pluggable
