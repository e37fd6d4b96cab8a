#include "runtime/tracing/zipkin_json.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::runtime::tracing {
namespace {

using telemetry::FinishedSpan;
using telemetry::SpanKind;

std::string_view kind_name(SpanKind kind) noexcept {
  switch (kind) {
    case SpanKind::internal: return {};
    case SpanKind::server: return "SERVER";
    case SpanKind::client: return "CLIENT";
    case SpanKind::producer: return "PRODUCER";
    case SpanKind::consumer: return "CONSUMER";
  }
  return {};
}

/// Which attribute names the other end, the first of these that is there.
constexpr std::array<std::string_view, 5> kRemoteNames = {
    "peer.service", "server.address", "net.peer.name", "network.peer.address", "db.name"};

std::string_view remote_name(const FinishedSpan& span) noexcept {
  if (span.kind != SpanKind::client && span.kind != SpanKind::producer) return {};
  for (const std::string_view name : kRemoteNames) {
    for (const auto& [key, value] : span.attributes) {
      if (key == name) return value;
    }
  }
  return {};
}

std::int64_t micros(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

void write_tags(json::Writer& writer, const FinishedSpan& span, const Resource& resource) {
  // Sorted, each key once: the later word counts.
  std::map<std::string_view, std::string_view> tags;
  for (const auto& [key, value] : span.attributes) tags[key] = value;
  for (const auto& [key, value] : resource.attributes) tags[key] = value;
  tags.erase("error");
  if (span.failed) {
    tags["otel.status_code"] = "ERROR";
    tags["error"] = span.status_message;
  }
  tags["otel.scope.name"] = kScopeName;
  writer.key("tags").begin_object();
  for (const auto& [key, value] : tags) writer.member(key, value);
  writer.end_object();
}

void write_endpoint(json::Writer& writer, std::string_view key, std::string_view service) {
  writer.key(key).begin_object().member("serviceName", to_lower(service)).end_object();
}

}  // namespace

void append_zipkin_json(std::string& out, const FinishedSpan& span, const Resource& resource) {
  json::Writer writer(out);
  writer.begin_object();
  // Zero is no time to Zipkin, and what took no microsecond took one.
  writer.member("timestamp", std::max<std::int64_t>(micros(span.start.time_since_epoch()), 1));
  writer.member("duration", std::max<std::int64_t>(micros(span.end - span.start), 1));
  writer.member("traceId", telemetry::trace_id_text(span.context));
  writer.member("id", telemetry::span_id_text(span.context));
  if (span.parent_span_id != std::array<std::uint8_t, 8>{}) {
    telemetry::TraceContext parent;
    parent.span_id = span.parent_span_id;
    writer.member("parentId", telemetry::span_id_text(parent));
  }
  // Zipkin keeps names in lower case.
  if (!span.name.empty()) writer.member("name", to_lower(span.name));
  if (const auto kind = kind_name(span.kind); !kind.empty()) writer.member("kind", kind);
  write_endpoint(writer, "localEndpoint", resource.service_name());
  if (const auto remote = remote_name(span); !remote.empty()) {
    write_endpoint(writer, "remoteEndpoint", remote);
  }
  write_tags(writer, span, resource);
  writer.end_object();
}

}  // namespace outrigger::runtime::tracing
