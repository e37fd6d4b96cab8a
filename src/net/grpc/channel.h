#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/scope.h"
#include "net/grpc/frame.h"
#include "net/grpc/status.h"
#include "net/http/client.h"

namespace outrigger::net::grpc {

struct CallOptions {
  /// Binary values are given as bytes. Reserved names are left out.
  Headers metadata;
  std::optional<Duration> timeout;
  std::size_t message_bytes_max = kDefaultMessageBytesMax;
  /// The message of a unary call is given compressed: what gzip() has made of it.
  bool gzipped = false;
};

/// How a call went. `status` may be an error although messages came.
struct Reply {
  Status status;
  std::string message;
  Headers headers;
  Headers trailers;
};

/// A streaming call of the client, on one loop. Destroying it cancels the call.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  /// Sends a message; waits while the server takes none. An error if the call is over: read() tells
  /// how it ended.
  virtual Task<Result<>> write(std::string message) = 0;
  /// No more messages will be sent.
  virtual void finish_writing() = 0;
  /// The next message; nullopt when the call has ended with OK; else its error.
  virtual Task<Result<std::optional<std::string>>> read() = 0;
  /// The reply's metadata; waits for it.
  virtual Task<Result<Headers>> headers() = 0;
  /// Valid after read() has given nullopt or an error.
  [[nodiscard]] virtual const Headers& trailers() const noexcept = 0;
  virtual void cancel() noexcept = 0;
};

/// Calls to one gRPC server over a client's connections, on one loop.
class Channel {
 public:
  /// The client must outlive the channel. `authority` empty: the endpoint's address.
  Channel(Client& client, Endpoint endpoint, std::string authority = {});
  /// drain() must have ended if stream() was used.
  ~Channel();

  /// One message each way. The error of an unreachable server is in Reply::status too; the Result
  /// is an error only if this task was cancelled.
  Task<Result<Reply>> unary(std::string path, std::string message, CallOptions options);
  /// Begins a streaming call; returns at once.
  std::shared_ptr<ClientStream> stream(std::string path, CallOptions options);
  /// Cancels the streaming calls and waits for their end.
  Task<void> drain();
  [[nodiscard]] const Endpoint& endpoint() const noexcept;
  /// The head of a call's request, for proxies that bring their own body.
  [[nodiscard]] Request head(std::string path, const CallOptions& options) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The status in a response of any kind, once its body (and so its trailers) is complete.
Status status_of_response(const Response& response, const Headers& trailers);

}  // namespace outrigger::net::grpc
