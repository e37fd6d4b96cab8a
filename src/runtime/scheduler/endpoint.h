#pragma once

#include <memory>
#include <string_view>

#include "net/http/client.h"

namespace outrigger::runtime::scheduler {

/// Where a scheduler is: "host:port", also behind "dns:///" or "passthrough:///", which mean no
/// more than that.
/// `tls`: what is spoken with it; nullptr: cleartext.
Result<net::Endpoint> endpoint_of(std::string_view address, std::shared_ptr<net::TlsContext> tls);

/// For clients of schedulers: a connection on which something is waited for is found dead when its
/// pings stay unanswered, with upstream's times.
net::ClientOptions client_options();

/// `base` or up to half of it less or more: not all sidecars come back at once.
Duration jittered(Duration base);

}  // namespace outrigger::runtime::scheduler
