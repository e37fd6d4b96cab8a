#include "control/sentry/options.h"

#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "resources/configuration_loader.h"
#include "security/spiffe/id.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.sentry");

/// Upstream's name for the Configuration in a cluster; a file of that name is read if it is there.
constexpr std::string_view kDefaultConfig = "daprsystem";

/// What the flags say before it is checked.
struct Given {
  std::vector<std::string> config = {std::string(kDefaultConfig)};
  std::string jwt_issuer, jwt_algorithm = "RS256", jwt_key_id;
  bool oidc_tls = true;
  std::string oidc_jwks_uri, oidc_path_prefix, kubeconfig;
};

std::unexpected<Error> refuse(std::string why) {
  return fail(Code::invalid_argument, std::move(why));
}

void add_jwt_flags(Flags& flags, Options& options, Given& given) {
  flags.add("jwt-enabled", &options.jwt.enabled, "issue JWT SVIDs");
  flags.add("jwt-issuer", &given.jwt_issuer, "claim iss of the tokens; empty: none");
  flags.add("jwt-signing-algorithm", &given.jwt_algorithm,
            "algorithm of the tokens; it must fit the signing key");
  flags.add("jwt-key-id", &given.jwt_key_id, "id of the signing key; empty: its thumbprint");
  flags.add("jwt-ttl", &options.jwt.ttl, "lifetime of the tokens");
}

void add_oidc_flags(Flags& flags, Options& options, Given& given) {
  OidcOptions& oidc = options.oidc;
  flags.add("oidc-enabled", &oidc.enabled, "serve OIDC discovery and the JWKS by HTTP");
  flags.add("oidc-server-listen-port", &oidc.port, "port of the OIDC server");
  flags.add("oidc-server-listen-address", &oidc.listen_address, "address of the OIDC server");
  flags.add("oidc-server-tls-enabled", &given.oidc_tls, "serve OIDC with TLS");
  flags.add("oidc-server-tls-cert-file", &oidc.certificate_file, "certificate of the OIDC server");
  flags.add("oidc-server-tls-key-file", &oidc.key_file, "key of the OIDC server");
  flags.add("oidc-jwks-uri", &given.oidc_jwks_uri, "where the JWKS is for those who ask");
  flags.add("oidc-path-prefix", &given.oidc_path_prefix, "prefix of the OIDC paths");
  flags.add("oidc-allowed-hosts", &oidc.allowed_hosts,
            "hosts that requests to the OIDC server may name; empty: any");
}

Result<> take_jwt(const Flags& flags, const Given& given, JwtOptions& jwt) {
  if (flags.changed("jwt-issuer")) {
    if (!jwt.enabled) return refuse("jwt-issuer cannot be set when jwt-enabled is false");
    jwt.issuer = given.jwt_issuer;
  }
  if (flags.changed("jwt-key-id")) jwt.key_id = given.jwt_key_id;
  const auto algorithm = security::jwt::parse_algorithm(given.jwt_algorithm);
  if (!algorithm) {
    return refuse("jwt-signing-algorithm: unsupported signature algorithm: " + given.jwt_algorithm);
  }
  jwt.algorithm = *algorithm;
  if (jwt.ttl <= 0s) return refuse("jwt-ttl must be positive, got " + format_duration(jwt.ttl));
  return {};
}

Result<> take_oidc(const Flags& flags, const Given& given, OidcOptions& oidc) {
  const bool certificate = !oidc.certificate_file.empty();
  const bool key = !oidc.key_file.empty();
  if (oidc.enabled && given.oidc_tls && !(certificate && key)) {
    return refuse(
        std::string(certificate ? "oidc-server-tls-key-file" : "oidc-server-tls-cert-file") +
        " is required when OIDC HTTP server is enabled (unless oidc-server-tls-enabled "
        "is false)");
  }
  if (certificate != key) {
    return refuse("both OIDC TLS certificate and key must be provided if one is specified");
  }
  // Upstream goes on with TLS in that case; who says that it is to be off means it.
  if (!given.oidc_tls) oidc.certificate_file = oidc.key_file = std::string();
  if (oidc.port < 0 || oidc.port > 65535) {
    return refuse("oidc-server-listen-port: " + std::to_string(oidc.port) + " is not a port");
  }
  if (flags.changed("oidc-jwks-uri")) oidc.jwks_uri = given.oidc_jwks_uri;
  std::string_view prefix = given.oidc_path_prefix;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (!prefix.empty() && !prefix.starts_with('/')) oidc.path_prefix = "/";
  oidc.path_prefix += prefix;
  return {};
}

Result<> take_duration(std::string_view name, const std::string& text,
                       std::chrono::nanoseconds& out) {
  if (text.empty()) return {};
  auto parsed = parse_duration(text);
  if (!parsed) {
    return std::unexpected(
        std::move(parsed).error().context("error parsing " + std::string(name) + " duration"));
  }
  if (*parsed < 0s) return refuse(std::string(name) + " must not be negative, got " + text);
  out = *parsed;
  return {};
}

