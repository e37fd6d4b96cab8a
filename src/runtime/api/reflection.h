#pragma once

#include <string>
#include <vector>

#include "net/grpc/server.h"

namespace outrigger::runtime::api {

/// Serves grpc.reflection.v1 and v1alpha, by which tools and clients learn what a server offers:
/// `services` (full names, of .proto files linked into the program) and the two themselves. As
/// upstream's servers do, for whoever passes their gate.
void add_reflection(net::grpc::Service& server, std::vector<std::string> services);

}  // namespace outrigger::runtime::api
