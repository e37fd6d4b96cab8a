#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/scope.h"
#include "components/pluggable/connection.h"
#include "components/pubsub/broker.h"

namespace outrigger::components::pluggable {

/// A topic whose messages come by a PullMessages stream. They are handled one after the other, as
/// they come, and acknowledged on the same stream. A stream that ends is opened again.
class PullSubscription final : public pubsub::Subscription {
 public:
  /// `paused`: whether the program was told to give no more. It and `connection` must live longer.
  PullSubscription(Connection& connection, pubsub::SubscribeRequest request,
                   pubsub::Deliver deliver, const std::atomic<bool>& paused);
  ~PullSubscription() override;

  /// Opens the first stream.
  Task<Result<>> start();
  /// The message in hand is acknowledged; those behind it only if the program was paused.
  Task<void> close() override;

 private:
  using Stream = std::shared_ptr<net::grpc::ClientStream>;

  Task<Result<Stream>> open();
  Task<void> run(Stream stream);
  Task<Result<>> pull(Stream stream);
  Task<Result<>> handle(Stream stream, std::string bytes);
  Task<Result<Stream>> reopen();
  Task<void> say_goodbye(Stream stream);
  static Task<void> drop_messages(Stream stream, Duration limit);
  Task<void> wait_until_quiet();

  Connection& connection_;
  pubsub::SubscribeRequest request_;
  pubsub::Deliver deliver_;
  const std::atomic<bool>& paused_;
  bool open_ = false;
  bool closing_ = false;
  /// A message was in hand when it began to close.
  bool settles_ = false;
  bool busy_ = false;
  std::uint64_t handled_ = 0;
  Duration pause_;
  Cancellation reading_;  // Of the waits for messages, not of their delivery.
  Scope scope_;
};

}  // namespace outrigger::components::pluggable
