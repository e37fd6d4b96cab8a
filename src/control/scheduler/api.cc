#include "control/scheduler/api.h"

#include "base/log.h"
#include "control/core/caller.h"
#include "control/scheduler/api_wire.h"

namespace outrigger::control::scheduler {
Result<> authorize(const Metrics& metrics, const net::Peer* peer, const std::string& app_id,
                   const std::string& name_space) {
  const auto refuse = [&](Code code, std::string why) {
    metrics.sidecar_error(Metrics::SidecarError::auth_failed);
    return fail(code, std::move(why));
  };
  if (app_id.empty() || name_space.empty()) {
    return refuse(Code::invalid_argument, "missing namespace or appID in request");
  }
  const auto caller = identity_of(peer);
  if (!caller) return refuse(Code::unauthenticated, "failed to get identity from context");
  if (!*caller || ((*caller)->app_id == app_id && (*caller)->app_namespace == name_space)) {
    return {};
  }
  return refuse(Code::permission_denied, "identity does not match request");
}

namespace {

const Logger log("dapr.scheduler.server");

/// Upstream has no limit here. This one is far above what a sidecar lets through.
constexpr std::size_t kMessageBytesMax = std::size_t{128} << 20;
constexpr std::size_t kListPage = 1000;

/// The name that it is stored by.
Result<std::string> stored_name(const Metrics& metrics, const net::Peer* peer,
                                const wire::Named& named) {
  OUT_CHECK(authorize(metrics, peer, named.target->app_id, named.target->name_space));
  if (!named.target_error.empty()) return fail(Code::unknown, named.target_error);
  return prefix_of(*named.target) + named.name;
}

/// What the names of all jobs begin with that the metadata means; an actor type if it has no id.
Result<std::string> meant(const Metrics& metrics, const net::Peer* peer, const wire::Named& named,
                          bool as_prefix) {
  OUT_CHECK(authorize(metrics, peer, named.target->app_id, named.target->name_space));
  if (!named.target_error.empty()) return fail(Code::unknown, named.target_error);
  const bool whole_type =
      named.target->kind == Target::Kind::actor && named.target->actor_id.empty();
  std::string prefix = prefix_of(*named.target);
  if (whole_type) prefix = group_of(*named.target);
  if (as_prefix) prefix.resize(prefix.size() - 2);  // Without the "||" at its end.
  return prefix;
}

/// As Go prints an error that wraps a status.
Error wrapped(std::string_view what, const Error& error) {
  std::string message(what);
  if (error.code() == Code::unknown) {
    message += error.message();
  } else {
    message += "rpc error: code = " + std::string(to_string(error.code())) + " desc = ";
    message += error.message();
  }
  return Error(error.code(), std::move(message));
}

}  // namespace

Api::Api(Engine& engine, Metrics& metrics)
    : engine_(engine),
      metrics_(metrics),
      service_(net::grpc::ServiceOptions{.message_bytes_max = kMessageBytesMax}) {
  add_methods();
}

Task<void> Api::drain() {
  closing_ = true;
  co_await service_.drain();
}

void Api::add_methods() {
  const std::string service = "/dapr.proto.scheduler.v1.Scheduler/";
  using Method = Task<Result<std::string>> (Api::*)(const net::Peer*, std::string);
  const std::pair<std::string_view, Method> unary[] = {
      {"ScheduleJob", &Api::schedule},
      {"GetJob", &Api::get},
      {"DeleteJob", &Api::remove},
      {"DeleteByMetadata", &Api::remove_by_metadata},
      {"DeleteByNamePrefix", &Api::remove_by_name_prefix},
      {"ListJobs", &Api::list},
  };
  for (const auto& [name, method] : unary) {
    service_.unary(service + std::string(name),
                   [this, method = method](net::grpc::Call& call, std::string message) {
                     return (this->*method)(call.peer, std::move(message));
                   });
  }
  service_.stream(service + "WatchJobs",
                  [this](net::grpc::Call& call, net::grpc::ServerStream& stream) {
                    return watch_jobs(call.peer, stream);
                  });
  service_.stream(
      service + "WatchHosts",
      [this](net::grpc::Call&, net::grpc::ServerStream& stream) { return watch_hosts(stream); });
}

Task<Result<std::string>> Api::schedule(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_schedule(message));
  OUT_CO_TRY(auto name, stored_name(metrics_, peer, request));
  const auto type = Metrics::type_of(*request.target);
  const std::string shown = request.name;
  auto scheduled =
      co_await engine_.schedule(std::move(name), std::move(request.job), request.overwrite);
  if (!scheduled) {
    log.error("error scheduling job ", shown, ": ", scheduled.error());
    metrics_.create_failed(type);
    co_return std::unexpected(std::move(scheduled).error());
  }
  metrics_.created(type);
  co_return std::string();
}

Task<Result<std::string>> Api::get(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_get(message));
  OUT_CO_TRY(auto name, stored_name(metrics_, peer, request));
  OUT_CO_TRY(auto job, co_await engine_.get(std::move(name)));
  if (!job) co_return fail(Code::not_found, "job not found: " + request.name);
  co_return wire::render_get(*std::move(job));
}

Task<Result<std::string>> Api::remove(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_delete(message));
  OUT_CO_TRY(auto name, stored_name(metrics_, peer, request));
  OUT_CO_CHECK(co_await engine_.remove(std::move(name)));
  metrics_.deleted(Metrics::type_of(*request.target));
  co_return std::string();
}

Task<Result<std::string>> Api::remove_by_metadata(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_delete_by_metadata(message));
  auto prefix = meant(metrics_, peer, request, request.id_is_prefix);
  if (!prefix) co_return fail(wrapped("failed to parse metadata: ", prefix.error()));
  OUT_CO_CHECK(co_await engine_.remove_prefix(*std::move(prefix)));
  metrics_.bulk_deleted();
  co_return std::string();
}

Task<Result<std::string>> Api::remove_by_name_prefix(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_delete_by_name_prefix(message));
  auto prefix = meant(metrics_, peer, request, false);
  if (!prefix) co_return fail(wrapped("failed to parse metadata: ", prefix.error()));
  OUT_CO_CHECK(co_await engine_.remove_prefix(*prefix + request.name));
  metrics_.bulk_deleted();
  co_return std::string();
}

Task<Result<std::string>> Api::list(const net::Peer* peer, std::string message) {
  OUT_CO_TRY(auto request, wire::parse_list(message));
  OUT_CO_TRY(const auto prefix, meant(metrics_, peer, request, false));
  wire::JobList list;
  std::string after;
  for (;;) {
    ListRequest page{.prefix = prefix, .after = after, .limit = kListPage};
    auto jobs = co_await engine_.list(std::move(page));
    if (!jobs) co_return fail(wrapped("failed to query job list: ", jobs.error()));
    if (jobs->empty()) break;
    after = jobs->back().name;
    for (auto& job : *jobs) {
      OUT_CO_CHECK(list.add(std::move(job)));
    }
  }
  co_return list.render();
}

}  // namespace outrigger::control::scheduler
