#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/scope.h"
#include "components/clients/etcd/types.h"

namespace outrigger::net {
class TlsContext;
}

namespace outrigger::components::etcd {

struct Options {
  /// "http://host:port", "https://host:port" or "host:port"; at least one.
  std::vector<std::string> endpoints;
  /// Empty: no authentication.
  std::string username;
  std::string password;
  /// For https endpoints and, if set, for those without a scheme.
  std::shared_ptr<net::TlsContext> tls;
  /// Of one request, with all its attempts.
  Duration timeout = std::chrono::seconds(10);
};

/// Follows the changes of a range; made by Client::watch(). What breaks is begun anew behind the
/// last change that was given, so nothing is missed and nothing comes twice.
class Watch {
 public:
  virtual ~Watch() = default;
  /// The next changes, in their order; waits for them. Code::out_of_range: the store has forgotten
  /// what comes next (a compaction), so read the range again and watch anew. Other errors are of
  /// this task's cancellation or of a store that refuses the watch.
  virtual Task<Result<Events>> next() = 0;
};

/// etcd (v3) for one owner on one loop. Calls may overlap. A request goes to the endpoint that
/// answered last, then to the others: reads as long as there is time, writes only if the first
/// could not be reached or said that it has not done it. Errors have etcd's code and words.
class Client {
 public:
  /// Connects to nothing. Code::invalid_argument: an endpoint that is none.
  static Result<std::unique_ptr<Client>> make(Options options);
  /// close() must have ended.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Task<Result<RangeReply>> range(Range request);
  /// The store's revision that has it.
  Task<Result<std::int64_t>> put(Put request);
  /// How many keys were removed.
  Task<Result<std::int64_t>> remove(Remove request);
  /// An error leaves open whether it was done if its code is unavailable or deadline_exceeded.
  Task<Result<TxnReply>> txn(Txn request);

  /// A lease's number. What is bound to it goes when it is not renewed for so long.
  Task<Result<std::int64_t>> grant(std::chrono::seconds time_to_live);
  /// Renews it. Code::not_found: it has expired.
  Task<Result<>> renew(std::int64_t lease);
  Task<Result<>> revoke(std::int64_t lease);

  /// From `revision` on; 0: from now on. Must be destroyed before the client.
  std::unique_ptr<Watch> watch(std::string key, std::string end, std::int64_t revision);

  /// Ends running calls and watches, and the connections.
  Task<void> close();

 private:
  friend class Watcher;
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::components::etcd
