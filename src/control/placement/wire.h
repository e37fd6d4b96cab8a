#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control/placement/rounds.h"

/// The messages of the placement stream. Private to this folder.
namespace outrigger::control::placement {

/// Code::internal if the bytes are no message; Code::invalid_argument for one that says too little
/// or contradicts itself, in upstream's words; Code::permission_denied for an internal actor type
/// (dapr.internal.<namespace>.<app>...) of another application.
Result<HostReport> parse_host(std::string_view bytes);

/// An order; `hosts` are the tables of an update.
std::string order_message(Step step, std::uint64_t version,
                          const std::vector<const HostReport*>& hosts,
                          std::int64_t replication_factor);

/// One namespace of the page /placement/state.
struct NamespaceState {
  std::uint64_t version = 0;
  std::vector<const HostReport*> hosts;
};
/// The page as upstream prints it: Go's JSON of its state message.
std::string state_page(const std::map<std::string, NamespaceState>& namespaces);

}  // namespace outrigger::control::placement
