#include "runtime/jobs/http.h"

#include "base/strings.h"
#include "runtime/api/render.h"
#include "runtime/jobs/http_body.h"
#include "runtime/jobs/service.h"

namespace outrigger::runtime::jobs {
namespace {

using api::HttpCall;

Task<net::Response> schedule(Service& service, HttpCall& call) {
  const auto body = co_await call.body();
  if (!body) co_return api::render(body.error());
  auto scheduling = read_scheduling(*body);
  if (!scheduling) co_return api::render(scheduling.error());
  if (!scheduling->name.empty()) co_return api::render(service.named_twice());
  NamedJob job{std::string(trim(call.param("name"))), std::move(scheduling->job)};
  const auto scheduled = co_await service.schedule(std::move(job), scheduling->overwrite);
  if (!scheduled) co_return api::render(scheduled.error());
  co_return api::empty_response();
}

Task<net::Response> remove(Service& service, HttpCall& call) {
  const auto removed = co_await service.remove(std::string(call.param("name")));
  if (!removed) co_return api::render(removed.error());
  co_return api::empty_response();
}

Task<net::Response> get(Service& service, HttpCall& call) {
  const auto job = co_await service.get(std::string(call.param("name")));
  if (!job) co_return api::render(job.error());
  auto body = job_json(*job);
  if (!body) {
    co_return api::render(Error(Code::internal, "ERR_INTERNAL",
                                "failed to encode response as JSON: " + body.error().message()));
  }
  co_return api::json_response(200, *std::move(body));
}

}  // namespace

void add_http_routes(api::Router& router, Service& service) {
  struct Version {
    std::string_view prefix, name;
  };
  constexpr Version kVersions[] = {{"/v1.0-alpha1", "v1alpha1"}, {"/v1.0", "v1"}};
  for (const Version& version : kVersions) {
    const auto add = [&](std::string_view method, std::string_view name, auto handler) {
      api::Route route;
      route.methods = method;
      route.pattern = std::string(version.prefix) + "/jobs/{name}";
      route.group = "jobs";
      route.version = version.name;
      route.name = name;
      route.handler = [&service, handler](HttpCall& call) { return handler(service, call); };
      router.add(std::move(route));
    };
    add("POST", "ScheduleJob", &schedule);
    add("DELETE", "DeleteJob", &remove);
    add("GET", "GetJob", &get);
  }
}

}  // namespace outrigger::runtime::jobs
