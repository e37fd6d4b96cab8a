#include "components/clients/postgres/client.h"

#include "base/log.h"
#include "base/random.h"

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib.postgresql");

/// With so many units on every connection one more connection is made, if one may be.
constexpr std::size_t kBusy = 2;
/// More units than this on each connection wait for room.
constexpr std::size_t kOutstandingMax = 256;

constexpr int kAttemptsMax = 5;
constexpr Duration kAgeCheck = 15s;

/// How long to wait before the connection attempt after so many failed ones.
Duration backoff(int failures) {
  if (failures == 0) return 0ms;
  return std::min<Duration>(20ms * (1 << std::min(failures - 1, 6)), 1s);
}

/// How long to wait before a transaction is tried again after so many tries: at random, or the same
/// ones would meet again.
Duration apart(int attempts) {
  const auto most = std::uint64_t{20} * static_cast<std::uint64_t>(std::min(attempts, 10));
  return std::chrono::milliseconds(1 + fast_random_below(most));
}

/// The server ended the transaction for the sake of others.
bool gave_way(const Refusal& refusal) {
  return refusal.sqlstate == sqlstate::kDeadlock || refusal.sqlstate == sqlstate::kSerialization;
}

/// The server's prepared statements are not, or no more, what this connection takes them for.
bool out_of_date(const Refusal& refusal) {
  return refusal.sqlstate == sqlstate::kNoSuchStatement ||
         refusal.sqlstate == sqlstate::kPlanChanged;
}

}  // namespace

Client::Client(Loop& loop, std::shared_ptr<const Settings> settings)
    : settings_(std::move(settings)), loop_(loop), age_timer_([this] { sweep(); }) {}

Client::~Client() {
  OUT_ASSERT(connections_.empty());
  loop_.withdraw(*this);
}

Task<Result<Reply>> Client::run(Unit unit, Effect effect) {
  auto reply = co_await with_timeout(persist(std::move(unit), effect), settings_->timeout);
  if (reply || reply.error().code() != Code::deadline_exceeded) co_return reply;
  co_return fail(Code::deadline_exceeded, "timeout: the database did not answer in time");
}

Task<Result<Reply>> Client::persist(Unit unit, Effect effect) {
  for (int attempt = 1;; ++attempt) {
    OUT_CO_TRY(auto connection, co_await acquire());
    Call call;
    connection->submit(call, unit);
    auto reply = co_await call.wait();
    const bool last = attempt >= kAttemptsMax;
    if (reply) {
      if (!reply->refusal) co_return reply;
      if (gave_way(*reply->refusal)) {
        // However often: nothing has been done, and the time-out is the limit.
        auto slept = co_await sleep_for(apart(attempt));
        if (!slept) co_return fail(std::move(slept).error());
        continue;
      }
      if (last) co_return reply;
      const bool elsewhere =
          settings_->hosts.size() > 1 && reply->refusal->sqlstate == sqlstate::kReadOnly;
      if (elsewhere || out_of_date(*reply->refusal)) {
        connection->retire();
      } else if (!reply->refusal->stray) {
        co_return reply;
      }
      continue;
    }
    const bool broken = reply.error().code() == Code::unavailable;
    if (!broken || last || (call.lost() && effect == Effect::write)) co_return reply;
  }
}

Task<Result<Rows>> Client::query(Step step, Effect effect) {
  Unit unit;
  unit.push_back(std::move(step));
  OUT_CO_TRY(auto reply, co_await run(std::move(unit), effect));
  if (reply.refusal) co_return fail(std::move(reply.refusal->error));
  if (reply.rows.empty()) co_return fail(Code::internal, "the database gave no result");
  co_return std::move(reply.rows.front());
}

Task<Result<>> Client::ping() {
  Unit nothing;
  OUT_CO_TRY(auto reply, co_await run(std::move(nothing), Effect::read));
  if (reply.refusal) co_return fail(std::move(reply.refusal->error));
  co_return Result<>();
}

