#pragma once

#include <memory>
#include <string>

#include "control/scheduler/engine.h"
#include "net/grpc/server.h"

namespace outrigger::control::scheduler {

/// A port that is to upstream's command line what upstream's etcd is: Range, Put, DeleteRange and
/// unconditional Txn of the v3 API over the records of jobs, counters and replicas, as they are
/// now. A counter is deleted with its job and not alone; replicas cannot be written. The operations
/// of a Txn are done one after the other, and an error ends it half-way. One loop. Records are read
/// a page at a time, and a large answer to Range is sent as it is read: its length is told first,
/// so what was written meanwhile has some room, and what is left of that is filled with a field
/// that readers pass over. Code::unavailable if the room was too little.
class EtcdFace {
 public:
  struct Options {
    std::string address;
    std::uint16_t port = 0;
    /// Of this replica.
    std::string id;
    /// A large answer of which nothing is taken for so long ends.
    Duration unread_max = std::chrono::seconds(60);
    /// So many large answers are sent at once. Of each a page and what is in its pipe is held.
    std::size_t large_max = 64;
  };
  /// The engine must outlive it.
  EtcdFace(Engine& engine, Loops& loops, Options options);
  ~EtcdFace();

  Result<> open();
  net::grpc::Service& service() noexcept { return service_; }
  Task<void> close();

 private:
  class Operations;
  class Ranges;

  Engine& engine_;
  Options options_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<Ranges> ranges_;
  net::grpc::Service service_;
  std::unique_ptr<net::Server> server_;
  Loops& loops_;
};

}  // namespace outrigger::control::scheduler
