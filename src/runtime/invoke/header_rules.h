#pragma once

#include <span>
#include <string_view>

#include "net/grpc/call.h"
#include "net/headers.h"
#include "runtime/invoke/message.h"
#include "runtime/telemetry/trace_context.h"

/// How headers and metadata become each other on the way from a caller to an application and back
/// (facts/headers.tsv; names and rules of upstream, whose sidecars stand at the other end).
namespace outrigger::runtime::invoke {

using telemetry::TraceContext;

/// @name Into the metadata that travels between sidecars
/// @{
/// Of a request to the HTTP API. dapr-app-id, which has been obeyed, is left out.
[[nodiscard]] net::Headers metadata_of_http_request(const net::Headers& headers);
/// Of a call to the gRPC API.
[[nodiscard]] net::Headers metadata_of_grpc_call(const net::grpc::Call& call);
/// Of what an HTTP application answered: without the headers of its connection and without the
/// length, which the body itself has.
[[nodiscard]] net::Headers metadata_of_http_response(const net::Headers& headers);
/// Of the headers or trailers a gRPC application answered with, as they came over the wire.
[[nodiscard]] net::Headers metadata_of_grpc_fields(const net::Headers& fields);
/// @}

/// @name Out of it
/// @{
/// The headers of a request to an HTTP application. `trace`, if it is one, wins over what the
/// caller sent. Content-Length is left out: metadata_value() has it.
[[nodiscard]] net::Headers http_request_headers(const RequestView& request,
                                                const TraceContext& trace);
/// The headers of the HTTP API's answer.
[[nodiscard]] net::Headers http_reply_headers(const Reply& reply, const TraceContext& trace);
/// Metadata for a gRPC peer, binary values as bytes. HTTP's own names get the prefix "dapr-" if
/// `prefix_http` is set.
enum class HttpNames : std::uint8_t { prefix, keep };
[[nodiscard]] net::Headers grpc_metadata(std::span<const Field> metadata, const TraceContext& trace,
                                         HttpNames http_names);
/// The same for a request to a gRPC application: what it does is part of `trace`, if that is one,
/// and not of the caller's own context, which upstream hands on.
[[nodiscard]] net::Headers grpc_request_metadata(const RequestView& request,
                                                 const TraceContext& trace);
/// @}

/// True for the headers of one connection, which no proxy passes on (RFC 9110, section 7.6.1).
[[nodiscard]] bool is_hop_by_hop(std::string_view name) noexcept;
/// The name as Go's http.CanonicalHeaderKey writes it: "Content-Type".
[[nodiscard]] std::string canonical_name(std::string_view name);
/// True if a request asks for server-sent events.
[[nodiscard]] bool wants_events(std::string_view accept) noexcept;

/// What a sidecar says about itself in each request that it passes on.
class Forwarding {
 public:
  Forwarding(std::string_view app_id, std::string_view app_namespace, std::string host_address,
             std::string host_name);
  /// Adds X-Forwarded-For, X-Forwarded-Host and Forwarded to those that are there, and sets who
  /// calls whom.
  void add_to(net::Headers& metadata, std::string_view target_app_id) const;

 private:
  std::string app_id_, app_namespace_, address_, host_, forwarded_;
};

}  // namespace outrigger::runtime::invoke
