#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/scope.h"
#include "components/pubsub/broker.h"

/// A subscriber for tests of brokers.
namespace outrigger::components::pubsub {

/// Keeps what it is given; holds on to it or refuses it as the test says. Belongs to one loop and
/// must outlive its subscriptions.
struct Receiver {
  std::vector<Message> messages;  ///< Every attempt, in order.
  Signal changed;                 ///< Notified when `messages` or `running` has.
  Signal go_on;
  bool hold = false;
  /// Whether to refuse the message.
  std::function<bool(const Message& message)> refuse;
  std::size_t running = 0;
  std::size_t most_running = 0;

  static Task<Result<>> take(Receiver* self, Message message) {
    ++self->running;
    self->most_running = std::max(self->most_running, self->running);
    const bool refused = self->refuse && self->refuse(message);
    self->messages.push_back(std::move(message));
    self->changed.notify_all();
    Result<> outcome;
    if (refused) outcome = fail(Code::internal, "the app has no time");
    while (outcome && self->hold) outcome = co_await self->go_on.wait();
    --self->running;
    self->changed.notify_all();
    co_return outcome;
  }
  Deliver deliver() {
    return [this](Message message) { return take(this, std::move(message)); };
  }

  /// Waits until `enough()` or for ten seconds.
  static Task<Result<>> until(Receiver* self, std::function<bool()> enough) {
    auto done = co_await with_timeout(reached(self, std::move(enough)), std::chrono::seconds(60));
    co_return done;
  }
  [[nodiscard]] std::vector<std::string> data() const {
    std::vector<std::string> all;
    for (const auto& message : messages) all.push_back(message.data);
    return all;
  }

 private:
  static Task<Result<>> reached(Receiver* self, std::function<bool()> enough) {
    while (!enough()) {
      OUT_CO_CHECK(co_await self->changed.wait());
    }
    co_return Result<>();
  }
};

}  // namespace outrigger::components::pubsub
