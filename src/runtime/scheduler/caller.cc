#include "runtime/scheduler/caller.h"

#include "base/log.h"
#include "base/random.h"
#include "runtime/scheduler/endpoint.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::scheduler {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime.scheduler.clients");

constexpr Duration kRetryAfter = 250ms;

/// An error that no scheduler gave.
std::unexpected<Error> unasked(std::string message) {
  return fail(Code::unknown, std::move(message));
}

std::unexpected<Error> out_of_time() { return unasked("context deadline exceeded"); }

Error error_of(const net::grpc::Status& status) {
  return Error(status.code, "rpc error: code = " + std::string(to_string(status.code)) +
                                " desc = " + status.message);
}

/// Whether the call came to no scheduler at all.
bool unreached(const net::grpc::Reply& reply) {
  return reply.status.code == Code::unavailable && reply.headers.empty() && reply.trailers.empty();
}

/// What is left of a caller's time.
class TimeLeft {
 public:
  explicit TimeLeft(const std::optional<Duration>& limit) {
    if (limit) until_ = now() + *limit;
  }
  [[nodiscard]] bool none() const { return until_ && *until_ <= now(); }
  [[nodiscard]] std::optional<Duration> get() const {
    if (!until_) return std::nullopt;
    return std::max(*until_ - now(), Duration(1ms));
  }
  [[nodiscard]] Duration at_most(Duration wanted) const {
    return until_ ? std::min(wanted, *get()) : wanted;
  }

 private:
  static TimePoint now() noexcept { return std::chrono::steady_clock::now(); }
  std::optional<TimePoint> until_;
};

}  // namespace

void Caller::disable() {
  if (state_ == State::closed) return;
  state_ = State::disabled;
  changed_.notify_all();
}

void Caller::stop_waiting() {
  may_wait_ = false;
  changed_.notify_all();
}

void Caller::close() {
  state_ = State::closed;
  changed_.notify_all();
}

void Caller::set_addresses(const std::vector<std::string>& addresses) {
  if (state_ == State::closed) return;
  channels_.clear();
  for (const std::string& address : addresses) {
    auto endpoint = endpoint_of(address, tls_);
    if (!endpoint) {
      log.error("Scheduler address ", address, " cannot be used: ", endpoint.error());
      continue;
    }
    channels_.push_back(std::make_shared<net::grpc::Channel>(client_, *std::move(endpoint)));
  }
  // Not every loop of every sidecar begins with the same scheduler.
  last_ = channels_.empty() ? 0 : fast_random_below(channels_.size());
  state_ = State::known;
  changed_.notify_all();
}

Task<Result<>> Caller::wait_until_known() {
  while (state_ == State::unknown && may_wait_) {
    auto woken = co_await changed_.wait();
    if (!woken) co_return woken;
  }
  co_return Result<>();
}

Result<std::shared_ptr<net::grpc::Channel>> Caller::next() {
  const bool over = state_ == State::closed || state_ == State::unknown;
  if (over) return unasked("context canceled");
  if (state_ == State::disabled) return unasked("scheduler clients are disabled");
  if (channels_.empty()) return unasked("no scheduler client initialized");
  return channels_[++last_ % channels_.size()];
}

Task<Result<net::grpc::Reply>> Caller::attempt(std::shared_ptr<net::grpc::Channel> channel,
                                               std::string path, std::string message,
                                               std::optional<Duration> timeout) {
  telemetry::GrpcMetrics::Call seen{};
  seen.request_bytes = message.size();
  const TimePoint started = std::chrono::steady_clock::now();
  net::grpc::CallOptions options;
  options.timeout = timeout;
  options.message_bytes_max = INT32_MAX;
  auto reply = co_await channel->unary(path, std::move(message), std::move(options));
  if (metrics_ == nullptr) co_return reply;
  seen.method = path;
  seen.status = to_string(reply ? reply->status.code : reply.error().code());
  seen.response_bytes = reply ? reply->message.size() : 0;
  seen.elapsed = std::chrono::steady_clock::now() - started;
  metrics_->client_call(seen);
  co_return reply;
}

// A scheduler that shuts down cancels its calls: the next one is asked then.
Task<Result<std::string>> Caller::call(std::string path, std::string message, Patience patience) {
  const TimeLeft left(patience.limit);
  Cancellation* const mine = co_await this_cancellation();
  for (;;) {
    if (state_ == State::unknown) {
      Result<> known;
      if (patience.limit) {
        known = co_await with_timeout(wait_until_known(), *left.get());
      } else {
        known = co_await wait_until_known();
      }
      if (!known && known.error().code() == Code::deadline_exceeded) co_return out_of_time();
      if (!known) co_return unasked("context canceled");
    }
    auto channel = next();
    if (!channel) co_return std::unexpected(std::move(channel).error());
    auto reply = co_await attempt(*std::move(channel), path, message, left.get());
    if (!reply) co_return std::unexpected(std::move(reply).error());
    if (reply->status.ok()) co_return std::move(reply->message);
    const bool again = reply->status.code == Code::cancelled ||
                       (patience.wait_for_ready && may_wait_ && unreached(*reply));
    const bool ended = state_ == State::closed || (mine != nullptr && mine->requested());
    if (!again || ended || left.none()) co_return fail(error_of(reply->status));
    auto slept = co_await sleep_for(left.at_most(jittered(kRetryAfter)));
    if (!slept) co_return fail(error_of(reply->status));
    if (!left.none()) continue;
    net::grpc::Status late{Code::deadline_exceeded, "context deadline exceeded", {}};
    if (reply->status.code == Code::unavailable) {
      late.message += " while waiting for connections to become ready: " + reply->status.message;
    }
    co_return fail(error_of(late));
  }
}

}  // namespace outrigger::runtime::scheduler
