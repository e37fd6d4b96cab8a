#include "security/identity/provider.h"

#include "base/log.h"
#include "base/sync.h"

namespace outrigger::security::identity {
namespace {

const Logger log("dapr.runtime.security");

Task<Result<>> wait_for(Signal* signal) {
  auto woken = co_await signal->wait();
  co_return woken;
}

TimePoint steady_now() { return std::chrono::steady_clock::now(); }

}  // namespace

Provider::Provider(ProviderOptions options)
    : options_(std::move(options)), anchors_(options_.anchors) {}
Provider::~Provider() = default;

Task<Result<>> Provider::open() {
  OUT_CO_CHECK(co_await anchors_.open());
  log.info("Fetching initial identity");
  auto asked = co_await ask_first();
  if (!asked) {
    co_return std::unexpected(
        std::move(asked).error().context("failed to retrieve the initial identity"));
  }
  log.info("Security is initialized successfully");
  scope_.spawn(keep_renewing());
  scope_.spawn(follow_anchors());
  co_return Result<>();
}

Task<Result<>> Provider::ask_first() {
  for (Duration wait = options_.first_wait;; wait = std::min(wait * 2, options_.last_wait)) {
    auto asked = co_await ask();
    if (asked) co_return Result<>();
    if (!asked.error().unreachable) co_return fail(std::move(asked).error().error);
    log.warn("Nothing starts without an identity, trying again: ", asked.error().error);
    const auto changed = co_await with_timeout(anchors_.changed(), wait);
    const bool waited = changed || changed.error().code() == Code::deadline_exceeded;
    if (!waited) co_return changed;
  }
}

Task<std::expected<void, AuthorityError>> Provider::ask() {
  const std::string anchors = anchors_.pem();
  // It may have another root by now, which it told of with the last certificate.
  std::string trusted = contexts_ ? contexts_->credentials().anchors_pem : anchors;
  auto credentials = co_await ask_authority(options_.authority, std::move(trusted));
  if (!credentials) {
    if (options_.failed) options_.failed(credentials.error().reason);
    co_return std::unexpected(std::move(credentials).error());
  }
  // Halfway from now, not from its beginning, which is dated back for clocks that differ.
  const auto left = std::chrono::duration_cast<Duration>(credentials->not_after - wall_now());
  renew_at_ = steady_now() + std::max(left / 2, options_.keep_min);
  // They have changed meanwhile: what was asked for may go with the old ones.
  if (anchors != anchors_.pem()) renew_at_ = steady_now();
  const std::string expires = format_rfc3339(credentials->not_after);
  auto used = use(*std::move(credentials));
  if (!used) co_return std::unexpected(AuthorityError{std::move(used).error(), "sign"});
  log.info("The workload's certificate expires on: ", expires);
  co_return std::expected<void, AuthorityError>();
}

Result<> Provider::use(Credentials credentials) {
  credentials.anchors_pem = merge_anchors(anchors_.pem(), credentials.anchors_pem);
  if (contexts_) return contexts_->renew(std::move(credentials));
  OUT_TRY(contexts_, Contexts::make(std::move(credentials)));
  return {};
}

Task<void> Provider::keep_renewing() {
  for (;;) {
    const Duration left = renew_at_ - steady_now();
    if (left > Duration::zero()) {
      [[maybe_unused]] auto woken = co_await with_timeout(wait_for(&renew_now_), left);
      if (scope_.cancellation().requested()) co_return;
      if (!woken && woken.error().code() != Code::deadline_exceeded) co_return;
    }
    log.info("Renewing workload identity");
    auto renewed = co_await ask();
    if (scope_.cancellation().requested()) co_return;
    if (renewed) {
      if (options_.renewed) options_.renewed();
      log.info("Successfully renewed workload identity");
      continue;
    }
    log.error("Error renewing identity, trying again in 10 seconds: ", renewed.error().error);
    renew_at_ = steady_now() + options_.retry_after;
  }
}

// New anchors count at once; the certificate that goes with them is asked for, too.
Task<void> Provider::follow_anchors() {
  for (;;) {
    auto changed = co_await anchors_.changed();
    if (!changed) co_return;
    log.info("The trust anchors have changed");
    auto used = use(contexts_->credentials());
    if (!used) log.error("The new trust anchors cannot be used: ", used.error());
    renew_at_ = steady_now();
    renew_now_.notify_all();
  }
}

Task<void> Provider::close() {
  scope_.cancel();
  co_await scope_.join();
}

std::string control_plane_id(std::string_view trust_domain, std::string_view control_namespace,
                             std::string_view service) {
  std::string id = "spiffe://";
  id.append(trust_domain).append("/ns/").append(control_namespace).append("/").append(service);
  return id;
}

}  // namespace outrigger::security::identity
