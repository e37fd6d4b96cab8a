#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/task.h"

/// Components that are programs of their own, behind Unix sockets in one folder.
namespace outrigger::components::pluggable {

/// A component program that answered.
struct Socket {
  std::string path;
  /// What its component types end in: the file's name without its extension.
  std::string name;
  /// The gRPC services it serves, with their packages.
  std::vector<std::string> services;

  [[nodiscard]] bool offers(std::string_view service) const noexcept;
};

struct DiscoveryOptions {
  std::string folder;
  /// How long a socket may take until it has told its services. Upstream waits without end.
  Duration patience = std::chrono::seconds(5);
};

/// Asks every socket in the folder, all at once, for its services by gRPC server reflection. In the
/// order of the file names. A folder that does not exist has none; files that are no sockets, and
/// sockets that give no answer in time, are logged and left out. An error: the folder cannot be
/// read.
Task<Result<std::vector<Socket>>> discover(DiscoveryOptions options);

}  // namespace outrigger::components::pluggable
