#pragma once

#include "net/grpc/server.h"

namespace outrigger::runtime::jobs {

class Service;

/// ScheduleJob, GetJob, DeleteJob, DeleteJobsByPrefix and ListJobs, and the same with Alpha1. Both
/// belong to the same loop; the service must outlive the server's calls.
void add_grpc_methods(net::grpc::Service& server, Service& service);

}  // namespace outrigger::runtime::jobs
