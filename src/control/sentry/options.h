#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "control/core/options.h"
#include "security/jwt/jwk.h"

namespace outrigger::control::sentry {

/// Where the credentials are kept.
struct Paths {
  /// --issuer-credentials.
  std::string folder = "/var/run/secrets/dapr.io/credentials";
  std::string root = "ca.crt";
  std::string issuer_certificate = "issuer.crt";
  std::string issuer_key = "issuer.key";
  std::string jwt_key = "jwt.key";
  std::string jwks = "jwks.json";
  /// What a root rotation that runs needs to know; ours.
  std::string rotation = "rotation.json";
};

struct JwtOptions {
  bool enabled = false;
  /// nullopt: tokens have no issuer.
  std::optional<std::string> issuer;
  security::jwt::Algorithm algorithm = security::jwt::Algorithm::rs256;
  /// nullopt: the thumbprint of the key.
  std::optional<std::string> key_id;
  std::chrono::nanoseconds ttl = std::chrono::hours(24);
};

struct OidcOptions {
  bool enabled = false;
  std::string listen_address = "localhost";
  int port = 9080;
  /// Both or none: cleartext.
  std::string certificate_file, key_file;
  std::optional<std::string> jwks_uri;
  /// Without a slash at its end.
  std::string path_prefix;
  std::vector<std::string> allowed_hosts;
};

/// Of the validator `jwks` (spec.mtls.tokenValidators).
struct JwksOptions {
  /// A URL, a file, or the JSON itself, perhaps in base64.
  std::string source;
  /// PEM or a file; empty: the system's roots.
  std::string ca_certificate;
  std::chrono::nanoseconds min_refresh_interval = std::chrono::minutes(10);
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);
};

/// What the flags, and the Configuration they name, say.
struct Options {
  CommonOptions common;
  Paths paths;
  std::string trust_domain = "localhost";
  /// Of the control plane: NAMESPACE.
  std::string own_namespace = "default";
  JwtOptions jwt;
  OidcOptions oidc;
  /// spec.mtls.
  std::chrono::nanoseconds certificate_ttl = std::chrono::hours(24);
  std::chrono::nanoseconds clock_skew = std::chrono::minutes(15);
  /// Set: requests need a token. Not set: everyone gets what he asks for, as upstream has it when
  /// no validator is configured.
  std::optional<JwksOptions> jwks;
};

/// nullopt: the process is to end with `exit_code`; what there was to say has been said. Reads the
/// files of --config.
std::optional<Options> parse_options(std::span<const std::string> arguments,
                                     const Environment& environment, int& exit_code);

/// The flags that say where the credentials are, for the commands beside the service.
void add_path_flags(Flags& flags, Paths& paths);
/// Names of files become paths in the folder, unless they are absolute.
void resolve(Paths& paths);

/// spec.mtls.tokenValidators[].options of the validator `jwks`.
Result<JwksOptions> parse_jwks_options(const std::map<std::string, std::string>& given);

}  // namespace outrigger::control::sentry
