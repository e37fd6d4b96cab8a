#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "resources/configuration.h"
#include "runtime/telemetry/runtime_metrics.h"

/// Who may call which method of this sidecar's application: spec.accessControl of a Configuration
/// (facts/wire_notes.md, section 4).
namespace outrigger::runtime::access_control {

/// What the application speaks. The methods of one that speaks HTTP are compared in lower case.
enum class AppProtocol : std::uint8_t { http, grpc };

/// A call by another sidecar.
struct Call {
  /// The caller's SPIFFE id, which its certificate vouches for; empty: it has none.
  std::string_view identity;
  /// The normalised method: what the application will be asked for.
  std::string_view operation;
  /// "POST"; "NONE" if the caller named none, or if the application speaks gRPC.
  std::string_view verb = "NONE";
  /// A gRPC call that is passed on as it came. An application that speaks HTTP gets a POST.
  bool proxied = false;
};

/// What is decided of a call, and by which of the list's actions.
struct Decision {
  bool allowed = false;
  telemetry::ServiceMetrics::Policy by = telemetry::ServiceMetrics::Policy::global;
};

/// Immutable; any thread.
///
/// An application that speaks HTTP reads "%2F" in a path as a slash, so a method with escapes is
/// looked for as it came and as the application may read it, and both must be allowed: upstream
/// looks for the first only.
class AccessList {
 public:
  /// Policies that AccessControl::check() objects to are left out.
  AccessList(const resources::AccessControl& rules, AppProtocol protocol);
  ~AccessList();
  AccessList(AccessList&&) noexcept;
  AccessList& operator=(AccessList&&) noexcept;

  /// Code::invalid_argument if the identity is not in Dapr's form.
  [[nodiscard]] Result<Decision> decide(const Call& call) const;
  /// The same, counted. Code::permission_denied with upstream's words if the call is not allowed.
  [[nodiscard]] Result<> check(const Call& call, const telemetry::ServiceMetrics& metrics) const;

 private:
  struct Caller;
  struct Policy;
  Result<Caller> caller_of(std::string_view identity) const;
  Decision decide(const Caller& caller, const Call& call) const;
  bool allows(const Policy& policy, const Call& call) const;
  void add(const resources::AccessControl::Policy& rules);

  AppProtocol protocol_;
  bool default_allowed_ = false;
  std::map<std::string, std::unique_ptr<const Policy>, std::less<>> policies_;
};

/// In lower case, letters of all scripts.
[[nodiscard]] std::string fold_case(std::string_view text);
/// The path that an application may take a method for: escapes decoded, then dot segments and empty
/// ones resolved. The method itself, with a leading slash, if its escapes are broken.
[[nodiscard]] std::string as_read_by_app(std::string_view method);

}  // namespace outrigger::runtime::access_control
