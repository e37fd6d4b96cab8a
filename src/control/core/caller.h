#pragma once

#include <optional>

#include "net/message.h"
#include "security/spiffe/id.h"

namespace outrigger::control {

/// Who calls a service, by the certificate of its connection; nullopt if the port is served in
/// cleartext, where callers are believed what they say. Code::unauthenticated for an identity that
/// is no application's.
Result<std::optional<security::spiffe::AppIdentity>> identity_of(const net::Peer* peer);

}  // namespace outrigger::control
