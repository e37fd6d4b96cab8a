#pragma once

#include "net/grpc/server.h"
#include "runtime/invoke/service.h"

namespace outrigger::runtime::invoke {

/// Passes calls of any gRPC service on to the application that their metadata names: bytes as they
/// came, of all four kinds of streaming. To our own application directly, else to its sidecar.
class Proxy final : public net::grpc::Fallback {
 public:
  /// Which server the calls come in by.
  enum class Server : std::uint8_t { api, internal };
  Proxy(Service& service, Server server) : service_(service), server_(server) {}

  Task<Result<net::Response>> handle(
      std::shared_ptr<net::grpc::Call> call, net::Request request,
      std::move_only_function<void(const net::grpc::Status&)> ended) override;

 private:
  Task<Result<net::Response>> pass_on(std::shared_ptr<net::grpc::Call> call, net::Request request);
  Task<Result<net::Response>> to_own_app(std::shared_ptr<net::grpc::Call> call,
                                         net::Request request);
  Task<Result<net::Response>> to_sidecar(peers::Target target, net::Request request,
                                         TraceContext trace);
  Task<Result<net::Response>> under_policy(resiliency::Policy policy, peers::Target target,
                                           net::Request request, TraceContext trace);
  Task<resiliency::Outcome> attempt_under(peers::Target target, net::Request* request,
                                          TraceContext trace,
                                          std::optional<Result<net::Response>>* answer);
  Task<Result<std::string>> locate(peers::Target target);

  Service& service_;
  Server server_;
};

/// Whether the caller says that the call is a stream, by its header dapr-stream.
[[nodiscard]] bool is_streaming(const net::Request& request);

/// The status as far as it is known: a stream has begun well.
[[nodiscard]] net::grpc::Status status_now(const Result<net::Response>& response);

/// Tells `ended` the status of a response when its end is known: now, or when its stream is over.
void report_end(net::Response& response,
                std::move_only_function<void(const net::grpc::Status&)> ended);

}  // namespace outrigger::runtime::invoke
