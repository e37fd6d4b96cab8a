#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/headers.h"

/// Custom metadata of a call, as HTTP/2 fields. Names here are lower-case.
namespace outrigger::net::grpc {

/// Fields that belong to the protocol and are never metadata: pseudo-headers, content-type,
/// user-agent, te, grpc-encoding, grpc-message, grpc-message-type, grpc-status, grpc-timeout.
/// (A received user-agent is shown to handlers all the same.)
bool is_reserved(std::string_view name) noexcept;

/// True for names that end in "-bin": their values are bytes, base64 on the wire.
bool is_binary(std::string_view name) noexcept;

/// What goes on the wire; base64 without padding for binary names, as grpc-go sends it.
std::string encode_value(std::string_view name, std::string_view value);

/// What the peer meant; base64 with or without padding for binary names. Code::internal, with the
/// wording of grpc-go, if that is malformed.
Result<std::string> decode_value(std::string_view name, std::string_view value);

/// Whether metadata may carry this pair: a name of [0-9a-z-_.], and a value of printable ASCII
/// unless the name is binary. Code::internal, with the wording of grpc-go.
Result<void> check_metadata(std::string_view name, std::string_view value);

/// Appends one pair of metadata to `fields`, encoded. Reserved names are left out.
void append_metadata(Headers& fields, std::string_view name, std::string_view value);

/// "" for application/grpc, "proto" for application/grpc+proto; nullopt if it is not gRPC.
std::optional<std::string_view> content_subtype(std::string_view content_type) noexcept;

}  // namespace outrigger::net::grpc
