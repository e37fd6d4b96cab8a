#pragma once

#include "runtime/scheduler/fake_testing.h"

/// The sidecar's side of schedulers. For tests.
namespace outrigger::runtime::scheduler::testing {

/// The services of two loops, and their cluster.
class Sidecar {
 public:
  explicit Sidecar(std::vector<std::string> addresses, unsigned streams = 3) {
    loops.start();
    for (unsigned i = 0; i < loops.size(); ++i) {
      on(loops[i],
         [&] { services.push_back(std::make_unique<Service>(Service::Settings{"shop", "town"})); });
    }
    on(loops[0], [&] {
      Cluster::Settings settings;
      settings.addresses = std::move(addresses);
      settings.streams = streams;
      settings.ready = &ready;
      const std::vector<Service*> all = {services[0].get(), services[1].get()};
      cluster = std::make_unique<Cluster>(loops, all, std::move(settings));
    });
  }
  ~Sidecar() {
    close();
    loops.stop_and_join();
  }
  void start() {
    on(loops[0], [this] { cluster->start(); });
  }
  void close() {
    if (!cluster) return;
    on<void>(loops[0], [this] { return close_cluster(); }).value();
    for (unsigned i = 0; i < loops.size(); ++i) {
      on<void>(loops[i], [this, i] { return close_service(i); }).value();
    }
  }
  Result<> schedule(std::string name, Patience patience = {}) {
    return on<void>(loops[0], [&] {
      return services[0]->schedule(std::move(name), Target(), Job(), false, patience);
    });
  }

  Loops loops{2};
  Readiness ready;
  std::vector<std::unique_ptr<Service>> services;
  std::unique_ptr<Cluster> cluster;

 private:
  Task<Result<>> close_cluster() {
    co_await cluster->close();
    cluster.reset();
    co_return Result<>();
  }
  Task<Result<>> close_service(unsigned i) {
    co_await services[i]->close();
    services[i].reset();
    co_return Result<>();
  }
};

}  // namespace outrigger::runtime::scheduler::testing
