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
};

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
                                  call.value(telemetry::kTracestateHeader));
}

}  // namespace

const telemetry::TraceContext& trace_of(const net::grpc::Call& call) noexcept {
  static const telemetry::TraceContext none;
  const auto* data = static_cast<const CallTrace*>(call.data.get());
  return data != nullptr ? data->context : none;
}

Result<> GrpcGate::begin(net::grpc::Call& call) {
  auto data = std::make_unique<CallTrace>();
  data->context = settings_->tracer.start(incoming(call));
  call.data = std::move(data);
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
  const std::string baggage = call.metadata.joined(telemetry::kBaggageHeader);
  if (!baggage.empty()) {
    if (auto good = telemetry::check_baggage(baggage); !good) return good;
  }
  return {};
}

void GrpcGate::end(net::grpc::Call& call, const net::grpc::Status& status) {
  const Duration elapsed = std::chrono::steady_clock::now() - call.started;
  count(call, status, elapsed);
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
  log.log(LogLevel::info, "gRPC API Called", fields);
}

}  // namespace outrigger::runtime::api
