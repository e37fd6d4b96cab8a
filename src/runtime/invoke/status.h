#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

/// How HTTP statuses and gRPC codes stand for each other in service invocation, and the texts of
/// errors, which are upstream's (facts/wire_notes.md, section 3). From a code to an HTTP status:
/// api::http_status_of().
namespace outrigger::runtime::invoke {

/// 2xx is Code::ok; what is not in the table is Code::unknown.
[[nodiscard]] Code code_of_http_status(int http_status) noexcept;

/// What InvokeService answers when the application answered over HTTP with `http_status`, which
/// must not be 2xx: the phrase of the status as the message, and an ErrorInfo that has the status
/// and the first 63 bytes of `body`.
[[nodiscard]] Error error_of_http_status(int http_status, std::string_view body);

/// The text of a gRPC status inside another message: `rpc error: code = Internal desc = ...`.
[[nodiscard]] std::string rpc_text(Code code, std::string_view message);
/// An error with that text, and the code.
[[nodiscard]] Error rpc_error(Code code, std::string_view message);

/// `failed to invoke, id: <app>, err: <reason>`: HTTP 500 and Code::internal, but 403 over HTTP if
/// the reason is Code::permission_denied.
[[nodiscard]] Error direct_invoke_error(std::string_view app, const Error& reason);

}  // namespace outrigger::runtime::invoke
