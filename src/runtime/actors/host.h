#pragma once

#include "runtime/actors/service.h"

namespace outrigger::runtime::actors {

/// Which actor types live in this sidecar: tells the services of all loops and placement. One for
/// the process; all members belong to loop 0.
class Host {
 public:
  struct Settings {
    /// --actors-disseminate-timeout.
    Duration dissemination_timeout = std::chrono::seconds(30);
  };
  /// One service a loop, in their order. `placement` nullptr: there are no actors here.
  Host(Loops& loops, std::vector<Service*> services, placement::Registration* placement,
       Settings settings);
  /// close() must have ended.
  ~Host();

  /// Lets the services find one another. Before the first call.
  Task<void> connect();
  /// The components are loaded. Without a store for actors no type is hosted, but actors elsewhere
  /// can be called.
  Task<void> start(std::optional<std::string> store);

  /// The store has come, has gone, or is another one. When it goes the actors that are hosted here
  /// are deactivated, and there are none until it comes.
  Task<void> set_store(std::optional<std::string> store);

  /// The application says what it hosts (nothing, perhaps), and how it is called.
  enum class Way : std::uint8_t { http, stream };
  Task<Result<>> add(AppConfig config, Way way);
  /// It hosts these no more: their actors are deactivated, and calls wait for another add().
  Task<void> remove(std::vector<std::string> types);
  /// What add() was told, of Way::http.
  [[nodiscard]] const std::vector<std::string>& app_types() const noexcept { return app_types_; }

  /// What the metadata API says of it.
  struct Status {
    enum class Runtime : std::uint8_t { initializing, disabled, running };
    Runtime runtime = Runtime::initializing;
    bool host_ready = false;
    std::string placement;
    std::vector<Life::Count> active;
  };
  Task<Status> status();

  /// Leaves placement, drains the calls, deactivates the actors; then calls are refused.
  Task<void> close();

 private:
  using Work = std::function<Task<void>(Service*)>;
  Task<void> on_all(Work work);
  Task<Result<>> host(AppConfig config, Way way);
  void advertise();
  Task<void> set_registered(bool registered);

  Loops& loops_;
  std::vector<Service*> services_;
  placement::Registration* placement_;
  Settings settings_;
  /// What add() was told and remove() has not taken back.
  struct Told {
    AppConfig config;
    Way way = Way::http;
  };
  std::vector<Told> told_;
  std::vector<std::string> types_;
  std::vector<std::string> app_types_;
  bool has_store_ = false;
  bool started_ = false;
  bool opened_ = false;
  bool registered_ = false;
  bool closing_ = false;
};

}  // namespace outrigger::runtime::actors
