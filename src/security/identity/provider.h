#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/scope.h"
#include "security/identity/anchors.h"
#include "security/identity/authority.h"
#include "security/identity/contexts.h"

namespace outrigger::security::identity {

struct ProviderOptions {
  AuthorityOptions authority;
  Anchors::Options anchors;
  /// Told of each renewal, and of each that failed by its reason's name.
  std::function<void()> renewed;
  std::function<void(std::string_view reason)> failed;
  /// Before a sentry that cannot be reached at the start is tried again: first, and at most (as
  /// gRPC clients do, but sooner).
  Duration first_wait = std::chrono::seconds(1);
  Duration last_wait = std::chrono::seconds(10);
  /// What a renewal that failed is followed by.
  Duration retry_after = std::chrono::seconds(10);
  /// For how long a certificate is kept at least.
  Duration keep_min = std::chrono::milliseconds(500);
};

/// The identity of this program: asked for at the start, renewed at half of its time, and anew
/// whenever the trust anchors' file changes. Others are judged by the anchors that were given and
/// by those that sentry tells with each certificate, so that a root can be replaced while all runs.
/// On one loop, but for contexts().
class Provider {
 public:
  explicit Provider(ProviderOptions options);
  /// close() must have ended.
  ~Provider();

  /// Waits for the anchors and for the first certificate; as upstream for as long as sentry cannot
  /// be reached or is not trusted, which is told in the log. The error is what a start fails with.
  Task<Result<>> open();
  /// After open(): any thread.
  [[nodiscard]] Contexts& contexts() const noexcept { return *contexts_; }
  Task<void> close();

 private:
  Task<std::expected<void, AuthorityError>> ask();
  Task<Result<>> ask_first();
  Task<void> keep_renewing();
  Task<void> follow_anchors();
  Result<> use(Credentials credentials);

  const ProviderOptions options_;
  Anchors anchors_;
  std::unique_ptr<Contexts> contexts_;
  TimePoint renew_at_;
  Signal renew_now_;
  Scope scope_;
};

/// The id of a service of the control plane: "dapr-sentry", "dapr-placement".
[[nodiscard]] std::string control_plane_id(std::string_view trust_domain,
                                           std::string_view control_namespace,
                                           std::string_view service);

}  // namespace outrigger::security::identity
