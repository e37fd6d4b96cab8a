#pragma once

#include "runtime/actors/service.h"

/// Services with nothing around them, for the tests of this folder.
namespace outrigger::runtime::actors::testing {

/// What the loops of a sidecar share.
struct Whole {
  [[nodiscard]] Service::Settings settings(bool enabled = true) {
    Service::Settings settings;
    settings.metrics = &metrics;
    settings.actor_metrics = &actor_metrics;
    settings.streams = &streams;
    settings.enabled = enabled;
    return settings;
  }
  telemetry::RuntimeMetrics metrics{telemetry::MetricsOptions{.app_id = "me"}};
  ActorMetrics actor_metrics{metrics.registry()};
  Streams streams;
};

/// What one of its loops has. Made and closed there.
struct Side {
  explicit Side(const Service::Settings& settings)
      : peers(peers::Options{}),
        scheduler(scheduler::Service::Settings{}),
        state(state::Service::Settings{}),
        actors(settings, {placement, scheduler, state, peers}) {}
  Task<void> close() {
    co_await actors.close();
    co_await scheduler.close();
    co_await peers.close();
  }
  peers::Peers peers;
  placement::Service placement;
  scheduler::Service scheduler;
  state::Service state;
  Service actors;
};

}  // namespace outrigger::runtime::actors::testing
