#pragma once

#include <string_view>

#include "runtime/api/http_call.h"

namespace outrigger::runtime::api {

/// What a span says of a request as it came: its verb, target, peer, and the headers "dapr-..." of
/// the client, but for its token. For a call whose span is wanted.
void note_request(HttpCall& call);

/// What it says of the call once it has been answered, and its name unless the handler gave it one.
/// `path` is decoded.
void note_answer(HttpCall& call, std::string_view path, int status);

}  // namespace outrigger::runtime::api
