#include "runtime/actors/stream_grpc.h"

#include <unordered_map>

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "dapr/proto/runtime/v1/actors.pb.h"
#include "runtime/actors/bytes_value.h"
#include "runtime/actors/either.h"

namespace outrigger::runtime::actors {
namespace {

namespace pb = dapr::proto::runtime::v1;
using FromApp = pb::SubscribeActorEventsRequestAlpha1;
using ToApp = pb::SubscribeActorEventsResponseAlpha1;

const Logger log("dapr.runtime.actors.callbackstream");

// Calls that wait to be written; whoever makes more waits.
constexpr std::size_t kOutboxMax = 1024;

std::string text_of(const google::protobuf::Duration& duration) {
  return format_duration(wall_time(duration.seconds(), duration.nanos()).time_since_epoch());
}

template <class Message>
void read_options(const Message& message, ActorOptions& options) {
  options.entities.assign(message.entities().begin(), message.entities().end());
  if (message.has_actor_idle_timeout()) {
    options.idle_timeout = text_of(message.actor_idle_timeout());
  }
  if (message.has_drain_ongoing_call_timeout()) {
    options.drain_timeout = text_of(message.drain_ongoing_call_timeout());
  }
  if (message.has_drain_rebalanced_actors()) {
    options.drain_rebalanced = message.drain_rebalanced_actors();
  }
  if (!message.has_reentrancy()) return;
  options.reentrancy.enabled = message.reentrancy().enabled();
  if (message.reentrancy().has_max_stack_depth()) {
    options.reentrancy.stack_depth_max = message.reentrancy().max_stack_depth();
  }
}

AppConfig config_of(const pb::SubscribeActorEventsRequestInitialAlpha1& initial) {
  AppConfig config;
  read_options(initial, config);
  for (const auto& type : initial.entities_config()) {
    read_options(type, config.types.emplace_back());
  }
  return config;
}

const std::string* id_of(const FromApp& message) {
  switch (message.request_type_case()) {
    case FromApp::kInvokeResponse: return &message.invoke_response().id();
    case FromApp::kReminderResponse: return &message.reminder_response().id();
    case FromApp::kTimerResponse: return &message.timer_response().id();
    case FromApp::kDeactivateResponse: return &message.deactivate_response().id();
    case FromApp::kRequestFailed: return &message.request_failed().id();
    default: return nullptr;
  }
}

/// As grpc-go says it.
std::unexpected<Error> malformed() {
  return fail(Code::internal,
              "grpc: failed to unmarshal the received message: proto: cannot parse invalid "
              "wire-format data");
}

/// The stream of one connection, used on its loop.
class OpenStream final : public ActorStream {
 public:
  Task<Result<std::string>> ask(Kind kind, std::string unnumbered) override {
    if (closed_) co_return disconnected();
    const std::uint64_t number = ++last_;
    auto answer = std::make_shared<Completion<std::string>>();
    pending_.emplace(number, answer);
    auto queued = co_await outbox_.push(numbered(kind, std::move(unnumbered), number));
    if (!queued) {
      pending_.erase(number);
      if (closed_) co_return disconnected();
      co_return std::unexpected(std::move(queued).error());
    }
    auto reply = co_await answer->wait();
    pending_.erase(number);
    co_return reply;
  }

  /// An error ends the stream: it was the answer to one of the calls, and nobody knows to which.
  Result<> deliver(std::string bytes) {
    FromApp message;
    if (!message.ParseFromString(bytes)) return malformed();
    const std::string* id = id_of(message);
    if (id == nullptr) {
      log.warn("Dropping actor callback response without correlation id");
      return {};
    }
    const auto number = parse_int<std::uint64_t>(*id);
    if (!number || *number == 0 || *number > last_) {
      return fail(Code::invalid_argument,
                  "answer to a call that was never made, id=" + quoted(*id));
    }
    const auto found = pending_.find(*number);
    if (found == pending_.end()) {
      log.warn("Dropping actor callback response with unknown id=", *id);
      return {};
    }
    found->second->set(std::move(bytes));
    return {};
  }

