#include "runtime/resiliency/breaker.h"

#include <array>
#include <memory>

#include "runtime/cel/program.h"

namespace outrigger::runtime::resiliency {
namespace {

constexpr std::uint32_t kFailuresThatTrip = 5;

bool trips_by_default(const Breaker::Counts& counts) {
  return counts.consecutive_failures > kFailuresThatTrip;
}

// An expression that cannot be evaluated trips nothing.
bool evaluate(const cel::Program& program, const Breaker::Counts& counts) {
  const std::array bindings{
      cel::Binding{"requests", cel::Value::integer(counts.requests)},
      cel::Binding{"totalSuccesses", cel::Value::integer(counts.successes)},
      cel::Binding{"totalFailures", cel::Value::integer(counts.failures)},
      cel::Binding{"consecutiveSuccesses", cel::Value::integer(counts.consecutive_successes)},
      cel::Binding{"consecutiveFailures", cel::Value::integer(counts.consecutive_failures)}};
  return program.matches(bindings).value_or(false);
}

}  // namespace

Breaker::Breaker(Settings settings, Changed changed)
    : settings_(std::move(settings)), changed_(std::move(changed)) {}

std::expected<Breaker::Generation, Breaker::Refusal> Breaker::admit(TimePoint now) {
  std::unique_lock lock(mutex_);
  const auto change = catch_up(now);
  std::expected<Generation, Refusal> answer = generation_;
  if (state_ == State::open) {
    answer = std::unexpected(Refusal::open);
  } else if (state_ == State::half_open && counts_.requests >= settings_.requests_max) {
    answer = std::unexpected(Refusal::too_many);
  } else {
    ++counts_.requests;
  }
  lock.unlock();
  tell(change);
  return answer;
}

void Breaker::ended(Generation admitted, bool success, TimePoint now) {
  std::unique_lock lock(mutex_);
  const auto aged = catch_up(now);
  std::optional<Change> change;
  if (generation_ == admitted) {
    if (success) {
      ++counts_.successes;
      ++counts_.consecutive_successes;
      counts_.consecutive_failures = 0;
      if (state_ == State::half_open && counts_.consecutive_successes >= settings_.requests_max) {
        change = become(State::closed, now);
      }
    } else {
      ++counts_.failures;
      ++counts_.consecutive_failures;
      counts_.consecutive_successes = 0;
      if (state_ == State::half_open || settings_.trips(counts_)) change = become(State::open, now);
    }
  }
  lock.unlock();
  tell(aged);
  tell(change);
}

Breaker::State Breaker::state(TimePoint now) {
  std::unique_lock lock(mutex_);
  const auto change = catch_up(now);
  const State state = state_;
  lock.unlock();
  tell(change);
  return state;
}

// What time alone changes.
std::optional<Breaker::Change> Breaker::catch_up(TimePoint now) {
  if (!std::exchange(begun_, true)) begin_generation(now);
  if (!expires_ || *expires_ >= now) return std::nullopt;
  if (state_ == State::open) return become(State::half_open, now);
  begin_generation(now);
  return std::nullopt;
}

std::optional<Breaker::Change> Breaker::become(State state, TimePoint now) {
  const Change change{.from = std::exchange(state_, state), .to = state};
  begin_generation(now);
  return change;
}

void Breaker::begin_generation(TimePoint now) {
  ++generation_;
  counts_ = {};
  expires_.reset();
  if (state_ == State::open) {
    expires_ = now + settings_.timeout;
  } else if (state_ == State::closed && settings_.interval > Duration::zero()) {
    expires_ = now + settings_.interval;
  }
}

void Breaker::tell(const std::optional<Change>& change) const {
  if (change && changed_) changed_(change->from, change->to);
}

std::string_view to_string(Breaker::State state) noexcept {
  switch (state) {
    case Breaker::State::closed: return "closed";
    case Breaker::State::half_open: return "half-open";
    case Breaker::State::open: return "open";
  }
  return "unknown";
}

Result<Breaker::Settings> breaker_settings(const resources::CircuitBreakerPolicy& policy) {
  Breaker::Settings settings;
  if (policy.max_requests > 0) settings.requests_max = policy.max_requests;
  if (policy.timeout > Duration::zero()) settings.timeout = policy.timeout;
  settings.interval = policy.interval;
  settings.trips = trips_by_default;
  if (policy.trip.empty()) return settings;
  OUT_TRY(auto compiled, cel::compile(policy.trip));
  settings.trips = [program = std::make_shared<const cel::Program>(std::move(compiled))](
                       const Breaker::Counts& counts) { return evaluate(*program, counts); };
  return settings;
}

}  // namespace outrigger::runtime::resiliency
