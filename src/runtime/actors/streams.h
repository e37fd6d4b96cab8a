#pragma once

#include <mutex>
#include <set>

#include "base/scope.h"
#include "runtime/actors/invocation.h"

namespace outrigger::runtime::actors {

/// A stream that an application opened to get its actors' calls (SubscribeActorEventsAlpha1). Lives
/// on the loop of its connection; others reach it through Streams.
class ActorStream {
 public:
  virtual ~ActorStream() = default;
  /// What the application answers, serialised SubscribeActorEventsRequestAlpha1. `unnumbered` is
  /// the call without its id. Code::unknown if the stream ends before the answer.
  enum class Kind : std::uint8_t { invoke, reminder, timer, deactivate };
  virtual Task<Result<std::string>> ask(Kind kind, std::string unnumbered) = 0;
};

/// The streams that are open. Calls go to the newest one; one that is older keeps the calls it has.
/// Any thread.
class Streams {
 public:
  struct Open {
    Loop* loop = nullptr;
    std::shared_ptr<ActorStream> stream;
    std::vector<std::string> types;
  };
  void add(Open open);
  /// The types that no other stream has.
  [[nodiscard]] std::vector<std::string> remove(const ActorStream* stream);
  /// No stream inside: the application has none open.
  [[nodiscard]] Open newest() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Open> open_;
};

/// Actors behind such a stream, as one loop sees them.
class StreamCallbacks final : public Callbacks {
 public:
  /// Must outlive this object.
  explicit StreamCallbacks(Streams& streams) : streams_(streams) {}

  Task<Result<Reply>> invoke(InvocationPtr call, std::string reentrancy_id) override;
  Task<Result<Fired>> fire(ReminderPtr reminder, std::string reentrancy_id) override;
  Task<Result<>> deactivate(ActorRef actor) override;

 private:
  Task<Result<std::string>> ask(ActorStream::Kind kind, std::string unnumbered);
  Streams& streams_;
};

}  // namespace outrigger::runtime::actors
