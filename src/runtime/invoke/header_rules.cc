#include "runtime/invoke/header_rules.h"

#include "base/base64.h"
#include "base/strings.h"
#include "net/grpc/metadata.h"

namespace outrigger::runtime::invoke {
namespace {

using net::iequals;
using telemetry::kBaggageHeader;
using telemetry::kGrpcTraceBinHeader;
using telemetry::kTraceparentHeader;
using telemetry::kTracestateHeader;

constexpr std::string_view kPrefix = "dapr-";
constexpr std::string_view kDestination = "destination-app-id";
// Longer ones are not passed on, as upstream has it (W3C Trace Context, section 3.3.1.3.1).
constexpr std::size_t kTracestateBytesMax = 512;

constexpr std::string_view kHopByHop[] = {
    "connection", "keep-alive",     "proxy-connection", "transfer-encoding",   "upgrade",
    "te",         "http2-settings", "trailer",          "proxy-authorization", "proxy-authenticate",
};

// The permanent request headers of the IANA registry, as upstream knows them.
constexpr std::string_view kPermanent[] = {
    "Accept",
    "Accept-Charset",
    "Accept-Language",
    "Accept-Ranges",
    "Cache-Control",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Date",
    "Expect",
    "From",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Schedule-Tag-Match",
    "If-Unmodified-Since",
    "Keep-Alive",
    "Max-Forwards",
    "Origin",
    "Pragma",
    "Proxy-Connection",
    "Referer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "Warning",
};

bool is_permanent(std::string_view name) noexcept {
  return std::binary_search(std::begin(kPermanent), std::end(kPermanent), name);
}

bool is_trace_name(std::string_view name) noexcept {
  switch (name.size()) {
    case 10: return iequals(name, kTracestateHeader);
    case 11: return iequals(name, kTraceparentHeader);
    case 14: return iequals(name, kGrpcTraceBinHeader);
    default: return false;
  }
}

bool is_binary(std::string_view name) noexcept {
  return name.size() >= 4 && iequals(name.substr(name.size() - 4), "-bin");
}

/// Several fields of these names are one list, in their order (W3C Trace Context, section 3.3.1.1,
/// and Baggage, section 3.3).
void add_to_list(std::string& list, std::string_view value) {
  if (!list.empty()) list += ',';
  list += value;
}

/// The trace fields among some metadata.
struct TraceFields {
  std::string_view parent, bin;
  std::string state;

