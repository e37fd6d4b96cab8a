#include "control/sentry/service.h"

#include <algorithm>

#include "base/blocking_pool.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/strings.h"
#include "control/sentry/authority.h"
#include "control/sentry/credentials.h"
#include "control/sentry/metrics.h"
#include "control/sentry/oidc.h"
#include "control/sentry/signing.h"
#include "control/sentry/validator_jwks.h"
#include "net/grpc/server.h"
#include "net/tls.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
namespace x509 = security::x509;
using security::spiffe::Id;

const Logger log("dapr.sentry");
const Logger server_log("dapr.sentry.server");

constexpr std::string_view kMethod = "/dapr.proto.sentry.v1.CA/SignCertificate";
constexpr std::string_view kServerTarget = "sentry-server";
constexpr std::string_view kOidcTarget = "oidc-server";
constexpr std::string_view kJwksTarget = "sentry-jwks-validator";
// Files that are replaced one after the other are read together.
constexpr Duration kQuiet = 200ms;
// What waits for a time of the day looks at the clock this often, for clocks are set.
constexpr Duration kLookAtClock = 60s;
constexpr Duration kRetryAfter = 10s;
// Then the log says so, twice in the lifetime of a certificate.
constexpr auto kExpiresSoon = 30 * 24h;
constexpr Duration kJwksRetryAfter = 1s;

std::string folder_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Not longer than the look at the clock, and not at once again.
Duration until(WallTime when, WallTime now) {
  const auto left = std::chrono::duration_cast<Duration>(when - now);
  return std::clamp<Duration>(left, 10ms, kLookAtClock);
}

IssueRules issue_rules(const Options& options) {
  return {.certificate_ttl = options.certificate_ttl,
          .clock_skew = options.clock_skew,
          .token_ttl = options.jwt.ttl,
          .token_issuer = options.jwt.issuer};
}

}  // namespace

struct SentryService::Impl {
  Impl(Options given, Host around)
      : options(std::move(given)),
        host(std::move(around)),
        metrics(host.metrics),
        storage(make_file_storage(options.paths)),
        signing{.own_namespace = options.own_namespace, .cluster_domain = options.trust_domain} {
    host.ready.add(std::string(kServerTarget));
    grpc.unary(std::string(kMethod), [this](net::grpc::Call&, std::string message) {
      return sign_certificate(std::move(message));
    });
  }

  // --- What is asked for.

  Task<Result<std::string>> sign_certificate(std::string message) {
    metrics.request_received();
    auto response = co_await answer(std::move(message));
    if (response) {
      metrics.signed_one();
    } else {
      metrics.failed();
    }
    co_return response;
  }
  Task<Result<std::string>> answer(std::string message) {
    OUT_CO_TRY(auto request, wire::parse(message));
    ValidatorKind kind = request.validator;
    if (kind == ValidatorKind::unknown) kind = default_validator;
    if (kind == ValidatorKind::unknown) {
      co_return fail(Code::invalid_argument,
                     "a validator name must be specified in this environment");
    }
    if (kind != enabled_validator) {
      co_return fail(Code::invalid_argument, "the requested validator is not enabled");
    }
    auto id = co_await validator->validate(request);
    if (!id) {
      server_log.debug("Failed to validate request for ", request.app_namespace, "/", request.id,
                       ": ", id.error());
      co_return std::unexpected(std::move(id).error().with_code(Code::permission_denied));
    }
    auto response = sign(request, *id, *authority, signing, wall_now());
    if (!response) {
      server_log.debug("Failed to sign for ", id->text(), ": ", response.error());
      co_return std::unexpected(std::move(response).error());
    }
    server_log.debug("Successfully signed certificate for ", id->text());
    co_return wire::render(*response);
  }

  // --- Credentials.

