#include "runtime/api/grpc_gate.h"

#include "base/log.h"
#include "base/secret.h"
#include "net/grpc/metadata.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::api {
namespace {

const Logger log("dapr.runtime.grpc.api-info", Logger::Threshold::always);

struct CallTrace final : net::grpc::Call::Data {
  telemetry::TraceContext context;
  std::unique_ptr<telemetry::FinishedSpan> span;
};

constexpr std::string_view kInternals = "/dapr.proto.internals.";
constexpr std::string_view kRuntime = "/dapr.proto.runtime.";
constexpr std::string_view kWorkflows = "/TaskHubSidecarService";
// Its reply's metadata is what the application answered.
constexpr std::string_view kInvokeService = "/dapr.proto.runtime.v1.Dapr/InvokeService";

/// Whether the method is one of ours, and no application's.
bool is_own(std::string_view path) noexcept {
  return path.starts_with(kRuntime) || path.starts_with(kInternals) || path.starts_with(kWorkflows);
}

/// As upstream makes them of an HTTP status: its phrase is the message, the rest is in the details.
Error from_http(Code code, int status, std::string_view phrase, std::string_view why) {
  ErrorDetails details;
  details.reason = phrase;
  details.metadata["http.code"] = std::to_string(status);
  details.metadata["http.error_message"] = why;
  return Error(code, std::string(phrase)).with_details(std::move(details));
}

telemetry::TraceContext incoming(const net::grpc::Call& call) {
  std::optional<std::string> bytes;
  if (const auto text = call.metadata.get(telemetry::kGrpcTraceBinHeader)) {
    auto decoded = net::grpc::decode_value(telemetry::kGrpcTraceBinHeader, *text);
    if (decoded) bytes = *std::move(decoded);
  }
  std::optional<std::string_view> view;
  if (bytes) view = *bytes;
  return telemetry::from_metadata(view, call.value(telemetry::kTraceparentHeader),
                                  call.metadata.joined(telemetry::kTracestateHeader, ","));
}

}  // namespace

const telemetry::TraceContext& trace_of(const net::grpc::Call& call) noexcept {
  static const telemetry::TraceContext none;
  const auto* data = static_cast<const CallTrace*>(call.data.get());
  return data != nullptr ? data->context : none;
}

telemetry::FinishedSpan* span_of(net::grpc::Call& call) noexcept {
  auto* data = static_cast<CallTrace*>(call.data.get());
  return data != nullptr ? data->span.get() : nullptr;
}

Result<> GrpcGate::begin(net::grpc::Call& call) {
  if (!settings_->api_token.empty()) {
    const auto token = call.metadata.get("dapr-api-token");
    if (!token || !equals_secret(*token, settings_->api_token)) {
      return fail(from_http(Code::unauthenticated, 401, "Unauthorized",
                            token ? "authentication error: api token mismatch"
                                  : "missing api token in request metadata"));
    }
    call.metadata.remove("dapr-api-token");
  }
  if (!settings_->access.allows(call.path)) {
    return fail(from_http(Code::unimplemented, 501, "Not Implemented",
                          "requested endpoint is not available"));
  }
  const std::string baggage = call.metadata.joined(telemetry::kBaggageHeader, ",");
  if (!baggage.empty()) {
    if (auto good = telemetry::check_baggage(baggage); !good) return good;
    // Shown to the client again, as upstream does.
    call.reply_metadata.set(telemetry::kBaggageHeader, baggage);
  }
  begin_span(call);
  return {};
}

telemetry::SpanKind GrpcGate::kind_of(const net::grpc::Call& call) const {
  using telemetry::SpanKind;
  if (call.path.starts_with(kInternals) || call.path.starts_with(kWorkflows)) {
    return SpanKind::server;
  }
  if (call.path.starts_with(kRuntime)) return SpanKind::client;
  std::string_view app = call.value("dapr-callee-app-id");
  if (app.empty()) app = call.value("dapr-app-id");
  return app == settings_->app_id ? SpanKind::server : SpanKind::client;
}

void GrpcGate::begin_span(net::grpc::Call& call) const {
  const telemetry::Tracer& tracer = settings_->tracer;
  const telemetry::TraceContext parent = incoming(call);
  auto data = std::make_unique<CallTrace>();
  data->context = tracer.start(parent);
  if (tracer.reports(data->context)) {
    data->span = tracer.open(parent, data->context, kind_of(call));
  }
  if (data->context.valid() && is_own(call.path) && call.path != kInvokeService) {
    const auto bin = telemetry::encode_trace_bin(data->context);
    call.reply_metadata.set(telemetry::kGrpcTraceBinHeader, {bin.data(), bin.size()});
  }
  call.data = std::move(data);
}

void GrpcGate::end_span(net::grpc::Call& call, const net::grpc::Status& status) const {
  telemetry::FinishedSpan* const span = span_of(call);
  if (span == nullptr) return;
  for (const auto& field : call.metadata) {
    const bool asked_for = field.name.starts_with("dapr-") && !field.name.ends_with("-bin");
    if (asked_for && field.name != "dapr-api-token") span->set(field.name, field.value);
  }
  if (span->name.empty()) span->set_name(call.path);
  if (is_own(call.path)) {
    span->set("dapr.protocol", "grpc");
    span->set("dapr.api", call.path);
  }
  if (!status.ok()) span->fail(status.message);
  settings_->tracer.close(std::move(static_cast<CallTrace*>(call.data.get())->span));
}

void GrpcGate::end(net::grpc::Call& call, const net::grpc::Status& status) {
  const Duration elapsed = std::chrono::steady_clock::now() - call.started;
  count(call, status, elapsed);
  end_span(call, status);
  if (settings_->log_calls) log_call(call, status, elapsed);
}

// As upstream: of streams only those that are passed on by the header count.
void GrpcGate::count(const net::grpc::Call& call, const net::grpc::Status& status,
                     Duration elapsed) const {
  const std::string_view code = to_string(status.code);
  if (call.proxied || call.streaming) {
    if (call.streaming || !call.metadata.contains("dapr-app-id")) return;
    if (settings_->internal) {
      metrics_.grpc.client_stream(call.path, code, elapsed);
    } else {
      metrics_.grpc.server_stream(call.path, code, elapsed);
    }
  } else {
    telemetry::GrpcMetrics::Call seen{};
    seen.method = call.path;
    seen.status = code;
    seen.request_bytes = call.received_bytes;
    seen.response_bytes = call.sent_bytes;
    seen.elapsed = elapsed;
    metrics_.grpc.server_call(seen);
  }
  // Errors without a code of the API are not counted.
  if (call.error && (!call.error->tag().empty() || call.error->details() != nullptr)) {
    metrics_.error_code(error_code(*call.error), error_category(*call.error));
  }
}

void GrpcGate::log_call(const net::grpc::Call& call, const net::grpc::Status& status,
                        Duration elapsed) const {
  const std::string agent(call.value("user-agent"));
  std::vector<LogField> fields = {
      {"method", call.path},
      {"code", static_cast<int>(status.code)},
      {"duration", std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()}};
  if (!agent.empty()) fields.push_back({"useragent", agent});
  const telemetry::TraceContext& trace = trace_of(call);
  const std::string trace_id = trace.has_trace_id() ? telemetry::trace_id_text(trace) : "";
  if (!trace_id.empty()) fields.push_back({"traceid", trace_id});
  log.log(LogLevel::info, "gRPC API Called", fields);
}

}  // namespace outrigger::runtime::api
