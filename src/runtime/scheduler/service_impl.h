#pragma once

#include "net/http/client.h"
#include "runtime/scheduler/caller.h"
#include "runtime/scheduler/endpoint.h"
#include "runtime/scheduler/watcher.h"
#include "runtime/scheduler/wire.h"

namespace outrigger::runtime::scheduler {

struct Service::Impl {
  explicit Impl(Settings settings)
      : owner{std::move(settings.app_id), std::move(settings.app_namespace)},
        caller(client, settings.metrics, settings.tls),
        watcher(client, settings.tls) {}

  wire::Owner owner;
  net::Client client{client_options()};
  Caller caller;
  Watcher watcher;
};

}  // namespace outrigger::runtime::scheduler
