#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/scope.h"
#include "components/nameresolution/resolver.h"
#include "net/grpc/channel.h"
#include "net/http/client.h"

/// The other sidecars, seen from one loop.
namespace outrigger::runtime::peers {

using components::nameresolution::Resolver;

/// The application behind a sidecar.
struct Target {
  std::string app_id;
  std::string app_namespace;
};

struct Options {
  /// Our own internal port, which some resolvers take for that of the others.
  int internal_port = 0;
  /// The TLS to speak to an app's sidecar with; empty: cleartext. It should give the same object
  /// for the same target, for connections are shared by it.
  std::function<std::shared_ptr<net::TlsContext>(const Target&)> tls;
  /// How long a peer may take until it can be spoken to; the default is that of grpc-go.
  Duration connect_timeout = std::chrono::seconds(20);
  /// facts/wire_notes.md, section 1: how long a silent peer with open calls is trusted.
  Duration ping_after = std::chrono::seconds(10);
  Duration ping_timeout = std::chrono::seconds(5);
};

/// Finds sidecars and keeps connections to them: one HTTP/2 connection each as a rule. All calls
/// belong to the loop it was made on.
class Peers {
 public:
  explicit Peers(Options options);
  /// close() must have ended.
  ~Peers();

  /// Of this loop; must outlive the peers. Until it is set no app can be found.
  void set_resolver(Resolver* resolver) noexcept;

  /// Addresses that are only given if there is no other.
  using Avoided = std::function<bool(const Target& target, std::string_view address)>;
  void set_avoided(Avoided avoided) noexcept;

  /// "host:port" of a sidecar of the app, if that is known already.
  [[nodiscard]] std::optional<std::string> locate_now(const Target& target);
  /// The same, asking the resolver. Its errors have upstream's words; no address at all, after
  /// five more tries 100 ms apart, is an error too.
  Task<Result<std::string>> locate(Target target);

  /// Sends a gRPC request whose head and body are the caller's own: method, scheme, authority and
  /// the fields that every call has are set here. Errors as net::Client::send().
  Task<Result<net::Response>> send(Target target, std::string address, net::Request request);

  /// The sidecar at this address does not answer: the next call connects anew and, where the
  /// resolver can, elsewhere.
  void drop(const Target& target, std::string_view address);

  Task<void> close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::runtime::peers