  Task<Result<Credentials>> load(Missing missing) {
    std::move_only_function<Result<Credentials>()> work = [this, missing] {
      const x509::LibraryVisit visit;
      return load_credentials(*storage, options, wall_now(), missing);
    };
    auto loaded = co_await BlockingPool::shared().run(std::move(work));
    co_return loaded;
  }
  Result<> take(Credentials loaded) {
    const bool first = authority == nullptr;
    const bool ca_changed = loaded.ca_texts != ca_texts;
    const bool changed = ca_changed || loaded.jwt_texts != jwt_texts;
    show(loaded.rotation);
    if (!changed) return {};
    const auto expires = loaded.ca.issuer.front().not_after();
    auto next = std::make_shared<const Authority>(std::move(loaded.ca), std::move(loaded.jwt),
                                                  issue_rules(options));
    if (ca_changed) {
      OUT_CHECK(renew_with(*next));
    }
    authority = std::move(next);
    ca_texts = std::move(loaded.ca_texts);
    jwt_texts = std::move(loaded.jwt_texts);
    metrics.issuer_expires(expires);
    if (!first || loaded.made) metrics.issuer_changed();
    if (!first) log.info("Issuer credentials changed; they are in use from now on");
    tell_oidc();
    return {};
  }
  void show(const std::optional<Rotation>& rotation) {
    metrics.rotation(rotation);
    rotation_timer.stop();
    if (!rotation) return;
    // Past its time it waits for somebody, who changes a file.
    const WallTime now = wall_now();
    rotation_timer.start(rotation->until > now ? until(rotation->until, now) : kLookAtClock);
  }

  /// One at a time; what happens meanwhile makes another.
  void reload_soon() {
    reload_wanted = true;
    if (!reloading) scope->spawn(reload());
  }
  Task<void> reload() {
    reloading = true;
    while (std::exchange(reload_wanted, false)) {
      auto loaded = co_await load(Missing::wrong);
      Result<> taken;
      if (!loaded) {
        taken = std::unexpected(std::move(loaded).error());
      } else {
        taken = take(*std::move(loaded));
      }
      if (!taken) {
        refused(taken.error());
      } else {
        last_refusal.clear();
      }
      if (oidc) co_await oidc->reload();
    }
    reloading = false;
  }

  void refused(const Error& error) {
    rotation_timer.start(kRetryAfter);
    if (std::exchange(last_refusal, error.message()) == error.message()) return;
    log.warn("The credentials are not taken up, those of before go on: ", error);
  }

  // --- The certificate that sentry itself shows.

  Result<> renew_with(const Authority& by) {
    auto renewed = issue_own(by);
    if (!renewed) metrics.own_certificate_failed();
    return renewed;
  }
  Result<> issue_own(const Authority& by) {
    OUT_TRY(const auto key, x509::PrivateKey::generate(x509::KeyType::ed25519));
    OUT_TRY(const auto id, own_id());
    const WallTime now = wall_now();
    OUT_TRY(const auto chain, by.issue(id, key.public_key(), {}, now));
    net::TlsOptions serving;
    serving.certificate_chain_pem = x509::to_pem(chain);
    serving.private_key_pem = key.pem();
    serving.alpn = {"h2"};
    if (tls) {
      OUT_CHECK(tls->replace(std::move(serving)));
    } else {
      OUT_TRY(tls, net::TlsContext::server(std::move(serving)));
    }
    const WallTime expires = by.ca().issuer.front().not_after();
    if (expires - now < kExpiresSoon) {
      log.warn("The issuer expires at ", format_rfc3339(expires),
               ": replace it, or root and issuer with \"sentry rotate\"");
    }
    renew_at = now + (chain.front().not_after() - now) / 2;
    renewal_timer.start(until(renew_at, now));
    return {};
  }
  void renew_if_due() {
    const WallTime now = wall_now();
    if (now < renew_at) return renewal_timer.start(until(renew_at, now));
    if (auto renewed = renew_with(*authority); !renewed) {
      log.error("Error renewing identity, trying again in 10 seconds: ", renewed.error());
      renewal_timer.start(kRetryAfter);
    }
  }
  [[nodiscard]] Result<Id> own_id() const {
    return Id::of_app(options.trust_domain, options.own_namespace, "dapr-sentry");
  }

  // --- Beside it.

  Task<Result<>> open_validator() {
    if (!options.jwks) {
      validator = make_insecure_validator();
      enabled_validator = default_validator = ValidatorKind::insecure;
      log.info("Using validator 'insecure'");
      co_return Result<>();
    }
    OUT_CO_TRY(const auto id, own_id());
    auto made = std::make_unique<JwksValidator>(*options.jwks, id.text());
    JwksValidator* const jwks = made.get();
    validator = std::move(made);
    enabled_validator = ValidatorKind::jwks;
    host.ready.add(std::string(kJwksTarget));
    log.info("Using validator 'jwks' with Sentry ID: ", id.text());
    auto opened = co_await jwks->open();
    if (!opened) {
      co_return std::unexpected(
          std::move(opened).error().context("error creating the validator 'jwks'"));
    }
    scope->spawn(await_keys(jwks));
    co_return Result<>();
  }
  Task<void> await_keys(JwksValidator* jwks) {
    while (!co_await jwks->ready()) {
      if (!co_await sleep_for(kJwksRetryAfter)) co_return;
    }
    host.ready.set(std::string(kJwksTarget), true);
  }

