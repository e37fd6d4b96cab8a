#pragma once

#include "runtime/invoke/proxy.h"

namespace outrigger::runtime::invoke {

/// The calls that other sidecars make to our application: CallLocalStream, which answers a short
/// body without a task of its own, and whatever else they pass through.
class InternalCalls final : public net::grpc::Fallback {
 public:
  explicit InternalCalls(Service& service)
      : service_(service), proxy_(service, Proxy::Server::internal) {}

  Task<Result<net::Response>> handle(
      std::shared_ptr<net::grpc::Call> call, net::Request request,
      std::move_only_function<void(const net::grpc::Status&)> ended) override;

 private:
  using Ended = std::move_only_function<void(const net::grpc::Status&)>;
  struct Answer {
    Reply reply;
    std::string caller;
  };
  Task<Result<Answer>> call_local(std::shared_ptr<net::grpc::Call> call, net::Request request);
  net::Response respond(Reply reply, Ended ended);

  Service& service_;
  Proxy proxy_;
};

/// CallLocal: the same with one message each way.
Task<Result<std::string>> call_local(Service& service, net::grpc::Call& call, std::string message);

}  // namespace outrigger::runtime::invoke
