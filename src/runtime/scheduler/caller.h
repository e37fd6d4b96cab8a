#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "net/grpc/channel.h"
#include "runtime/scheduler/service.h"

namespace outrigger::runtime::scheduler {

/// Unary calls to the schedulers in turn, on one loop.
class Caller {
 public:
  /// The client must outlive this object's calls.
  Caller(net::Client& client, const telemetry::GrpcMetrics* metrics,
         std::shared_ptr<net::TlsContext> tls)
      : client_(client), metrics_(metrics), tls_(std::move(tls)) {}

  /// There is no scheduler: calls fail.
  void disable();
  /// From now on calls go to these. Calls that run go on where they are.
  void set_addresses(const std::vector<std::string>& addresses);
  /// The answer's message. Errors as Service promises them.
  Task<Result<std::string>> call(std::string path, std::string message, Patience patience);
  /// Calls that wait for a scheduler to be there fail, now and later; others go on.
  void stop_waiting();
  /// Calls fail from now on, those that wait too.
  void close();

 private:
  enum class State : std::uint8_t { unknown, known, disabled, closed };
  Task<Result<>> wait_until_known();
  Result<std::shared_ptr<net::grpc::Channel>> next();

  Task<Result<net::grpc::Reply>> attempt(std::shared_ptr<net::grpc::Channel> channel,
                                         std::string path, std::string message,
                                         std::optional<Duration> timeout);

  net::Client& client_;
  const telemetry::GrpcMetrics* metrics_;
  std::shared_ptr<net::TlsContext> tls_;
  State state_ = State::unknown;
  bool may_wait_ = true;
  Signal changed_;
  std::vector<std::shared_ptr<net::grpc::Channel>> channels_;
  std::size_t last_ = 0;
};

}  // namespace outrigger::runtime::scheduler
