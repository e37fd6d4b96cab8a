#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "net/message.h"
#include "runtime/invoke/message.h"

namespace outrigger::runtime::invoke {

/// A call by another sidecar to our application, before it is made.
struct AccessQuestion {
  /// Who is at the other end of the connection; its certificate tells the caller's identity.
  const net::Peer* peer = nullptr;
  std::string_view operation;  ///< The normalised method.
  Verb verb = Verb::none;      ///< Set if the application speaks HTTP.
  bool app_speaks_http = false;
  /// A gRPC call that is passed on as it came.
  bool proxied = false;
};
/// Code::permission_denied with upstream's message if the access control list forbids it. An empty
/// function allows everything.
using AccessCheck = std::function<Result<>(const AccessQuestion& question)>;

}  // namespace outrigger::runtime::invoke