Result<> take_mtls(const resources::Mtls& mtls, Options& options) {
  OUT_CHECK(take_duration("WorkloadCertTTL", mtls.workload_cert_ttl, options.certificate_ttl));
  OUT_CHECK(take_duration("AllowedClockSkew", mtls.allowed_clock_skew, options.clock_skew));
  if (options.certificate_ttl < 1s) return refuse("WorkloadCertTTL must be at least 1s");
  const std::string& domain = mtls.control_plane_trust_domain;
  if (!domain.empty() && domain != options.trust_domain) {
    log.warn("spec.mtls.controlPlaneTrustDomain is ", domain,
             ", but --trust-domain decides: ", options.trust_domain);
  }
  for (const auto& validator : mtls.token_validators) {
    const std::string name = to_lower(validator.name);
    if (name == "kubernetes" || name == "insecure") {
      return refuse(
          "invalid token validator: the built-in 'kubernetes' and 'insecure' validators "
          "cannot be configured manually");
    }
    if (name != "jwks") {
      return refuse("invalid token validator name: '" + validator.name +
                    "'; supported values: 'jwks'");
    }
    OUT_TRY(options.jwks, parse_jwks_options(validator.options));
  }
  return {};
}

Result<> take_configuration(const Flags& flags, const Given& given, const Environment& environment,
                            Options& options) {
  std::vector<std::string> warnings;
  const auto loaded = resources::load_configuration(given.config, environment, warnings);
  for (const std::string& warning : warnings) log.warn(warning);
  if (!loaded) {
    // Nobody has asked for a file of that name: it is what upstream calls it in a cluster.
    if (!flags.changed("config")) return {};
    return refuse("couldn't load the configuration " + join(given.config, ", ") + ": " +
                  loaded.error().message());
  }
  if (!loaded->mtls) return {};
  return take_mtls(*loaded->mtls, options);
}

Result<> check(const CommonFlags& common, const Given& given, const Environment& environment,
               Options& options) {
  if (common.mode == "kubernetes") {
    return fail(Code::unimplemented,
                "--mode=kubernetes: this version keeps credentials in files only, and knows "
                "nothing of pods and their tokens");
  }
  if (auto domain = security::spiffe::check_trust_domain(options.trust_domain); !domain) {
    return refuse("--trust-domain: " + domain.error().message());
  }
  OUT_CHECK(take_jwt(common.flags, given, options.jwt));
  OUT_CHECK(take_oidc(common.flags, given, options.oidc));
  OUT_CHECK(take_configuration(common.flags, given, environment, options));
  if (common.flags.changed("kubeconfig")) {
    log.info("--kubeconfig has no effect in standalone mode");
  }
  resolve(options.paths);
  return {};
}

}  // namespace

void add_path_flags(Flags& flags, Paths& paths) {
  flags.add("issuer-credentials", &paths.folder, "folder of the credentials");
  flags.add("issuer-ca-filename", &paths.root, "file of the trust anchors");
  flags.add("issuer-certificate-filename", &paths.issuer_certificate,
            "file of the issuer's certificate");
  flags.add("issuer-key-filename", &paths.issuer_key, "file of the issuer's key");
}

void resolve(Paths& paths) {
  for (std::string* const name : {&paths.root, &paths.issuer_certificate, &paths.issuer_key,
                                  &paths.jwt_key, &paths.jwks, &paths.rotation}) {
    if (!name->starts_with('/')) *name = paths.folder + "/" + *name;
  }
}

Result<JwksOptions> parse_jwks_options(const std::map<std::string, std::string>& given) {
  JwksOptions options;
  const auto duration = [&](std::string_view name, const std::string& text,
                            std::chrono::nanoseconds least,
                            std::chrono::nanoseconds& out) -> Result<> {
    if (text.empty()) return {};
    auto parsed = parse_duration(text);
    // A bare number is seconds.
    if (const auto seconds = parse_int<std::int32_t>(text)) parsed = std::chrono::seconds(*seconds);
    if (!parsed) {
      return std::unexpected(std::move(parsed).error().context(
          "failed to decode validator options: " + std::string(name)));
    }
    if (*parsed > least) out = *parsed;
    return {};
  };
  for (const auto& [name, value] : given) {
    if (equals_fold(name, "source")) options.source = value;
    if (equals_fold(name, "caCertificate")) options.ca_certificate = value;
    if (equals_fold(name, "minRefreshInterval")) {
      OUT_CHECK(duration(name, value, 1s, options.min_refresh_interval));
    }
    if (equals_fold(name, "requestTimeout")) {
      OUT_CHECK(duration(name, value, 1ms, options.request_timeout));
    }
  }
  return options;
}

std::optional<Options> parse_options(std::span<const std::string> arguments,
                                     const Environment& environment, int& exit_code) {
  CommonFlags common("sentry", 50001, CommonFlags::Identity::own);
  Options options;
  Given given;
  add_path_flags(common.flags, options.paths);
  common.flags.add("jwt-key-filename", &options.paths.jwt_key, "file of the key that signs tokens");
  common.flags.add("jwks-filename", &options.paths.jwks, "file of the JWKS");
  common.flags.add("config", &given.config,
                   "files with a Configuration, each laid on those before");
  common.flags.add("kubeconfig", &given.kubeconfig,
                   "of a cluster; has no effect in standalone mode");
  add_jwt_flags(common.flags, options, given);
  add_oidc_flags(common.flags, options, given);
  auto parsed = common.parse(arguments, exit_code);
  if (!parsed) return std::nullopt;
  options.common = *std::move(parsed);
  options.trust_domain = common.trust_domain;
  options.own_namespace = environment("NAMESPACE").value_or("");
  if (options.own_namespace.empty()) options.own_namespace = "default";
  if (auto checked = check(common, given, environment, options); !checked) {
    log.log(LogLevel::fatal, checked.error().message(), {});
    exit_code = 1;
    return std::nullopt;
  }
  return options;
}

}  // namespace outrigger::control::sentry
