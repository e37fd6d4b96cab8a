#pragma once

#include "base/result.h"

namespace outrigger::components::postgres {

/// Loads PostgreSQL's client library, once for the process; every function of <libpq-fe.h> that is
/// used in this folder then works. Loaded only where a component needs it: with what it brings
/// (LDAP, Kerberos, another TLS library) it costs a sidecar 3 MB and its start a third. Blocks for
/// a few milliseconds. Code::failed_precondition if it is not installed. Any thread.
[[nodiscard]] Result<> load_libpq();

}  // namespace outrigger::components::postgres
