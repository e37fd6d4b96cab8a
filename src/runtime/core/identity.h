#pragma once

#include <optional>
#include <string>

namespace outrigger::runtime {

/// Who this sidecar is. Fixed before any service starts.
struct Identity {
  std::string app_id;
  /// NAMESPACE, or "default" if that is not set.
  std::string app_namespace = "default";
  /// NAMESPACE as it is; nullopt if it is not set.
  std::optional<std::string> own_namespace;
  std::string pod_name;
  /// The address that other sidecars reach this one at.
  std::string host_address;
  int http_port = 0;
  int grpc_port = 0;
  int internal_port = 0;
  int app_port = 0;
  bool kubernetes = false;
};

}  // namespace outrigger::runtime
