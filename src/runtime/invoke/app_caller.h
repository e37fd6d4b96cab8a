#pragma once

#include <optional>

#include "runtime/app/channel.h"
#include "runtime/invoke/header_rules.h"
#include "runtime/invoke/message.h"
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
  /// What the application answers, whatever its status. An error means that it did not answer.
  Task<Result<Reply>> call(Prepared request, net::Body body);

 private:
  Task<Result<Reply>> call_http(Prepared request, net::Body body);
  Task<Result<Reply>> call_grpc(Prepared request, net::Body body);

  app::Channel* channel_ = nullptr;
  const telemetry::RuntimeMetrics& metrics_;
  std::string base_;
};

}  // namespace outrigger::runtime::invoke
