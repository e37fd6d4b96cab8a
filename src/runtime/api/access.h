#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "resources/configuration.h"
#include "runtime/api/router.h"

namespace outrigger::runtime::api {

/// Which parts of the API are switched off: spec.api of the Configuration (facts/wire_notes.md,
/// section 17). A denied one is off; if anything is allowed, only that is on.
class HttpAccess {
 public:
  HttpAccess() = default;
  HttpAccess(const std::vector<resources::ApiRule>& allowed,
             const std::vector<resources::ApiRule>& denied);
  [[nodiscard]] bool allows(const Route& route) const;

 private:
  std::set<std::string> allowed_, denied_;
};

class GrpcAccess {
 public:
  GrpcAccess() = default;
  GrpcAccess(const std::vector<resources::ApiRule>& allowed,
             const std::vector<resources::ApiRule>& denied);
  /// `method` as in "/dapr.proto.runtime.v1.Dapr/GetState"; others than the runtime's are allowed.
  [[nodiscard]] bool allows(std::string_view method) const;

 private:
  bool restricted_ = false;
  std::set<std::string, std::less<>> allowed_, denied_;
};

}  // namespace outrigger::runtime::api
