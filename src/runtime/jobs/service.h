#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/scheduler/service.h"

namespace outrigger::telemetry {
class ComponentMetrics;
class Tracer;
}  // namespace outrigger::telemetry
namespace outrigger::runtime::app {
class Channel;
}

namespace outrigger::runtime::jobs {

struct NamedJob {
  std::string name;
  scheduler::Job job;
};

/// The jobs API, on one loop: what both faces do, and the way of a job that is due to the
/// application. Errors are those of facts/errors.tsv.
class Service final : public scheduler::Receiver {
 public:
  struct Settings {
    std::string app_id;
    std::string app_namespace;
    /// May be nullptr; else must outlive the service.
    const telemetry::ComponentMetrics* metrics = nullptr;
    /// The same. Each job that is due begins a trace.
    const telemetry::Tracer* tracer = nullptr;
  };

  /// `jobs` must outlive the service.
  Service(Settings settings, scheduler::Service& jobs);

  /// `job`: nullopt if the request has none, which is an error.
  Task<Result<>> schedule(std::optional<NamedJob> job, bool overwrite);
  Task<Result<NamedJob>> get(std::string name);
  /// No error if there is none of that name.
  Task<Result<>> remove(std::string name);
  /// An empty prefix: all jobs of the application.
  Task<Result<>> remove_by_prefix(std::string prefix);
  Task<Result<std::vector<NamedJob>>> list();
  /// Of an HTTP request whose body names the job, which only the URL may.
  [[nodiscard]] Error named_twice() const;

  /// Who gets the jobs that are due; nullptr: they fail. Must outlive the triggers.
  void set_app(app::Channel* app) noexcept { app_ = app; }
  /// Success if the application took the job, or does not know it, for it will not know it next
  /// time either.
  Task<scheduler::Outcome> trigger(scheduler::Trigger trigger) override;

 private:
  [[nodiscard]] ErrorDetails details(std::string_view reason) const;
  [[nodiscard]] Error empty(std::string_view what, std::string_view reason) const;
  [[nodiscard]] Error failed(std::string_view reason, std::string_view what,
                             const Error& why) const;

  Settings settings_;
  scheduler::Service& jobs_;
  app::Channel* app_ = nullptr;
};

}  // namespace outrigger::runtime::jobs
