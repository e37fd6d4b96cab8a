#include "base/log.h"
#include "control/scheduler/api.h"
#include "control/scheduler/api_wire.h"

namespace outrigger::control::scheduler {
namespace {

const Logger log("dapr.scheduler.server");

/// What is queued for a stream; of triggers beyond it only the ids are kept.
constexpr std::size_t kQueuedMax = 256;
constexpr std::size_t kQueuedBytesMax = std::size_t{1} << 20;

}  // namespace

std::unexpected<Error> Api::ended(std::string_view closing_words) const {
  if (closing_) return fail(Code::unknown, std::string(closing_words));
  return fail(Code::cancelled, "context canceled");
}

std::unexpected<Error> Api::broken(const Error& error, std::string_view closing_words) const {
  if (closing_ || error.code() == Code::cancelled) return ended(closing_words);
  return std::unexpected(error);
}

/// One sidecar's stream of triggers.
class Api::Stream final : public Watcher {
 public:
  Stream(Api& api, net::grpc::ServerStream& stream, std::string who)
      : api_(api), stream_(stream), who_(std::move(who)) {}

  void send(std::uint64_t trigger, Delivery delivery) override {
    queue_.push_back(wire::render_trigger(trigger, std::move(delivery)));
    queued_bytes_ += queue_.back().size();
    changed_.notify_all();
  }
  [[nodiscard]] bool full() const override {
    return queue_.size() >= kQueuedMax || queued_bytes_ >= kQueuedBytesMax;
  }

  Task<void> serve(WatchRequest request) {
    Cancellation ending(co_await this_cancellation());
    ending_ = &ending;
    id_ = api_.engine_.dispatcher().add(*this, std::move(request));
    Scope writing(&ending);
    writing.spawn(write());
    co_await read().under(ending);
    ending.request();
    api_.engine_.dispatcher().remove(id_);
    co_await writing.join();
  }

 private:
  Task<void> write() {
    for (;;) {
      while (queue_.empty()) {
        auto woken = co_await changed_.wait();
        if (!woken) co_return;
      }
      std::string message = std::move(queue_.front());
      queue_.pop_front();
      const std::size_t bytes = message.size();
      auto written = co_await stream_.write(std::move(message));
      queued_bytes_ -= bytes;
      if (!written) {
        if (!ending_->requested()) {
          log.warn("Error sending job to stream ", who_, ": ", written.error());
          api_.metrics_.sidecar_error(Metrics::SidecarError::send_failed);
        }
        ending_->request();
        co_return;
      }
      const bool low =
          queue_.size() == kQueuedMax / 2 || queue_.empty() ||
          (queued_bytes_ < kQueuedBytesMax / 2 && queued_bytes_ + bytes >= kQueuedBytesMax / 2);
      if (low) api_.engine_.dispatcher().has_room(id_);
    }
  }

  Task<void> read() {
    for (;;) {
      auto message = co_await stream_.read();
      if (!message || !*message) co_return;
      auto from = wire::parse_watch(**message);
      std::string_view wrong;
      if (!from || !from->result) {
        wrong = "received nil result from stream";
      } else if (!from->result->answer) {
        wrong = "unknown trigger response status";
      } else if (!api_.engine_.dispatcher().answer(id_, from->result->trigger,
                                                   *from->result->answer)) {
        wrong = "received unknown trigger response from stream";
      }
      if (wrong.empty()) continue;
      log.warn("Error receiving from stream ", who_, ": ", wrong);
      api_.metrics_.sidecar_error(Metrics::SidecarError::recv_failed);
      co_return;
    }
  }

  Api& api_;
  net::grpc::ServerStream& stream_;
  const std::string who_;
  Cancellation* ending_ = nullptr;
  WatcherId id_ = 0;
  std::deque<std::string> queue_;
  /// With the message that is being written.
  std::size_t queued_bytes_ = 0;
  Signal changed_;
};

Result<WatchRequest> Api::begin_watch(const net::Peer* peer, std::string_view message) const {
  OUT_TRY(auto from, wire::parse_watch(message));
  if (!from.initial) {
    return fail(Code::unknown, "initial request is required on stream connection");
  }
  OUT_CHECK(authorize(metrics_, peer, from.initial->app_id, from.initial->name_space));
  if (!from.initial_error.empty()) return fail(Code::unknown, from.initial_error);
  return *std::move(from.initial);
}

Task<Result<>> Api::watch_jobs(const net::Peer* peer, net::grpc::ServerStream& stream) {
  auto first = co_await stream.read();
  if (!first) co_return broken(first.error(), "server is closing");
  // A stream that ends before its first message: upstream passes on io.EOF.
  if (!*first) co_return fail(Code::unknown, "EOF");
  OUT_CO_TRY(auto request, begin_watch(peer, **first));
  std::string who = request.name_space + "/" + request.app_id;
  std::string types;
  for (const auto& type : request.actor_types) types += (types.empty() ? "" : " ") + type;
  log.info("Sidecar connected: ", who, " (actorTypes=[", types, "])");
  Stream sidecar(*this, stream, who);
  co_await sidecar.serve(std::move(request));
  log.info("Closing connection to ", who);
  co_return ended("server is closing");
}

Task<Result<>> Api::send_hosts(net::grpc::ServerStream& stream) {
  // As upstream: who is told that there are none takes it for an answer.
  while (engine_.hosts().addresses.empty()) {
    OUT_CO_CHECK(co_await engine_.hosts_changed().wait());
  }
  for (;;) {
    const auto hosts = engine_.hosts();
    OUT_CO_CHECK(co_await stream.write(wire::render_hosts(hosts.addresses)));
    while (engine_.hosts().version == hosts.version) {
      OUT_CO_CHECK(co_await engine_.hosts_changed().wait());
    }
  }
}

Task<Result<>> Api::watch_hosts(net::grpc::ServerStream& stream) {
  auto request = co_await stream.read();
  if (!request) co_return broken(request.error(), "cron closed");
  auto sent = co_await send_hosts(stream);
  co_return ended("cron closed");
}

}  // namespace outrigger::control::scheduler
