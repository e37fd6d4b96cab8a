#pragma once

#include <memory>
#include <vector>

#include "base/env.h"
#include "components/pluggable/registry.h"
#include "runtime/actors/host.h"
#include "runtime/middleware/loader.h"
#include "runtime/processor/processor.h"
#include "runtime/pubsub/loader.h"
#include "runtime/pubsub/manager.h"
#include "runtime/pubsub/outbox_readers.h"
#include "runtime/reload/reloader.h"
#include "runtime/scheduler/service.h"
#include "runtime/secrets/loader.h"
#include "runtime/sidecar/worker.h"
#include "runtime/state/loader.h"

namespace outrigger::runtime {

/// What there is one of for all loops: the loaders of each block's components, the processor that
/// runs them, and the subscriptions. On loop 0.
class Blocks final : public reload::Target {
 public:
  /// `pluggable`: the component programs that were found.
  Blocks(Loops& loops, Shared& shared, const std::vector<std::unique_ptr<Worker>>& workers,
         components::pluggable::Registry pluggable);
  /// close() must have ended.
  ~Blocks() override;

  /// Opens the configured components and declares the subscriptions.
  Task<Result<>> load();
  /// After load(), until it is cancelled: what becomes of the files is applied as it happens,
  /// unless the configuration has switched that off. An error is fatal for the sidecar, as at the
  /// start.
  Task<Result<>> follow_files();
  /// The application may be called, or may not any more.
  Task<void> app_changed(bool healthy);
  /// The application gets no more events; other calls go on.
  Task<void> stop_subscriptions();
  /// Events that the application works on are given up after this time, also those of subscriptions
  /// that are ending already.
  Task<void> limit_events(Duration time);
  /// Neither events nor jobs any more; those that it has may come to their end, jobs for so long.
  /// Then the actors end.
  Task<void> stop_work(Duration grace);
  Task<void> close();

  /// @name For the reloader
  /// @{
  Task<void> apply_at_once(std::shared_ptr<const reload::Snapshot> now) override;
  Task<Result<>> apply(std::shared_ptr<const reload::Snapshot> now, Cause cause) override;
  Task<Result<>> secret_files_changed() override;
  Task<Result<>> poll_secrets() override;
  /// @}

 private:
  Task<Result<>> apply_rules(resources::Configuration now);
  Task<void> apply_configuration(resources::Configuration now, bool as_resource);
  Task<void> apply_pipelines(resources::Configuration now);
  Task<void> make_live_everywhere();
  Task<Result<>> remove_middlewares(std::vector<resources::Component> now);
  Task<Result<>> apply_components(std::vector<resources::Component> now, Cause cause);
  void apply_subscriptions(const std::vector<resources::Subscription>& now);
  Task<void> apply_resiliencies(std::vector<resources::Resiliency> now);
  Task<void> apply_endpoints(std::vector<resources::HttpEndpoint> now);
  Task<void> follow_components();
  Task<void> follow_actor_store();
  void watch_secret_files();
  /// On every loop, at once.
  Task<void> on_workers(std::function<void(Worker&)> work);
  void make_state_loader();
  void make_pubsub_loader();
  void make_middleware_loader();
  void say_missing_middlewares() const;
  void make_schedulers();
  void make_actors();
  Task<void> load_endpoints();
  Task<void> publish_facts();
  /// publish_facts() from any loop.
  Task<void> refresh_facts();
  static Task<Result<>> published(Blocks& blocks);

  Loops& loops_;
  Shared& shared_;
  const std::vector<std::unique_ptr<Worker>>& workers_;
  bool app_config_asked_ = false;
  actors::AppConfig app_config_;
  std::unique_ptr<processor::LoadObserver> observer_;
  components::pluggable::Registry pluggable_;
  std::vector<components::Kind<components::secretstores::SecretStore>> secret_kinds_;
  std::vector<components::Kind<components::state::Store>> state_kinds_;
  std::vector<components::Kind<components::pubsub::Broker>> broker_kinds_;
  processor::Processor processor_;
  std::unique_ptr<pubsub::SubscriptionManager> subscriptions_;
  std::unique_ptr<pubsub::OutboxReaders> outbox_readers_;
  std::unique_ptr<secrets::Loader> secrets_;
  std::unique_ptr<state::Loader> state_;
  std::unique_ptr<pubsub::Loader> pubsub_;
  std::unique_ptr<middleware::Loader> middleware_;
  std::unique_ptr<scheduler::Cluster> schedulers_;
  std::unique_ptr<placement::Client> placement_;
  std::unique_ptr<actors::Host> actors_;
  std::unique_ptr<reload::Reloader> reloader_;
  /// What was last said to have changed.
  std::optional<resources::Configuration> configuration_told_;
  /// What a change leaves to be done while the next is applied.
  Scope changing_;
  /// The application was there once: outboxes are read.
  bool outbox_read_ = false;
  /// How often the actors' store was opened, and when the actors were told.
  unsigned actor_store_opened_ = 0;
  unsigned actor_store_told_ = 0;
  std::optional<std::string> actor_store_;
};

}  // namespace outrigger::runtime
