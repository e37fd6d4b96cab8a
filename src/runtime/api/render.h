#pragma once

#include <string>

#include "base/result.h"
#include "net/message.h"

namespace outrigger::runtime::api {

/// The HTTP response of an error, as facts/errors.tsv has it: {"errorCode","message"} and, if the
/// error has details, "details". Status: the error's own, else by its code. Without a tag the error
/// code is the details' reason, else "ERROR".
net::Response render(const Error& error);

/// The error code that clients see: the tag, else the details' reason, else "ERROR".
std::string error_code(const Error& error);
/// The label `category` of that code in metrics: "state", "pubsub", "common", ...
std::string_view error_category(const Error& error);

/// The status of a code in the HTTP API's table (facts/wire_notes.md, section 3).
int http_status_of(Code code) noexcept;

net::Response json_response(int status, std::string body);
net::Response text_response(int status, std::string body);
/// 204.
net::Response empty_response();

}  // namespace outrigger::runtime::api
