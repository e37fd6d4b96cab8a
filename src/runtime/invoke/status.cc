#include "runtime/invoke/status.h"

#include "net/http1/serialise.h"

namespace outrigger::runtime::invoke {

Code code_of_http_status(int http_status) noexcept {
  if (http_status >= 200 && http_status < 300) return Code::ok;
  switch (http_status) {
    case 400: return Code::internal;
    case 401: return Code::unauthenticated;
    case 403: return Code::permission_denied;
    case 404: return Code::not_found;
    case 408: return Code::cancelled;
    case 409: return Code::already_exists;
    case 429: return Code::resource_exhausted;
    case 501: return Code::unimplemented;
    case 503: return Code::unavailable;
    case 504: return Code::deadline_exceeded;
    default: return Code::unknown;
  }
}

Error error_of_http_status(int http_status, std::string_view body) {
  // One less than google.rpc.ErrorInfo allows for a value.
  constexpr std::size_t kDetailBytesMax = 63;
  const std::string phrase(net::http1::reason_phrase(http_status));
  ErrorDetails details;
  details.reason = phrase;
  details.metadata["http.code"] = std::to_string(http_status);
  details.metadata["http.error_message"] = body.substr(0, kDetailBytesMax);
  return Error(code_of_http_status(http_status), phrase).with_details(std::move(details));
}

std::string rpc_text(Code code, std::string_view message) {
  std::string text = "rpc error: code = ";
  text.append(to_string(code)).append(" desc = ").append(message);
  return text;
}

Error rpc_error(Code code, std::string_view message) { return {code, rpc_text(code, message)}; }

Error direct_invoke_error(std::string_view app, const Error& reason) {
  std::string message = "failed to invoke, id: ";
  message.append(app).append(", err: ").append(reason.message());
  const int status = reason.code() == Code::permission_denied ? 403 : 500;
  return Error(Code::internal, "ERR_DIRECT_INVOKE", std::move(message)).with_http_status(status);
}

}  // namespace outrigger::runtime::invoke