  explicit TraceFields(std::span<const Field> fields) {
    for (const Field& field : fields) {
      if (!is_trace_name(field.name)) continue;
      if (field.name.size() == kTracestateHeader.size()) {
        add_to_list(state, field.value);
        continue;
      }
      std::string_view& into = field.name.size() == kTraceparentHeader.size() ? parent : bin;
      if (into.empty()) into = field.value;
    }
  }
};

std::optional<TraceContext> decode_bin(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto bytes = base64_decode_any(text);
  return bytes ? telemetry::decode_trace_bin(*bytes) : std::nullopt;
}

/// A context that is all zero is written too: what upstream shows where nothing is traced.
void set_trace_headers(net::Headers& headers, const TraceContext& trace) {
  headers.set(kTraceparentHeader, telemetry::format_traceparent(trace));
  if (!trace.state.empty() && trace.state.size() <= kTracestateBytesMax) {
    headers.set(kTracestateHeader, trace.state);
  }
}

bool from_grpc(std::span<const Field> fields) noexcept {
  for (const Field& field : fields) {
    if (field.name == "content-type") return field.value.starts_with("application/grpc");
  }
  return false;
}

bool nominated(const std::vector<std::string_view>& tokens, std::string_view name) noexcept {
  return std::ranges::any_of(tokens, [&](std::string_view token) { return iequals(token, name); });
}

/// What sidecars say themselves: no client can have it left out by naming it in its Connection.
bool is_of_sidecars(std::string_view name) noexcept {
  return starts_with_fold(name, kPrefix) || starts_with_fold(name, "x-forwarded-") ||
         iequals(name, "forwarded");
}

/// Who calls whom is for sidecars to say: of a client it is a forgery.
bool tells_who_calls(std::string_view name) noexcept {
  return iequals(name, "dapr-caller-app-id") || iequals(name, "dapr-caller-namespace") ||
         iequals(name, "dapr-callee-app-id");
}

/// The names that Connection fields declare to be the connection's own.
template <class Fields>
std::vector<std::string_view> connection_tokens(const Fields& fields) {
  std::vector<std::string_view> tokens;
  for (const Field field : fields) {
    if (!iequals(field.name, "connection")) continue;
    for (const std::string_view token : split_list(field.value)) tokens.push_back(token);
  }
  return tokens;
}

bool is_canonical(std::string_view name) noexcept {
  bool first = true;
  for (const char c : name) {
    if (c != (first ? to_upper(c) : to_lower(c))) return false;
    first = c == '-';
  }
  return true;
}

void add_canonical(net::Headers& headers, std::string_view name, std::string_view value) {
  if (is_canonical(name)) {
    headers.add(name, value);
  } else {
    headers.add(canonical_name(name), value);
  }
}

/// The name under which an HTTP message may show a field of gRPC.
void add_for_http(net::Headers& headers, std::string_view name, std::string_view value) {
  const bool pseudo =
      name == ":method" || name == ":scheme" || name == ":path" || name == ":authority";
  if (pseudo) return headers.add(canonical_name("dapr-" + std::string(name.substr(1))), value);
  if (starts_with_fold(name, "grpc-")) {
    return headers.add(canonical_name("dapr-" + std::string(name)), value);
  }
  add_canonical(headers, name, value);
}

/// The rules common to requests to applications and answers to clients.
net::Headers http_headers(std::span<const Field> metadata) {
  net::Headers headers;
  headers.reserve(metadata.size() + 6, 1024);
  const auto tokens = connection_tokens(metadata);
  std::string baggage;
  for (const Field& field : metadata) {
    if (is_trace_name(field.name) || iequals(field.name, kDestination)) continue;
    if (iequals(field.name, kBaggageHeader)) {
      add_to_list(baggage, field.value);
      continue;
    }
    if (is_binary(field.name) || iequals(field.name, "content-type") ||
        iequals(field.name, "content-length") || is_hop_by_hop(field.name) ||
        (!tokens.empty() && !is_of_sidecars(field.name) && nominated(tokens, field.name))) {
      continue;
    }
    add_for_http(headers, field.name, field.value);
  }
  if (!baggage.empty()) headers.add(kBaggageHeader, baggage);
  return headers;
}

/// What the metadata itself says about the trace, else `trace`.
void add_trace(net::Headers& headers, std::span<const Field> metadata, const TraceContext& trace) {
  const TraceFields fields(metadata);
  if (from_grpc(metadata))
    return set_trace_headers(headers, decode_bin(fields.bin).value_or(trace));
  if (fields.parent.empty()) return set_trace_headers(headers, trace);
  headers.set(kTraceparentHeader, fields.parent);
  if (!fields.state.empty()) headers.set(kTracestateHeader, fields.state);
}

}  // namespace

bool is_hop_by_hop(std::string_view name) noexcept {
  for (const std::string_view own : kHopByHop) {
    if (iequals(own, name)) return true;
  }
  return false;
}

std::string canonical_name(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  bool first = true;
  for (const char c : name) {
    out.push_back(first ? to_upper(c) : to_lower(c));
    first = c == '-';
  }
  return out;
}

bool wants_events(std::string_view accept) noexcept {
  return equals_fold(trim(accept), "text/event-stream");
}

net::Headers metadata_of_http_request(const net::Headers& headers) {
  net::Headers metadata;
  metadata.reserve(headers.size() + 8, 1024);
  for (const Field field : headers) {
    // What Go's server takes out of the headers, and what has been obeyed.
    if (iequals(field.name, "transfer-encoding") || iequals(field.name, "trailer") ||
        iequals(field.name, "host") || iequals(field.name, "dapr-app-id") ||
        tells_who_calls(field.name)) {
      continue;
    }
    add_canonical(metadata, field.name, field.value);
  }
  return metadata;
}

net::Headers metadata_of_grpc_fields(const net::Headers& fields) {
  net::Headers metadata;
  metadata.reserve(fields.size() + 8, 1024);
  for (const Field field : fields) {
    const bool shown = field.name == "content-type" || field.name == "user-agent";
    if (net::grpc::is_reserved(field.name) && !shown) continue;
    // Part of the status, which travels by itself.
    if (field.name == "grpc-status-details-bin") continue;
    if (!field.name.ends_with("-bin")) {
      metadata.add(field.name, field.value);
    } else if (const auto bytes = base64_decode_any(field.value)) {
      metadata.add(field.name, base64_encode(*bytes));
    }
  }
  return metadata;
}

net::Headers metadata_of_grpc_call(const net::grpc::Call& call) {
  net::Headers metadata = metadata_of_grpc_fields(call.metadata);
  for (const auto name : {"dapr-caller-app-id", "dapr-caller-namespace", "dapr-callee-app-id"}) {
    metadata.remove(name);
  }
  if (!call.authority.empty()) metadata.add(":authority", call.authority);
  return metadata;
}

net::Headers metadata_of_http_response(const net::Headers& headers) {
  net::Headers metadata;
  metadata.reserve(headers.size(), 512);
  const auto tokens = connection_tokens(headers);
  for (const Field field : headers) {
    if (iequals(field.name, "content-length") || is_hop_by_hop(field.name) ||
        (!tokens.empty() && nominated(tokens, field.name))) {
      continue;
    }
    add_canonical(metadata, field.name, field.value);
  }
  return metadata;
}

net::Headers http_request_headers(const RequestView& request, const TraceContext& trace) {
  net::Headers headers = http_headers(request.metadata);
  if (const auto type = request.effective_content_type(); !type.empty()) {
    headers.add("Content-Type", type);
  }
  add_trace(headers, request.metadata, trace);
  if (trace.has_trace_id()) {
    headers.set(kTraceparentHeader, telemetry::format_traceparent(trace));
  }
  if (!trace.state.empty()) headers.set(kTracestateHeader, trace.state);
  return headers;
}

net::Headers http_reply_headers(const Reply& reply, const TraceContext& trace) {
  const auto fields = fields_of(reply.headers);
  net::Headers headers = http_headers(fields);
  if (const auto type = reply.effective_content_type(); !type.empty()) {
    headers.add("Content-Type", type);
  }
  const TraceFields traced(fields);
  // Otherwise the API itself shows what there is.
  if (!traced.parent.empty() || !traced.bin.empty() || trace != TraceContext()) {
    add_trace(headers, fields, trace);
  }
  return headers;
}

net::Headers grpc_metadata(std::span<const Field> metadata, const TraceContext& trace,
                           HttpNames http_names) {
  net::Headers out;
  out.reserve(metadata.size() + 4, 1024);
  for (const Field& field : metadata) {
    if (is_trace_name(field.name) || iequals(field.name, kDestination)) continue;
    std::string name = to_lower(field.name);
    if (http_names == HttpNames::prefix && is_permanent(field.name)) name.insert(0, kPrefix);
    if (!field.name.ends_with("-bin")) {
      out.add(name, field.value);
    } else if (const auto bytes = base64_decode(field.value)) {
      out.add(name, *bytes);
    }
  }
  const TraceFields fields(metadata);
  std::optional<TraceContext> found;
  if (from_grpc(metadata)) {
    found = decode_bin(fields.bin);
  } else if ((found = telemetry::parse_traceparent(fields.parent))) {
    found->state = telemetry::parse_tracestate(fields.state);
  }
  const TraceContext& context = found ? *found : trace;
  if (context == TraceContext() && http_names == HttpNames::keep) return out;
  set_trace_headers(out, context);
  const auto bin = telemetry::encode_trace_bin(context);
  out.set(kGrpcTraceBinHeader, std::string_view(bin.data(), bin.size()));
  return out;
}

net::Headers grpc_request_metadata(const RequestView& request, const TraceContext& trace) {
  net::Headers out = grpc_metadata(request.metadata, trace, HttpNames::prefix);
  if (!trace.valid()) return out;
  out.set(kTraceparentHeader, telemetry::format_traceparent(trace));
  const auto bin = telemetry::encode_trace_bin(trace);
  out.set(kGrpcTraceBinHeader, std::string_view(bin.data(), bin.size()));
  return out;
}

Forwarding::Forwarding(std::string_view app_id, std::string_view app_namespace,
                       std::string host_address, std::string host_name)
    : app_id_(app_id),
      app_namespace_(app_namespace),
      address_(std::move(host_address)),
      host_(std::move(host_name)) {
  if (!address_.empty()) {
    // RFC 7239, section 4: IPv6 in brackets and quotes.
    const bool v6 = address_.find(':') != std::string::npos;
    const std::string node = v6 ? "\"[" + address_ + "]\"" : address_;
    forwarded_ = "for=" + node + ";by=" + node;
  }
  if (!host_.empty()) {
    if (!forwarded_.empty()) forwarded_ += ';';
    forwarded_ += "host=" + host_;
  }
}

void Forwarding::add_to(net::Headers& metadata, std::string_view target_app_id) const {
  if (!address_.empty()) metadata.add("X-Forwarded-For", address_);
  if (!host_.empty()) metadata.add("X-Forwarded-Host", host_);
  metadata.add("Forwarded", forwarded_);
  metadata.set(kDestination, target_app_id);
  metadata.set("dapr-caller-namespace", app_namespace_);
  metadata.set("dapr-caller-app-id", app_id_);
  metadata.set("dapr-callee-app-id", target_app_id);
}

}  // namespace outrigger::runtime::invoke
