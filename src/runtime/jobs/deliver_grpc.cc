#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "runtime/jobs/deliver.h"

namespace outrigger::runtime::jobs {
namespace {

namespace pb = ::dapr::proto::runtime::v1;

constexpr const char* kOnJobEvent = "/dapr.proto.runtime.v1.AppCallback/OnJobEvent";
constexpr const char* kOnJobEventAlpha1 =
    "/dapr.proto.runtime.v1.AppCallbackAlpha/OnJobEventAlpha1";

std::string message_of(scheduler::Trigger trigger) {
  pb::JobEventRequest request;
  request.set_method("job/" + trigger.name);
  request.set_name(std::move(trigger.name));
  request.mutable_http_extension()->set_verb(::dapr::proto::common::v1::HTTPExtension::POST);
  if (trigger.data) {
    request.set_content_type(trigger.data->type_url);
    request.mutable_data()->set_type_url(std::move(trigger.data->type_url));
    request.mutable_data()->set_value(std::move(trigger.data->value));
  }
  return request.SerializeAsString();
}

net::grpc::CallOptions options_of(const telemetry::TraceContext& trace) {
  net::grpc::CallOptions options;
  if (!trace.valid()) return options;
  options.metadata.add(telemetry::kTraceparentHeader, telemetry::format_traceparent(trace));
  const auto bin = telemetry::encode_trace_bin(trace);
  options.metadata.add(telemetry::kGrpcTraceBinHeader, std::string_view(bin.data(), bin.size()));
  return options;
}

}  // namespace

Task<Result<Code>> deliver_grpc(app::Channel& app, scheduler::Trigger trigger,
                                telemetry::TraceContext trace) {
  const std::string message = message_of(std::move(trigger));
  auto reply = co_await app.grpc(kOnJobEvent, message, options_of(trace));
  if (reply && reply->status.code == Code::unimplemented) {
    reply = co_await app.grpc(kOnJobEventAlpha1, message, options_of(trace));
  }
  if (!reply) co_return std::unexpected(std::move(reply).error());
  co_return reply->status.code;
}

}  // namespace outrigger::runtime::jobs
