#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/scope.h"
#include "components/clients/sqlite/connection.h"
#include "components/clients/sqlite/executor.h"
#include "components/nameresolution/resolver.h"

/// The table of hosts in which sidecars on one machine find each other, laid out as upstream's.
namespace outrigger::components::nameresolution::hosts {

struct Options : sqlite::ConnectionOptions {
  Options() {
    timeout = std::chrono::seconds(1);
    busy_timeout = std::chrono::milliseconds(800);
  }
  std::string table = "hosts";
  std::string metadata_table = "metadata";
  /// A row not renewed for so long stands for a host that is gone.
  std::chrono::nanoseconds update_interval = std::chrono::seconds(5);
  /// How often rows of hosts long gone are removed; 0: never.
  std::chrono::nanoseconds cleanup_interval = std::chrono::hours(1);
};

/// Upstream's checks of what goes beyond one field.
Result<> check(const Options& options);

/// The statements, made once: Database keeps what it prepared by the text.
struct Statements {
  std::string create, index_address, index_update;
  std::string take, renew, owner, leave, find;
  std::string stamp_cleanup, clean;
};
Statements statements_for(const Options& options);

/// The executor with its tables prepared and cleaned up regularly.
Result<std::shared_ptr<sqlite::Executor>> open_hosts(const Options& options,
                                                     std::shared_ptr<const Statements> sql);

/// This sidecar's row: taken with the first attach(), renewed while it stands, removed with the
/// last detach(). Belongs to its home loop.
class Registration {
 public:
  Registration(Loop& home, const Options& options, std::shared_ptr<sqlite::Executor> executor,
               std::shared_ptr<const Statements> sql);
  [[nodiscard]] Loop& home() noexcept { return home_; }

  /// `address`: "host:port".
  Task<Result<>> attach(std::string app_id, std::string address);
  Task<Result<>> detach();
  /// One renewal. A row that somebody's clean-up removed is made again; if another process took
  /// the address, this one must not go on: Code::aborted.
  Task<Result<>> renew();

 private:
  Task<Result<>> take();
  Task<Result<>> leave();
  Task<void> renew_regularly();

  Loop& home_;
  const Duration renew_every_;
  const Duration timeout_;
  std::shared_ptr<const Statements> sql_;
  sqlite::Client client_;
  Semaphore one_at_a_time_{1};
  Scope scope_;
  int users_ = 0;
  std::string id_;
  std::string app_id_;
  std::string address_;
};

}  // namespace outrigger::components::nameresolution::hosts
