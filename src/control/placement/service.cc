#include "control/placement/service.h"

#include "base/log.h"
#include "control/core/caller.h"
#include "control/leadership/lease_stores.h"
#include "control/placement/streams.h"
#include "net/grpc/server.h"

namespace outrigger::control::placement {
namespace {

const Logger log("dapr.placement.server");

constexpr std::string_view kMethod = "/dapr.proto.placement.v1.Placement/ReportDaprStatus";
constexpr std::string_view kReadyTarget = "placement-grpc-server";
constexpr std::string_view kStatePage = "/placement/state";

RoundRules rules_of(const Options& options) {
  return {.timeout = std::chrono::duration_cast<Duration>(options.dissemination_timeout),
          .coalesce_window = std::chrono::duration_cast<Duration>(options.coalesce_window)};
}

Result<std::unique_ptr<Leadership>> make_leadership(const Options& options) {
  LeaseName lease{.name = "placement", .holder = options.id};
  if (!options.leader_etcd_endpoints.empty()) {
    EtcdAccess access{.endpoints = options.leader_etcd_endpoints,
                      .username = options.leader_etcd_username,
                      .password = options.leader_etcd_password};
    OUT_TRY(auto store, make_etcd_lease_store(std::move(access), std::move(lease)));
    return make_leased_leadership(std::move(store));
  }
  if (!options.leader_postgres.empty()) {
    OUT_TRY(auto store, make_postgres_lease_store(options.leader_postgres, std::move(lease)));
    return make_leased_leadership(std::move(store));
  }
  return make_sole_leadership();
}

}  // namespace

struct PlacementService::Impl {
  Impl(Options given, Host around)
      : options(std::move(given)),
        host(std::move(around)),
        streams({.rules = rules_of(options), .replication_factor = options.replication_factor},
                host.metrics),
        plain(host.metrics.group({}, telemetry::Registry::AppLabel::no)),
        leader(host.metrics.gauge(
            plain, "dapr_placement_leader_status",
            "Placement server leadership status (1 for leader, 0 for not leader).")),
        raft_leader(
            host.metrics.gauge(plain, "dapr_placement_raft_leader_status",
                               "Raft server leadership status (1 for leader, 0 for not leader).")) {
    host.ready.add(std::string(kReadyTarget));
    grpc.stream(std::string(kMethod),
                [this](net::grpc::Call& call, net::grpc::ServerStream& stream) {
                  return serve(call.peer, &stream);
                });
    show_leadership(false);
  }

  Options options;
  Host host;
  Streams streams;
  telemetry::Group plain;
  telemetry::GaugeFamily leader;
  telemetry::GaugeFamily raft_leader;
  net::grpc::Service grpc;
  std::unique_ptr<Leadership> leadership;
  bool draining = false;

  [[nodiscard]] bool leads() const { return leadership && leadership->leads(); }
  [[nodiscard]] Error not_leader() const {
    return Error(Code::failed_precondition,
                 "node id=" + options.id + " is not a leader. Only the leader can serve requests");
  }
  void show_leadership(bool leads) const {
    leader.at(plain.find({})).set(leads ? 1 : 0);
    raft_leader.at(plain.find({})).set(leads ? 1 : 0);
  }
  void on_leadership(bool leads) {
    show_leadership(leads);
    if (leads) {
      log.info("Node id=", options.id, " has acquired leadership");
    } else {
      log.warn("Node id=", options.id, " has lost leadership");
      streams.end_all(not_leader());
    }
  }
  Task<Result<>> serve(const net::Peer* peer, net::grpc::ServerStream* stream) {
    if (!leads()) co_return fail(not_leader());
    if (draining) co_return fail(Code::unavailable, "placement server is shutting down");
    auto identity = identity_of(peer);
    if (!identity) {
      log.debug("failed to get client ID from context: ", identity.error());
      co_return fail(Code::unauthenticated, "failed to get client ID from context");
    }
    Streams::Caller caller{.address = peer == nullptr ? "unknown" : peer->address,
                           .identity = *std::move(identity)};
    auto ended = co_await streams.serve(stream, std::move(caller));
    co_return ended;
  }
};

PlacementService::PlacementService(Options options, Host host)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(host))) {}
PlacementService::~PlacementService() = default;

Task<Result<>> PlacementService::open() {
  OUT_CO_TRY(impl_->leadership, make_leadership(impl_->options));
  log.info("Node id=", impl_->options.id, " is waiting for leadership");
  Impl* const impl = impl_.get();
  impl->leadership->start([impl](bool leads) { impl->on_leadership(leads); });
  impl->host.ready.set(std::string(kReadyTarget), true);
  co_return Result<>();
}

net::RequestHandler& PlacementService::grpc(unsigned) { return impl_->grpc; }

Task<std::optional<net::Response>> PlacementService::page(std::string path) {
  if (!impl_->options.metadata || path != kStatePage) co_return std::nullopt;
  net::Response response;
  if (impl_->leads()) {
    response.headers.add("content-type", "application/json");
    response.body = impl_->streams.state();
  } else {
    response.status = 500;
    response.body = "rpc error: code = FailedPrecondition desc = " + impl_->not_leader().message();
  }
  co_return response;
}

Task<void> PlacementService::drain() {
  impl_->draining = true;
  impl_->host.ready.set(std::string(kReadyTarget), false);
  impl_->streams.end_all(Error(Code::unavailable, "placement server is shutting down"));
  co_await impl_->grpc.drain();
  // Now, and not when the last page is closed: until then nobody serves.
  if (const auto leadership = std::move(impl_->leadership)) co_await leadership->close();
}

Task<void> PlacementService::close() {
  co_await impl_->streams.close();
  if (impl_->leadership) co_await impl_->leadership->close();
}

}  // namespace outrigger::control::placement
