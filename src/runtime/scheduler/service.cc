#include "runtime/scheduler/service.h"

#include "runtime/scheduler/service_impl.h"

namespace outrigger::runtime::scheduler {
namespace {

constexpr std::string_view kService = "/dapr.proto.scheduler.v1.Scheduler/";

std::string path_of(std::string_view method) { return std::string(kService) + std::string(method); }

}  // namespace

Service::Service(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
Service::~Service() = default;

void Service::set_app_receiver(Receiver* receiver) noexcept {
  impl_->watcher.receivers.app = receiver;
}

void Service::set_actor_receiver(Receiver* receiver) noexcept {
  impl_->watcher.receivers.actors = receiver;
}

Task<Result<>> Service::schedule(std::string name, Target target, Job job, bool overwrite,
                                 Patience patience) {
  OUT_CO_CHECK(co_await impl_->caller.call(
      path_of("ScheduleJob"), wire::schedule_request(impl_->owner, name, target, job, overwrite),
      patience));
  co_return Result<>();
}

Task<Result<Job>> Service::get(std::string name, Target target, Patience patience) {
  OUT_CO_TRY(const auto message,
             co_await impl_->caller.call(path_of("GetJob"),
                                         wire::get_request(impl_->owner, name, target), patience));
  co_return wire::read_get_response(message);
}

Task<Result<>> Service::remove(std::string name, Target target, Patience patience) {
  OUT_CO_CHECK(co_await impl_->caller.call(
      path_of("DeleteJob"), wire::delete_request(impl_->owner, name, target), patience));
  co_return Result<>();
}

Task<Result<>> Service::remove_by_metadata(Target target, bool id_is_prefix, Patience patience) {
  OUT_CO_CHECK(co_await impl_->caller.call(
      path_of("DeleteByMetadata"),
      wire::delete_by_metadata_request(impl_->owner, target, id_is_prefix), patience));
  co_return Result<>();
}

Task<Result<>> Service::remove_by_name_prefix(std::string prefix, Target target,
                                              Patience patience) {
  OUT_CO_CHECK(co_await impl_->caller.call(
      path_of("DeleteByNamePrefix"),
      wire::delete_by_name_prefix_request(impl_->owner, prefix, target), patience));
  co_return Result<>();
}

Task<Result<std::vector<NamedJob>>> Service::list(Target target, Patience patience) {
  OUT_CO_TRY(const auto message,
             co_await impl_->caller.call(path_of("ListJobs"),
                                         wire::list_request(impl_->owner, target), patience));
  co_return wire::read_list_response(message);
}

Task<void> Service::close() {
  impl_->caller.close();
  co_await impl_->watcher.close();
  co_await impl_->client.close();
}

}  // namespace outrigger::runtime::scheduler