  void close() {
    closed_ = true;
    outbox_.close();
    for (const auto& [number, answer] : pending_) answer->set(disconnected());
  }
  Queue<std::string>& outbox() noexcept { return outbox_; }

 private:
  static std::unexpected<Error> disconnected() {
    return fail(Code::unknown, "actor host disconnected before responding");
  }
  /// `unnumbered` is the call without its id, which is its field 1: appended, for the fields of a
  /// message may come in any order.
  static std::string numbered(Kind kind, std::string unnumbered, std::uint64_t number) {
    std::string call = std::move(unnumbered);
    append_field(call, 1, std::to_string(number));
    std::string out;
    append_field(out, field_of(kind), call);
    return out;
  }
  static std::uint32_t field_of(Kind kind) noexcept {
    switch (kind) {
      case Kind::invoke: return ToApp::kInvokeRequestFieldNumber;
      case Kind::reminder: return ToApp::kReminderRequestFieldNumber;
      case Kind::timer: return ToApp::kTimerRequestFieldNumber;
      case Kind::deactivate: return ToApp::kDeactivateRequestFieldNumber;
    }
    return 0;
  }

  std::unordered_map<std::uint64_t, std::shared_ptr<Completion<std::string>>> pending_;
  Queue<std::string> outbox_{kOutboxMax};
  std::uint64_t last_ = 0;
  bool closed_ = false;
};

/// Writes what is to be sent until the stream is closed, then asks the reader to end.
Task<void> write_all(std::shared_ptr<OpenStream> open, net::grpc::ServerStream* stream,
                     Cancellation* reader) {
  for (;;) {
    auto next = co_await open->outbox().pop();
    if (!next || !*next) co_return;
    auto written = co_await stream->write(**std::move(next));
    if (written) continue;
    open->close();
    reader->request();
    co_return;
  }
}

Task<Result<>> read_all(std::shared_ptr<OpenStream> open, net::grpc::ServerStream* stream) {
  for (;;) {
    OUT_CO_TRY(auto message, co_await stream->read());
    if (!message) co_return Result<>();
    OUT_CO_CHECK(open->deliver(*std::move(message)));
  }
}

}  // namespace

Task<Result<>> serve_actor_events(Service& service, net::grpc::ServerStream& stream) {
  if (!service.accepts_streams()) {
    co_return fail(Code::failed_precondition,
                   "actor callback streaming requires a gRPC app channel");
  }
  OUT_CO_TRY(auto first, co_await stream.read());
  if (!first) co_return Result<>();
  FromApp initial;
  if (!initial.ParseFromString(*first)) co_return malformed();
  if (!initial.has_initial_request()) {
    co_return fail(Code::invalid_argument,
                   "first message must be SubscribeActorEventsRequestInitialAlpha1");
  }
  AppConfig config = config_of(initial.initial_request());
  auto open = std::make_shared<OpenStream>();
  service.settings().streams->add({&Loop::current(), open, config.entities});
  auto registered = co_await service.register_types()(std::move(config));
  Result<> ended;
  Scope writers;
  if (registered) {
    ToApp ack;
    ack.mutable_initial_response();
    ended = co_await stream.write(ack.SerializeAsString());
  } else {
    ended =
        fail(Code::internal, "failed to register hosted actors: " + registered.error().message());
  }
  if (ended) {
    Either reading(co_await this_cancellation(), service.stopping());
    writers.spawn(write_all(open, &stream, &reading.get()));
    ended = co_await read_all(open, &stream).under(reading.get());
    if (service.stopping().requested()) ended = {};
    open->close();
    writers.cancel();
    co_await writers.join();
  }
  open->close();
  // What only this stream had is gone with it; this must be done even if the call was cancelled.
  Cancellation never;
  auto lost = service.settings().streams->remove(open.get());
  if (registered) co_await service.unregister_types()(std::move(lost)).under(never);
  co_return ended;
}

}  // namespace outrigger::runtime::actors
