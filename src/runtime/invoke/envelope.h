#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/invoke/message.h"

/// The messages that carry an invocation, as bytes: dapr.proto.internals.v1 InternalInvokeRequest,
/// InternalInvokeResponse and their ...Stream forms, dapr.proto.common.v1 InvokeRequest and
/// InvokeResponse, dapr.proto.runtime.v1 InvokeServiceRequest. Written and read by hand, in one
/// pass and without objects between, for every invocation goes through here.
/// Encoders append to `out`. Text that is not UTF-8, which protobuf forbids, becomes U+FFFD.
/// Decoders give views into the bytes; Code::internal in grpc-go's words if they are malformed.
namespace outrigger::runtime::invoke {

/// One StreamPayload.
struct Payload {
  std::string_view data;
  std::uint64_t seq = 0;
};

/// InternalInvokeRequestStream; without a request if `request` is nullptr.
void encode_request_chunk(std::string& out, const RequestView* request,
                          const std::optional<Payload>& payload);
struct RequestChunk {
  bool has_request = false;  ///< Metadata or a message is there.
  bool is_complete = false;  ///< Both are.
  RequestView request;
  std::string_view data;  ///< Of the message; empty as a rule.
  std::optional<Payload> payload;
};
[[nodiscard]] Result<RequestChunk> decode_request_chunk(std::string_view bytes);

/// InternalInvokeRequest, its data included.
void encode_request(std::string& out, const RequestView& request, std::string_view data);
/// `is_complete` tells whether there is a message; the payload is not set.
[[nodiscard]] Result<RequestChunk> decode_request(std::string_view bytes);

/// InternalInvokeResponseStream; without a response if `reply` is nullptr.
void encode_reply_chunk(std::string& out, const Reply* reply,
                        const std::optional<Payload>& payload);
struct ReplyChunk {
  bool has_reply = false;  ///< A status, headers or a message are there.
  bool has_status = false;
  Reply reply;  ///< Its body is the message's data.
  std::optional<Payload> payload;
};
[[nodiscard]] Result<ReplyChunk> decode_reply_chunk(std::string_view bytes);

/// InternalInvokeResponse, with `data`.
void encode_reply(std::string& out, const Reply& reply, std::string_view data);
[[nodiscard]] Result<ReplyChunk> decode_reply(std::string_view bytes);

/// InvokeRequest, what OnInvoke takes; `data` may be appended later as finish_message() does.
void encode_message(std::string& out, const RequestView& request);
void finish_message(std::string& out, std::string_view type_url, std::string_view data);

/// InvokeServiceRequest: what a client of the gRPC API sends.
struct ServiceRequest {
  std::string_view app;
  bool has_message = false;
  RequestView request;
  std::string_view data;
};
[[nodiscard]] Result<ServiceRequest> decode_service_request(std::string_view bytes);

/// InvokeResponse.
struct InvokeResponse {
  std::string_view data;
  std::string_view type_url;
  std::string_view content_type;
};
void encode_invoke_response(std::string& out, const InvokeResponse& response);
[[nodiscard]] Result<InvokeResponse> decode_invoke_response(std::string_view bytes);

/// The `details` of a serialised google.rpc.Status, each a serialised Any; empty if malformed.
[[nodiscard]] std::vector<std::string> split_details(std::string_view details_bin);
/// The reverse: a google.rpc.Status, or "" if there are none.
[[nodiscard]] std::string join_details(int code, std::string_view message,
                                       const std::vector<std::string>& details);

}  // namespace outrigger::runtime::invoke
