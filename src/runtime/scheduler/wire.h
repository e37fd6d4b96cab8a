#pragma once

#include "runtime/scheduler/service.h"

/// The scheduler's messages (dapr.proto.scheduler.v1) as bytes, without their headers.
namespace outrigger::runtime::scheduler::wire {

/// Whose job it is.
struct Owner {
  std::string app_id;
  std::string app_namespace;
};

std::string schedule_request(const Owner& owner, const std::string& name, const Target& target,
                             const Job& job, bool overwrite);
std::string get_request(const Owner& owner, const std::string& name, const Target& target);
std::string delete_request(const Owner& owner, const std::string& name, const Target& target);
std::string delete_by_metadata_request(const Owner& owner, const Target& target, bool id_is_prefix);
std::string delete_by_name_prefix_request(const Owner& owner, const std::string& prefix,
                                          const Target& target);
std::string list_request(const Owner& owner, const Target& target);

/// Readers give Code::internal if the bytes are no such message.
Result<Job> read_get_response(const std::string& message);
Result<std::vector<NamedJob>> read_list_response(const std::string& message);
Result<std::vector<std::string>> read_hosts(const std::string& message);

/// What a sidecar takes.
struct Accepted {
  bool app = false;
  std::vector<std::string> actor_types;
};
std::string watch_initial(const Owner& owner, const Accepted& accepted);
std::string watch_result(std::uint64_t id, Outcome outcome);

struct Due {
  std::uint64_t id = 0;
  Trigger trigger;
  /// Whether it is for an application or an actor; it is of no known kind else.
  bool has_target = false;
};
Result<Due> read_due(const std::string& message);

}  // namespace outrigger::runtime::scheduler::wire