  void start_oidc() {
    if (!options.oidc.enabled || !options.jwt.enabled) {
      log.info("OIDC HTTP server is disabled");
      return;
    }
    host.ready.add(std::string(kOidcTarget));
    oidc = std::make_unique<OidcServer>(host.loops, options.oidc);
    tell_oidc();
    scope->spawn(open_oidc());
  }
  Task<void> open_oidc() {
    auto opened = co_await oidc->open();
    if (opened) {
      host.ready.set(std::string(kOidcTarget), true);
    } else if (!closing) {
      host.fail(std::move(opened).error().context("OIDC HTTP server error"));
    }
  }
  void tell_oidc() {
    if (!oidc || !authority->jwt()) return;
    OidcFacts facts;
    facts.jwks = authority->jwt()->jwks;
    facts.algorithm = std::string(security::jwt::to_string(authority->jwt()->algorithm));
    facts.issuer = options.jwt.issuer.value_or("");
    oidc->set(std::move(facts));
  }

  void start_watch() {
    const Paths& paths = options.paths;
    std::vector<std::string> folders = {paths.folder};
    for (const std::string* const path :
         {&paths.root, &paths.issuer_certificate, &paths.issuer_key, &paths.jwt_key, &paths.jwks,
          &options.oidc.certificate_file, &options.oidc.key_file}) {
      if (path->contains('/')) folders.push_back(folder_of(*path));
    }
    log.info("Starting watch on filesystem directories: ", join(folders, " "));
    watch.emplace(std::move(folders), kQuiet, [this] { reload_soon(); });
  }

  const Options options;
  Host host;
  const SentryMetrics metrics;
  const std::unique_ptr<Storage> storage;
  const SigningRules signing;
  net::grpc::Service grpc;

  AuthorityPtr authority;
  CaTexts ca_texts;
  JwtTexts jwt_texts;
  std::shared_ptr<net::TlsContext> tls;
  std::unique_ptr<Validator> validator;
  ValidatorKind enabled_validator = ValidatorKind::unknown;
  ValidatorKind default_validator = ValidatorKind::unknown;
  std::unique_ptr<OidcServer> oidc;

  WallTime renew_at;
  Timer renewal_timer{[this] { renew_if_due(); }};
  Timer rotation_timer{[this] { reload_soon(); }};
  std::optional<FolderWatch> watch;
  bool reloading = false;
  bool reload_wanted = false;
  std::string last_refusal;
  bool closing = false;
  /// Made in open(), for it belongs to the loop.
  std::unique_ptr<Scope> scope;
};

SentryService::SentryService(Options options, Host host)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(host))) {}
SentryService::~SentryService() = default;

Task<Result<>> SentryService::open() {
  Impl& impl = *impl_;
  impl.scope = std::make_unique<Scope>();
  log.info("Using local file system for trust bundle storage");
  auto loaded = co_await impl.load(Missing::made);
  if (!loaded) co_return std::unexpected(std::move(loaded).error().context("error creating CA"));
  OUT_CO_CHECK(impl.take(*std::move(loaded)));
  log.info("CA certificate key pair ready");
  OUT_CO_CHECK(co_await impl.open_validator());
  impl.start_oidc();
  impl.start_watch();
  impl.host.ready.set(std::string(kServerTarget), true);
  co_return Result<>();
}

net::RequestHandler& SentryService::grpc(unsigned) { return impl_->grpc; }
std::shared_ptr<net::TlsContext> SentryService::tls() { return impl_->tls; }

Task<void> SentryService::drain() {
  impl_->closing = true;
  impl_->host.ready.set(std::string(kServerTarget), false);
  co_await impl_->grpc.drain();
}

Task<void> SentryService::close() {
  Impl& impl = *impl_;
  impl.closing = true;
  impl.watch.reset();
  impl.renewal_timer.stop();
  impl.rotation_timer.stop();
  if (impl.scope) {
    impl.scope->cancel();
    co_await impl.scope->join();
  }
  if (impl.oidc) co_await impl.oidc->close();
  if (impl.validator) co_await impl.validator->close();
}

}  // namespace outrigger::control::sentry
