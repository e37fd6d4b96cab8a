#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "base/metrics/metrics.h"
#include "base/readiness.h"
#include "base/scope.h"
#include "control/core/options.h"
#include "net/http/server.h"
#include "net/tls.h"

namespace outrigger::control {

/// What a service finds around itself. Its loops run; all that follows belongs to loop 0 unless it
/// says otherwise.
struct Host {
  Loops& loops;
  telemetry::Registry& metrics;
  /// /healthz answers 200 when all of it is ready. Add targets in the service's constructor.
  Readiness& ready;
  /// Ends the process with this error. From any thread; the first call counts.
  std::function<void(Error)> fail;
};

/// One control-plane service, made before the loops run.
class Service {
 public:
  virtual ~Service() = default;
  /// Makes it work. What serves the gRPC port is asked for after that.
  virtual Task<Result<>> open() = 0;
  /// The handler of the gRPC port on one loop.
  virtual net::RequestHandler& grpc(unsigned loop) = 0;
  /// With what the gRPC port is served; nullptr: in cleartext. Renewed in place (replace()). Asked
  /// for once, after open().
  virtual std::shared_ptr<net::TlsContext> tls();
  /// Further pages of the health port by path; `nullopt` where there is none. On loop 0.
  virtual Task<std::optional<net::Response>> page(std::string path);
  /// Lets the calls of the gRPC port come to their end: called when the port takes no new ones.
  virtual Task<void> drain() = 0;
  /// After drain(), and after an open() that failed.
  virtual Task<void> close() = 0;
};

struct Program {
  /// As the log says it: "Dapr Placement Service".
  std::string title;
  /// The name of its identity: "dapr-placement".
  std::string id;
  CommonOptions options;
  /// How many loops; 0: one a core.
  unsigned loops = 1;
  /// Sentry gives itself one, and needs nobody's.
  bool has_own_identity = false;
  std::function<std::unique_ptr<Service>(Host host)> make;
};

/// Runs a service until a signal ends it: log, metrics, health port, gRPC port. Returns the exit
/// code; a fatal error ends the process at once.
int run(Program program);

}  // namespace outrigger::control
