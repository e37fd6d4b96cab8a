#pragma once

#include "control/scheduler/engine.h"
#include "control/scheduler/metrics.h"
#include "net/grpc/server.h"

namespace outrigger::control::scheduler {

/// Whether whoever calls may speak for this app: under mutual TLS it must be that app. What is
/// refused is counted. Errors are upstream's.
Result<> authorize(const Metrics& metrics, const net::Peer* peer, const std::string& app_id,
                   const std::string& name_space);

/// The gRPC service dapr.proto.scheduler.v1.Scheduler: parse, call the engine, render. One loop.
class Api {
 public:
  /// Both must outlive the calls.
  Api(Engine& engine, Metrics& metrics);

  net::grpc::Service& service() noexcept { return service_; }
  /// Ends the streams, with upstream's words for it, and waits for the calls.
  Task<void> drain();

 private:
  class Stream;

  void add_methods();
  // The peer lives as long as the call.
  Task<Result<std::string>> schedule(const net::Peer* peer, std::string message);
  Task<Result<std::string>> get(const net::Peer* peer, std::string message);
  Task<Result<std::string>> remove(const net::Peer* peer, std::string message);
  Task<Result<std::string>> remove_by_metadata(const net::Peer* peer, std::string message);
  Task<Result<std::string>> remove_by_name_prefix(const net::Peer* peer, std::string message);
  Task<Result<std::string>> list(const net::Peer* peer, std::string message);
  Task<Result<>> watch_jobs(const net::Peer* peer, net::grpc::ServerStream& stream);
  Task<Result<>> watch_hosts(net::grpc::ServerStream& stream);
  Task<Result<>> send_hosts(net::grpc::ServerStream& stream);
  Result<WatchRequest> begin_watch(const net::Peer* peer, std::string_view message) const;
  /// What a stream's end is for its client.
  [[nodiscard]] std::unexpected<Error> ended(std::string_view closing_words) const;
  /// What it is if its first message could not be read.
  [[nodiscard]] std::unexpected<Error> broken(const Error& error,
                                              std::string_view closing_words) const;

  Engine& engine_;
  Metrics& metrics_;
  bool closing_ = false;
  net::grpc::Service service_;
};

}  // namespace outrigger::control::scheduler