Task<Result<std::unique_ptr<Connection>>> Client::dedicated() {
  OUT_CO_TRY(auto connection, co_await Connection::dial(settings_));
  OUT_CO_CHECK(connection->start(nullptr));
  co_return connection;
}

std::shared_ptr<Connection> Client::least_loaded() const noexcept {
  const std::shared_ptr<Connection>* best = nullptr;
  for (const auto& each : connections_) {
    if (!each->alive() || each->retired()) continue;
    if (best == nullptr || each->outstanding() < (*best)->outstanding()) best = &each;
  }
  return best == nullptr ? nullptr : *best;
}

Task<Result<std::shared_ptr<Connection>>> Client::acquire() {
  std::uint64_t seen = attempts_;
  for (;;) {
    if (closed_) co_return fail(Code::unavailable, "the component is closed");
    auto best = least_loaded();
    if (best == nullptr || best->outstanding() >= kBusy) grow();
    if (best != nullptr && best->outstanding() < kOutstandingMax) co_return best;
    auto woken = co_await changed_.wait();
    if (!woken) co_return fail(std::move(woken).error());
    // Not if there is a connection without room: then the attempt was for one more.
    const bool failed = attempts_ != seen && failure_ && least_loaded() == nullptr;
    if (failed) co_return fail(*failure_);
    seen = attempts_;
  }
}

/// One attempt at a time, whoever asks.
void Client::grow() {
  if (connecting_ || closed_ || !take_slot()) return;
  connecting_ = true;
  scope_.spawn(connect());
}

bool Client::take_slot() noexcept {
  std::atomic<int>& count = settings_->connections;
  if (least_loaded() == nullptr) {
    count.fetch_add(1);
    return true;
  }
  int now = count.load();
  while (now < settings_->connections_max) {
    if (count.compare_exchange_weak(now, now + 1)) return true;
  }
  return false;
}

Task<void> Client::connect() {
  auto slept = co_await sleep_for(backoff(failures_));
  Result<std::unique_ptr<Connection>> made = fail(Code::cancelled, "closed");
  if (slept) made = co_await Connection::dial(settings_);
  auto started = made ? (*made)->start(this) : Result<>();
  connecting_ = false;
  ++attempts_;
  if (made && started) {
    failures_ = 0;
    failure_.reset();
    connections_.push_back(std::move(*made));
    if (!age_timer_.running()) age_timer_.start(kAgeCheck);
  } else {
    ++failures_;
    failure_ = made ? std::move(started).error() : std::move(made).error();
    settings_->connections.fetch_sub(1);
    log.debug("connecting: ", *failure_);
  }
  changed_.notify_all();
}

void Client::on_progress() {
  // Not here: the connection that calls is in the middle of something.
  if (!closed_) loop_.at_turn_end(*this);
}

void Client::on_turn_end() {
  sweep();
  if (changed_.has_waiters()) changed_.notify_all();
}

void Client::sweep() {
  const TimePoint now = loop_.now();
  std::erase_if(connections_, [&](const auto& each) {
    if (each->alive()) {
      if (now - each->made_at() > settings_->lifetime_max) each->retire();
      const bool idle = now - each->idle_since() > settings_->idle_max;
      if (each->outstanding() != 0 || (!idle && !each->retired())) return false;
    }
    settings_->connections.fetch_sub(1);
    return true;
  });
  if (connections_.empty()) {
    age_timer_.stop();
  } else if (!age_timer_.running()) {
    age_timer_.start(kAgeCheck);
  }
}

Task<void> Client::close() {
  closed_ = true;
  scope_.cancel();
  co_await scope_.join();
  changed_.notify_all();
  settings_->connections.fetch_sub(static_cast<int>(connections_.size()));
  connections_.clear();
  age_timer_.stop();
  loop_.withdraw(*this);
}

}  // namespace outrigger::components::postgres
