#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "security/identity/credentials.h"

namespace outrigger::security::identity {

/// Whose certificate is asked for, and where (facts/wire_notes.md, section 5).
struct AuthorityOptions {
  /// Of sentry, "host:port".
  std::string address;
  /// spiffe://<trust domain>/ns/<namespace>/dapr-sentry.
  std::string authority_id;
  std::string id;
  std::string app_namespace;
  /// Said by services of the control plane only.
  std::string trust_domain;
  /// Holds the token that proves it to sentry; nullopt: none is needed. An empty name is an error.
  std::optional<std::string> token_file;
  std::vector<std::string> jwt_audiences;
};

/// An error, and its name in dapr_runtime_mtls_workload_cert_rotated_fail_total.
struct AuthorityError {
  Error error;
  std::string_view reason;
  /// Nobody answers at the address, or nobody who is trusted.
  bool unreachable = false;
};

/// Makes a key and has sentry sign it. `anchors_pem`: whom sentry must be vouched for by. The
/// credentials' own anchors are those that sentry knows. Once answered that it is busy or not
/// ready, it is tried up to five times, as upstream does; one that is unreachable is not tried
/// again here.
Task<std::expected<Credentials, AuthorityError>> ask_authority(AuthorityOptions options,
                                                               std::string anchors_pem);

}  // namespace outrigger::security::identity
