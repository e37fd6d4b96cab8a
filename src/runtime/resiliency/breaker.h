#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <mutex>
#include <string_view>

#include "base/loop.h"
#include "resources/resiliency.h"

namespace outrigger::runtime::resiliency {

/// Stops calls to what fails, for a while. Closed: calls pass, and failures are counted until they
/// trip it. Open: none pass. Half open, after its time-out: a few pass, to see. Any thread.
class Breaker {
 public:
  enum class State : std::uint8_t { closed, half_open, open };
  /// Of the calls since the breaker came into its state, or since its interval began.
  struct Counts {
    std::uint32_t requests = 0;
    std::uint32_t successes = 0, failures = 0;
    std::uint32_t consecutive_successes = 0, consecutive_failures = 0;
  };
  struct Settings {
    /// Let through while half open, and successes that close it.
    std::uint32_t requests_max = 1;
    /// How often the counts are cleared while closed; zero: never.
    Duration interval{};
    Duration timeout = std::chrono::seconds(60);
    /// Whether a failure opens it.
    std::function<bool(const Counts&)> trips;
  };
  /// Told of each change, outside the breaker's lock.
  using Changed = std::function<void(State from, State to)>;

  explicit Breaker(Settings settings, Changed changed = {});

  enum class Refusal : std::uint8_t { open, too_many };
  /// Names a time between two changes; what was begun in one says nothing about the next.
  using Generation = std::uint64_t;
  /// Asks to make a call. If it may be made, ended() must follow.
  std::expected<Generation, Refusal> admit(TimePoint now);
  void ended(Generation admitted, bool success, TimePoint now);
  [[nodiscard]] State state(TimePoint now);

 private:
  struct Change {
    State from, to;
  };
  std::optional<Change> catch_up(TimePoint now);
  std::optional<Change> become(State state, TimePoint now);
  void begin_generation(TimePoint now);
  void tell(const std::optional<Change>& change) const;

  const Settings settings_;
  const Changed changed_;
  std::mutex mutex_;
  State state_ = State::closed;
  Generation generation_ = 0;
  Counts counts_;
  bool begun_ = false;
  /// When the interval ends, or the time of being open.
  std::optional<TimePoint> expires_;
};

/// Upstream's words: "closed", "half-open", "open".
[[nodiscard]] std::string_view to_string(Breaker::State state) noexcept;

/// What a policy document says, checked. Code::invalid_argument if its `trip` is no expression.
Result<Breaker::Settings> breaker_settings(const resources::CircuitBreakerPolicy& policy);

}  // namespace outrigger::runtime::resiliency
