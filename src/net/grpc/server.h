#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "net/grpc/call.h"
#include "net/grpc/frame.h"
#include "net/http/server.h"

namespace outrigger::net::grpc {

/// The messages of a streaming call, both ways.
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  /// The next message; nullopt when the client has sent its last.
  virtual Task<Result<std::optional<std::string>>> read() = 0;
  /// Sends a message; waits while the client takes none.
  virtual Task<Result<>> write(std::string message) = 0;
  /// Sends the reply metadata now instead of with the first message.
  virtual void send_headers() = 0;
};

/// Receives one serialised message and returns one.
using UnaryMethod =
    std::move_only_function<Task<Result<std::string>>(Call& call, std::string message)>;
/// Runs a streaming call of any kind; the call ends when it returns. Cancelled when the client
/// goes.
using StreamMethod = std::move_only_function<Task<Result<>>(Call& call, ServerStream& stream)>;
/// What is done with the calls of methods that are not in the table: a proxy. The call object must
/// be kept until its end is reported to `ended`.
class Fallback {
 public:
  virtual ~Fallback() = default;
  /// Code::unimplemented if it is not for this call either. The status that the response's
  /// trailers carry must be told to `ended`, exactly once, when the response has ended.
  virtual Task<Result<Response>> handle(std::shared_ptr<Call> call, Request request,
                                        std::move_only_function<void(const Status&)> ended) = 0;
};

struct ServiceOptions {
  std::size_t message_bytes_max = kDefaultMessageBytesMax;
};

/// The methods of a gRPC server on one loop, as a RequestHandler for net::Server.
class Service final : public RequestHandler {
 public:
  explicit Service(ServiceOptions options = {});
  /// drain() must have ended.
  ~Service() override;

  void unary(std::string path, UnaryMethod method);
  void stream(std::string path, StreamMethod method);
  void set_interceptor(Interceptor* interceptor) noexcept;
  void set_fallback(Fallback* fallback) noexcept;

  Task<Response> handle(Request request) override;
  /// Cancels the streaming methods and waits for their end.
  Task<void> drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A response that consists of a status only. gRPC has no other errors.
Response status_response(const Status& status, Headers reply_metadata = {},
                         const Headers& trailers = {});

}  // namespace outrigger::net::grpc
