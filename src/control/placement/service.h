#pragma once

#include <memory>

#include "control/core/service.h"
#include "control/placement/options.h"

namespace outrigger::control::placement {

/// The gRPC service and its pages, on loop 0. A replica that does not lead refuses all streams as
/// upstream's followers do.
class PlacementService final : public Service {
 public:
  PlacementService(Options options, Host host);
  ~PlacementService() override;

  Task<Result<>> open() override;
  net::RequestHandler& grpc(unsigned loop) override;
  Task<std::optional<net::Response>> page(std::string path) override;
  Task<void> drain() override;
  Task<void> close() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::control::placement
