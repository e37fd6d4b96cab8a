#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/message.h"

namespace outrigger::runtime::invoke {

/// Keeps the messages of one proxied call below --max-body-size, in both directions. They pass by;
/// none is held. Destroying it leaves the bodies guarded.
class MessageLimit {
 public:
  explicit MessageLimit(std::size_t message_bytes_max);

  /// Before the request is sent on. An error if what has come of it is too large already; later, a
  /// stream ends in the error, and so the call: see refusal().
  Result<> guard(net::Request& request);
  /// Before the response is sent back. An error if it is whole and too large. A stream that breaks
  /// off, for this or any other reason, ends with trailers that tell the status instead.
  Result<> guard(net::Response& response);
  /// Why the request's stream was ended, if it was: then that is how the call has failed.
  [[nodiscard]] const std::optional<Error>& refusal() const noexcept { return *refusal_; }

 private:
  std::size_t message_bytes_max_;
  /// Shared with what is in the pipes.
  std::shared_ptr<std::optional<Error>> refusal_;
};

}  // namespace outrigger::runtime::invoke
