#include "runtime/scheduler/watcher.h"

#include <deque>

#include "base/log.h"
#include "runtime/scheduler/endpoint.h"
#include "runtime/scheduler/wire.h"

namespace outrigger::runtime::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime.scheduler.cluster");

constexpr const char* kWatchJobs = "/dapr.proto.scheduler.v1.Scheduler/WatchJobs";
constexpr Duration kReconnectAfter = 500ms;
// Triggers of one stream that run at once; above it nothing is read. Upstream has no limit.
constexpr std::size_t kRunningMax = 65'536;

}  // namespace

/// One stream, from its first message to its end.
class Watcher::Conversation {
 public:
  Conversation(std::shared_ptr<net::grpc::ClientStream> stream, std::shared_ptr<State> state,
               const Receivers& receivers, Cancellation* parent)
      : stream_(std::move(stream)),
        state_(std::move(state)),
        receivers_(receivers),
        helpers_(parent),
        triggers_(parent) {}

  /// How it ended; an OK end is no error.
  Task<Result<>> run() {
    helpers_.spawn(write_results());
    helpers_.spawn(wind_down());
    [[maybe_unused]] auto sent = co_await stream_->write(state_->initial);
    auto ended = co_await read_triggers();
    stream_->cancel();
    triggers_.cancel();
    helpers_.cancel();
    co_await triggers_.join();
    co_await helpers_.join();
    co_return ended;
  }
  /// Whether the scheduler has sent something.
  [[nodiscard]] bool heard() const noexcept { return heard_; }

 private:
  Task<Result<>> read_triggers() {
    for (;;) {
      auto message = co_await stream_->read();
      if (!message) co_return std::unexpected(std::move(message).error());
      if (!*message) co_return Result<>();
      heard_ = true;
      OUT_CO_TRY(auto due, wire::read_due(**message));
      if (state_->winding_down) continue;  // The scheduler gives it to another.
      triggers_.spawn(handle(std::move(due)));
      while (triggers_.running() >= kRunningMax) {
        auto woken = co_await changed_.wait();
        if (!woken) co_return woken;
      }
    }
  }

  Task<void> handle(wire::Due due) {
    Receiver* const receiver = due.trigger.target.actor ? receivers_.actors : receivers_.app;
    Outcome outcome = Outcome::failed;
    if (!due.has_target) {
      log.error("Unknown job metadata type of the job ", due.trigger.name);
    } else if (receiver == nullptr) {
      log.error("Nobody takes the triggered job ", due.trigger.name);
    } else {
      outcome = co_await receiver->trigger(std::move(due.trigger));
    }
    results_.push_back(wire::watch_result(due.id, outcome));
    changed_.notify_all();
  }

  // Messages are written one after the other.
  Task<void> write_results() {
    for (;;) {
      while (results_.empty()) {
        auto woken = co_await changed_.wait();
        if (!woken) co_return;
      }
      writing_ = true;
      std::string result = std::move(results_.front());
      results_.pop_front();
      auto written = co_await stream_->write(std::move(result));
      writing_ = false;
      if (!written) co_return;  // read() tells why.
      changed_.notify_all();
    }
  }

  // The last result is sent before the stream's end is.
  Task<void> wind_down() {
    auto asked = co_await winding_down(state_);
    if (!asked) co_return;
    while (triggers_.running() != 0 || writing_ || !results_.empty()) {
      auto woken = co_await changed_.wait();
      if (!woken) co_return;
    }
    stream_->finish_writing();
  }

  std::shared_ptr<net::grpc::ClientStream> stream_;
  std::shared_ptr<State> state_;
  const Receivers& receivers_;
  Scope helpers_;
  Scope triggers_;
  std::deque<std::string> results_;
  bool writing_ = false;
  bool heard_ = false;
  Signal changed_;
};

Task<Result<>> Watcher::winding_down(std::shared_ptr<State> state) {
  while (!state->winding_down) {
    auto woken = co_await state->changed.wait();
    if (!woken) co_return woken;
  }
  co_return Result<>();
}

