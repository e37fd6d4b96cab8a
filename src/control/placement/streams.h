#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/metrics/metrics.h"
#include "base/scope.h"
#include "control/placement/rounds.h"
#include "net/grpc/server.h"
#include "security/spiffe/id.h"

/// Private to this folder.
namespace outrigger::control::placement {

/// The streams of all sidecars, by namespace, and the rounds they take part in. On one loop.
class Streams {
 public:
  struct Options {
    RoundRules rules;
    std::int64_t replication_factor = 100;
  };
  Streams(Options options, telemetry::Registry& metrics);
  /// No serve() may be running.
  ~Streams();

  /// Whose stream it is.
  struct Caller {
    /// For the log.
    std::string address;
    /// By its certificate; nullopt without mutual TLS. It may speak for itself only.
    std::optional<security::spiffe::AppIdentity> identity;
  };
  /// Runs one sidecar's stream from its first message to its end.
  Task<Result<>> serve(net::grpc::ServerStream* stream, Caller caller);
  /// Ends all streams with this.
  void end_all(const Error& why);
  /// The page /placement/state.
  [[nodiscard]] std::string state() const;
  /// Returns when nothing is left to be sent. After the last serve().
  Task<void> close();

 private:
  struct Connection;
  struct Namespace;
  /// One order on its way to a stream; its bytes are shared.
  struct Letter {
    StreamId to = 0;
    std::shared_ptr<const std::string> order;
  };

  Namespace& open_namespace(const std::string& name);
  /// Does what the rounds ask for, after each event.
  void follow(Namespace& space);
  void leave(Connection& connection);
  Task<Result<>> converse(Connection* connection, net::grpc::ServerStream* stream);
  Task<void> listen(Connection* connection, net::grpc::ServerStream* stream);
  Task<void> post_letters();
  void end(StreamId id, Error why);

  Options options_;
  telemetry::Group namespaces_group_;
  telemetry::GaugeFamily runtimes_;
  telemetry::GaugeFamily actor_runtimes_;
  std::map<std::string, std::unique_ptr<Namespace>> namespaces_;
  std::map<StreamId, Connection*> connections_;
  StreamId last_id_ = 0;
  std::deque<Letter> letters_;
  bool posting_ = false;
  Scope scope_;
};

}  // namespace outrigger::control::placement
