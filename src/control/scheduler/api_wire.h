#pragma once

#include <string>
#include <string_view>

#include "control/scheduler/dispatcher.h"
#include "control/scheduler/metrics.h"
#include "control/scheduler/store.h"

/// The messages of dapr.proto.scheduler.v1 as plain structs. Errors have upstream's codes and
/// texts.
namespace outrigger::control::scheduler::wire {

/// What most requests say of a job.
struct Named {
  std::string name;
  /// nullopt: the request names no kind of target.
  std::optional<Target> target;
  std::string target_error;
};
struct Schedule : Named {
  Job job;
  bool overwrite = false;
};
struct ByMetadata : Named {
  bool id_is_prefix = false;
};
struct TriggerAnswer {
  std::uint64_t trigger = 0;
  /// nullopt: a status that is unknown.
  std::optional<Answer> answer;
};
struct FromSidecar {
  std::optional<WatchRequest> initial;
  std::string initial_error;
  std::optional<TriggerAnswer> result;
};

Result<Schedule> parse_schedule(std::string_view message);
Result<Named> parse_get(std::string_view message);
Result<Named> parse_delete(std::string_view message);
Result<ByMetadata> parse_delete_by_metadata(std::string_view message);
Result<Named> parse_delete_by_name_prefix(std::string_view message);
Result<Named> parse_list(std::string_view message);
Result<FromSidecar> parse_watch(std::string_view message);

/// The three parts of the answers that are not empty. Jobs are consumed.
[[nodiscard]] std::string render_get(Job job);
[[nodiscard]] std::string render_hosts(const std::vector<std::string>& addresses);
[[nodiscard]] std::string render_trigger(std::uint64_t trigger, Delivery delivery);

/// A list of jobs, put together page by page.
class JobList {
 public:
  /// Messages end at 2 GiB, and are held twice.
  explicit JobList(std::size_t bytes_max = std::size_t{1} << 30);
  ~JobList();
  /// Code::resource_exhausted if it is too much.
  Result<> add(NamedJob job);
  [[nodiscard]] std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::control::scheduler::wire
