#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"
#include "components/metadata.h"

/// How sidecars find each other: from an app id to the "host:port" of a sidecar of that app.
namespace outrigger::components::nameresolution {

/// What a resolver may tell others about this sidecar.
struct Instance {
  std::string app_id;
  std::string app_namespace;
  /// The address under which other sidecars reach this one: an IP address, "localhost" or "[::1]".
  std::string address;
  int http_port = 0;
  int internal_port = 0;  ///< Of the gRPC server for other sidecars.
  int app_port = 0;
};

struct ResolveRequest {
  std::string id;
  std::string app_namespace;
  int port = 0;  ///< This sidecar's own internal port: what resolvers without ports of others use.
  Properties data;  ///< For templates; the runtime gives none.
};

/// A resolver that knows all addresses of an app, so that the caller may keep and spread over them.
class MultiResolver {
 public:
  virtual Task<Result<std::vector<std::string>>> resolve_many(ResolveRequest request) = 0;

 protected:
  ~MultiResolver() = default;
};

/// One object per loop, of the one resolver that a process has. What all loops share (a socket, a
/// database) is behind ComponentContext::shared(). Answers are "host:port", IPv6 in brackets.
///
/// An app that cannot be found is Code::not_found; no error of a resolver is to be retried by the
/// caller. Message texts are upstream's.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// Makes this sidecar known and gets ready to resolve. Every loop's object is given the same
  /// instance; the registration is made once.
  virtual Task<Result<>> init(Instance instance) = 0;
  /// The answer if it can be given without waiting, from what is known already; nullopt: ask
  /// resolve(). Cheap: no lock, no system call.
  virtual std::optional<std::string> resolve_now(const ResolveRequest& request) = 0;
  virtual Task<Result<std::string>> resolve(ResolveRequest request) = 0;
  /// Tells that no connection could be made to an address that was given for an app: it is not
  /// given again unless it is learnt anew.
  virtual void evict(std::string_view id, std::string_view address) = 0;
  /// Withdraws the registration (with the last loop's object).
  virtual Task<void> close() = 0;
  virtual MultiResolver* multi() noexcept { return nullptr; }  // A resolver that can: this.
};

}  // namespace outrigger::components::nameresolution
