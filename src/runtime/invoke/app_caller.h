#pragma once

#include <optional>

#include "runtime/app/channel.h"
#include "runtime/invoke/header_rules.h"
#include "runtime/invoke/message.h"
#include "runtime/resiliency/policies.h"
#include "runtime/telemetry/runtime_metrics.h"

namespace outrigger::runtime::invoke {

/// The request target of a method and query: "/method?query", escaped as Go's net/url would write
/// it. Code::unknown, in Go's words, for a broken escape or a control character; `base` is for that
/// text.
[[nodiscard]] Result<std::string> app_target(std::string_view method, std::string_view query,
                                             std::string_view base);
/// `Get "http://...": connection refused`, as Go's client says it.
[[nodiscard]] Error http_call_error(Verb verb, std::string_view url, const Error& error);
/// The head of the request that an application or a service outside is sent. Errors: as
/// app_target(), and upstream's for a verb that cannot be sent.
[[nodiscard]] Result<net::Request> http_request(const RequestView& request,
                                                std::optional<std::uint64_t> content_length,
                                                const TraceContext& trace, std::string_view base);
/// Why a call was not let in (resiliency::Limit).
[[nodiscard]] std::string over_limit_text(std::string_view app_id, Duration wait);
/// An HTTP answer as a reply.
[[nodiscard]] Reply reply_of(net::Response response);

/// Invokes methods of this sidecar's own application, over HTTP or gRPC. On one loop.
class AppCaller {
 public:
  /// `metrics` must outlive this object.
  explicit AppCaller(const telemetry::RuntimeMetrics& metrics) : metrics_(metrics) {}
  /// Must outlive this object; nullptr: there is no application, and no call may be made.
  void set_channel(app::Channel* channel);
  [[nodiscard]] bool available() const noexcept { return channel_ != nullptr; }
  [[nodiscard]] app::Channel* channel() const noexcept { return channel_; }
  [[nodiscard]] bool is_grpc() const noexcept { return channel_->is_grpc(); }

  /// A request as the application will see it, but for its body.
  struct Prepared {
    net::Request http;
    Verb verb = Verb::none;
    std::string method;
    std::string grpc_message;
    std::string type_url;
    net::Headers grpc_metadata;
  };
  [[nodiscard]] Result<Prepared> prepare(const RequestView& request,
                                         std::optional<std::uint64_t> content_length,
                                         const TraceContext& trace) const;
  /// What the application answers, whatever its status; 429 or RESOURCE_EXHAUSTED in its place
  /// where its limit is reached. An error means that it did not answer.
  Task<Result<Reply>> call(Prepared request, net::Body body);
  /// The application's limits are those of `policies`, which must outlive this object.
  void limit_by(const resiliency::Policies& policies, std::string app_id);
  /// The limit as it is now; nullptr: none.
  [[nodiscard]] std::shared_ptr<resiliency::Limit> limit() const;

 private:
  Task<Result<Reply>> call_http(Prepared request, net::Body body);
  Task<Result<Reply>> call_grpc(Prepared request, net::Body body);
  Task<Result<Reply>> call_limited(std::shared_ptr<resiliency::Limit> limit, Prepared request,
                                   net::Body body);
  [[nodiscard]] Reply refusal(Duration wait) const;

  app::Channel* channel_ = nullptr;
  const telemetry::RuntimeMetrics& metrics_;
  std::string base_;
  const resiliency::Policies* policies_ = nullptr;
  std::string app_id_;
};

}  // namespace outrigger::runtime::invoke
