#pragma once

#include <memory>
#include <string>

#include "control/scheduler/engine.h"
#include "net/grpc/server.h"

namespace outrigger::control::scheduler {

/// A port that can be read as upstream's etcd can: Range of the v3 API over the records of jobs,
/// counters and replicas, as they are now. One loop.
class EtcdFace {
 public:
  struct Options {
    std::string address;
    std::uint16_t port = 0;
    /// Of this replica.
    std::string id;
  };
  /// The engine must outlive it.
  EtcdFace(Engine& engine, Loops& loops, Options options);
  ~EtcdFace();

  Result<> open();
  Task<void> close();

 private:
  Task<Result<std::string>> range(std::string message);

  Engine& engine_;
  Options options_;
  net::grpc::Service service_;
  std::unique_ptr<net::Server> server_;
  Loops& loops_;
};

}  // namespace outrigger::control::scheduler
