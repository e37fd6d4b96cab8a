#pragma once

#include <string>

#include "runtime/app/channel.h"

namespace outrigger::runtime::app {

/// Channel::http() for calls that are the sidecar's own (events, questions): counted in the
/// metrics of the application's client under `name`, the path that the application was known by.
/// Sizes and times are those of the answer's head.
Task<Result<net::Response>> http_counted(Channel& channel, std::string name, net::Request request);

}  // namespace outrigger::runtime::app
