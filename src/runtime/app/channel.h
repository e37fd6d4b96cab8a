#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/scope.h"
#include "net/grpc/channel.h"
#include "net/message.h"

namespace outrigger::telemetry {
class RuntimeMetrics;
}

namespace outrigger::runtime::app {

/// How the application is reached; the same for all loops.
struct ChannelOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  enum class Protocol : std::uint8_t { http, https, h2c, grpc, grpcs };
  Protocol protocol = Protocol::http;
  /// Sent as dapr-api-token with every call; empty: none.
  std::string api_token;
  std::string app_id;
  /// Calls at a time over all loops; 0: no limit.
  int concurrency_max = 0;
  std::size_t body_bytes_max = 4U << 20;
  std::size_t head_bytes_max = 4096;
  /// Where gRPC calls and probes are counted, and http_counted(); nullptr: nowhere. HTTP calls
  /// otherwise are counted by who makes them.
  const telemetry::RuntimeMetrics* metrics = nullptr;
};

/// Where the application is and what it speaks there; for whoever reaches it without a channel. Its
/// certificate is not checked, as upstream does not.
Result<net::Endpoint> endpoint_of(const ChannelOptions& options);

/// The application, seen from one loop. Every call of the sidecar to its application goes through
/// here: tokens, the concurrency limit and the appHttpPipeline are added here and only here.
class Channel {
 public:
  virtual ~Channel() = default;
  [[nodiscard]] virtual bool is_grpc() const noexcept = 0;
  [[nodiscard]] virtual const ChannelOptions& options() const noexcept = 0;

  /// An HTTP request to an application that speaks HTTP. `target` is path and query without the
  /// application's address. The slot of the concurrency limit is held until the response's head
  /// has come, as upstream does. Code::internal "app is not in a healthy state" while probes fail.
  virtual Task<Result<net::Response>> http(net::Request request) = 0;

  /// A unary call to an application that speaks gRPC.
  virtual Task<Result<net::grpc::Reply>> grpc(std::string path, std::string message,
                                              net::grpc::CallOptions options) = 0;
  /// Any call to an application that speaks gRPC, its body passed through as it is: the head comes
  /// from the caller (path, metadata), the reply with its trailers goes back untouched.
  virtual Task<Result<net::Response>> proxy(net::Request request) = 0;

  /// Sees every HTTP request before it is sent (appHttpPipeline). Before the first call.
  using Filter = std::function<Task<net::Response>(
      net::Request request, std::move_only_function<Task<net::Response>(net::Request)> next)>;
  virtual void set_filter(Filter) {}

  virtual Task<void> close() = 0;
};

class Gate;

/// The channel of one loop. `gate` is shared by all loops and must outlive it.
Result<std::unique_ptr<Channel>> make_channel(ChannelOptions options, Gate& gate);

}  // namespace outrigger::runtime::app