Watcher::Watcher(net::Client& client, std::shared_ptr<net::TlsContext> tls)
    : client_(client), tls_(std::move(tls)) {}
Watcher::~Watcher() = default;

void Watcher::follow(Plan plan) {
  if (scope_.cancellation().requested()) return;
  wanted_ = std::move(plan);
  changed_.notify_all();
  if (!std::exchange(running_, true)) scope_.spawn(run());
}

// One plan at a time, and only the latest counts.
Task<void> Watcher::run() {
  for (;;) {
    while (!wanted_) {
      auto woken = co_await changed_.wait();
      if (!woken) co_return;
    }
    Streams surplus = take_surplus();
    if (surplus.empty()) {
      begin(*std::exchange(wanted_, std::nullopt));
    } else {
      co_await end(std::move(surplus));
    }
  }
}

// A scheduler sends nothing anew while others come or go, so what it has sent is not to be cut off.
Watcher::Streams Watcher::take_surplus() {
  std::vector<std::string> wanted;
  if (current_ && current_->initial == wanted_->initial) wanted = wanted_->addresses;
  Streams surplus;
  for (auto& stream : std::exchange(streams_, {})) {
    const auto found = std::ranges::find(wanted, stream->address);
    const bool stays = found != wanted.end();
    if (stays) wanted.erase(found);
    (stays ? streams_ : surplus).push_back(std::move(stream));
  }
  return surplus;
}

void Watcher::begin(Plan plan) {
  if (!current_ || current_->initial != plan.initial) {
    current_ = std::make_shared<State>();
    current_->initial = std::move(plan.initial);
  }
  for (const auto& stream : streams_) {
    plan.addresses.erase(std::ranges::find(plan.addresses, stream->address));
  }
  for (const std::string& address : plan.addresses) {
    auto& stream = streams_.emplace_back(std::make_shared<Running>());
    stream->address = address;
    stream->scope.spawn(watch(address, current_));
  }
}

Task<void> Watcher::end(Streams streams) {
  for (const auto& stream : streams) stream->scope.cancel();
  for (const auto& stream : streams) co_await stream->scope.join();
}

Task<void> Watcher::watch(std::string address, std::shared_ptr<State> state) {
  auto endpoint = endpoint_of(address, tls_);
  if (!endpoint) co_return;  // Told already.
  net::grpc::Channel channel(client_, *std::move(endpoint));
  Cancellation* const mine = co_await this_cancellation();
  bool told = false;
  for (;;) {
    net::grpc::CallOptions options;
    options.message_bytes_max = INT32_MAX;
    Conversation conversation(channel.stream(kWatchJobs, std::move(options)), state, receivers,
                              mine);
    const TimePoint begun = std::chrono::steady_clock::now();
    auto ended = co_await conversation.run();
    if (mine->requested() || state->winding_down) break;
    // One that has stood for a while is news again.
    if (conversation.heard() || std::chrono::steady_clock::now() - begun > 5s) told = false;
    if (ended) {
      log.info("Scheduler stream to ", address, " disconnected");
    } else if (!std::exchange(told, true)) {
      log.error("Scheduler stream to ", address, " disconnected, retrying: ", ended.error());
    }
    [[maybe_unused]] auto paused =
        co_await with_timeout(winding_down(state), jittered(kReconnectAfter));
    if (mine->requested() || state->winding_down) break;
  }
  co_await channel.drain();
}

Task<void> Watcher::stop(Duration grace) {
  wanted_.reset();
  if (current_ && grace > Duration::zero()) {
    current_->winding_down = true;
    current_->changed.notify_all();
    Timer limit([this] {
      for (const auto& stream : streams_) stream->scope.cancel();
    });
    limit.start(grace);
    const Streams all = streams_;
    for (const auto& stream : all) co_await stream->scope.join();
  }
  Streams rest = std::move(streams_);
  streams_.clear();
  co_await end(std::move(rest));
}

Task<void> Watcher::close() {
  wanted_.reset();
  scope_.cancel();
  co_await scope_.join();
  Streams rest = std::move(streams_);
  streams_.clear();
  co_await end(std::move(rest));
}

}  // namespace outrigger::runtime::scheduler
