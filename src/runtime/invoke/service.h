#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/grpc/server.h"
#include "runtime/core/identity.h"
#include "runtime/invoke/access.h"
#include "runtime/invoke/app_caller.h"
#include "runtime/invoke/endpoint_caller.h"
#include "runtime/invoke/envelope.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/remote_caller.h"
#include "runtime/resiliency/policies.h"

namespace outrigger::runtime::invoke {

/// Service invocation on one loop: calls to methods of this sidecar's application, of other
/// sidecars' and of services outside, and the answers to other sidecars' calls.
class Service {
 public:
  struct Settings {
    Identity identity;
    /// Must outlive the service.
    const telemetry::RuntimeMetrics* metrics = nullptr;
    /// --max-body-size: of one message, and of a request over HTTP. 0: no limit.
    std::size_t body_bytes_max = net::grpc::kDefaultMessageBytesMax;
    std::string host_name;  ///< Of this machine; shown to applications.
    peers::Options peers;
    /// Of this loop; nullptr: the built-in ones.
    const resiliency::Policies* policies = nullptr;
  };
  explicit Service(Settings settings);
  /// close() must have ended.
  ~Service();

  /// @name What is known later than the service is made. Pointers must outlive it.
  /// @{
  void set_app(app::Channel* app) { app_.set_channel(app); }
  void set_resolver(peers::Resolver* resolver) { peers_.set_resolver(resolver); }
  void set_endpoints(std::shared_ptr<const Endpoints> endpoints);
  [[nodiscard]] const Endpoints& endpoints() const noexcept { return *endpoints_; }
  void set_access(AccessCheck check) { access_ = std::move(check); }
  /// @}

  /// Invokes a method of the app that a client names: an id, perhaps with a namespace, an
  /// HTTPEndpoint, or a URL. Whatever the application answers is a reply; an error is the reason
  /// in upstream's ERR_DIRECT_INVOKE.
  Task<Result<Reply>> invoke(std::string app, Request request, TraceContext trace);

  /// @name For the faces of this folder
  /// @{
  [[nodiscard]] const Identity& identity() const noexcept { return settings_.identity; }
  [[nodiscard]] const telemetry::RuntimeMetrics& metrics() const noexcept {
    return *settings_.metrics;
  }
  [[nodiscard]] std::size_t body_bytes_max() const noexcept { return settings_.body_bytes_max; }
  /// The same, for a limit that must be there.
  [[nodiscard]] std::size_t message_bytes_max() const noexcept { return message_bytes_max_; }
  [[nodiscard]] AppCaller& app() noexcept { return app_; }
  [[nodiscard]] peers::Peers& peers() noexcept { return peers_; }
  [[nodiscard]] Scope& scope() noexcept { return scope_; }
  [[nodiscard]] const resiliency::Policies& policies() const noexcept { return policies_; }
  [[nodiscard]] Result<> check_access(const AccessQuestion& question) const {
    return access_ ? access_(question) : Result<>();
  }
  /// What the gRPC servers do with calls that are in no method's table.
  [[nodiscard]] net::grpc::Fallback& api_fallback() noexcept { return *api_fallback_; }
  [[nodiscard]] net::grpc::Fallback& internal_fallback() noexcept { return *internal_fallback_; }
  /// @}

  /// Ends what is still flowing.
  Task<void> close();

 private:
  void limit_body(Request& request);
  Task<Result<Reply>> invoke_once(std::string app, Request request, TraceContext trace);
  Task<Result<Reply>> invoke_under(resiliency::Policy policy, std::string app, Request request,
                                   TraceContext trace);
  Task<resiliency::Outcome> attempt_under(std::string app, Request request, TraceContext trace,
                                          std::optional<Result<Reply>>* reply);
  static void drop_body(std::optional<Result<Reply>>& reply);
  [[nodiscard]] resiliency::Policy policy_of(std::string_view app, std::string_view method) const;
  Task<Result<Reply>> invoke_own_app(Request request, TraceContext trace);
  Task<Result<Reply>> invoke_endpoint(std::string name, Request request, TraceContext trace);
  Task<Result<Reply>> invoke_remote(peers::Target target, Request request, TraceContext trace);
  Task<Result<Reply>> with_retries(peers::Target target, Outgoing& outgoing);
  Task<Result<Reply>> attempt(peers::Target target, Outgoing& outgoing);

  Settings settings_;
  const resiliency::Policies built_in_policies_;
  const resiliency::Policies& policies_;
  std::size_t message_bytes_max_;
  Scope scope_;
  Forwarding forwarding_;
  AppCaller app_;
  peers::Peers peers_;
  RemoteCaller remote_;
  EndpointCaller outside_;
  std::shared_ptr<const Endpoints> endpoints_;
  AccessCheck access_;
  std::unique_ptr<net::grpc::Fallback> api_fallback_;
  std::unique_ptr<net::grpc::Fallback> internal_fallback_;
};

}  // namespace outrigger::runtime::invoke
