#pragma once

#include <functional>

#include "components/component.h"
#include "net/message.h"

/// What stands between a client and a handler of HTTP requests, as a component.
namespace outrigger::components::middleware {

/// The rest of the way. Called at most once for each request.
using Next = std::move_only_function<Task<net::Response>(net::Request request)>;

/// One object per configured component and loop (components/component.h). Calls overlap.
class Middleware {
 public:
  virtual ~Middleware() = default;
  virtual Task<Result<>> init() { co_return Result<>(); }
  /// Answers, or passes the request, changed perhaps, to `next` and its answer, changed perhaps,
  /// back.
  virtual Task<net::Response> handle(net::Request request, Next next) = 0;
  virtual Task<void> close() { co_return; }
};

/// An answer in plain text.
[[nodiscard]] net::Response refusal(int status, std::string text);
/// The same with the status' own name; 500 for a status without one.
[[nodiscard]] net::Response refusal(int status);

}  // namespace outrigger::components::middleware
