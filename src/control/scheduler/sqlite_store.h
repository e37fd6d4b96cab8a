#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "components/clients/sqlite/executor.h"
#include "control/scheduler/store.h"

namespace outrigger::control::scheduler {

struct SqliteOptions {
  /// Made if it is not there.
  std::filesystem::path folder;
  /// How long a call may wait.
  std::chrono::nanoseconds timeout = std::chrono::seconds(15);
  /// How long to wait for another scheduler to let go of the folder.
  std::chrono::nanoseconds lock_timeout = std::chrono::seconds(10);
};

/// Jobs in a SQLite file, which belongs to one process: the whole share is its own. Writes of the
/// API are on the disk when they are answered, many with one flush; settlements are when a later
/// write is, or when the operating system likes. When the file or its folder is removed or
/// replaced, writes are refused with Code::failed_precondition.
class SqliteStore final : public Store {
 public:
  explicit SqliteStore(SqliteOptions options);
  ~SqliteStore() override;

  Task<Result<>> open(Events& events, std::string address) override;
  Task<Result<Written>> put(PutRequest request) override;
  Task<Result<std::optional<StoredJob>>> get(std::string name) override;
  Task<Result<std::optional<JobId>>> remove(std::string name) override;
  Task<Result<std::vector<JobId>>> remove_prefix(std::string prefix) override;
  Task<Result<std::vector<NamedJob>>> list(ListRequest request) override;
  Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                     std::size_t limit) override;
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override;
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override;
  Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) override;
  Task<Result<>> probe() override;
  Task<void> close() override;

 private:
  class FolderLock;
  class Files;
  /// Of the writing thread.
  struct Ids {
    JobId last = 0;
  };

  Task<Result<>> lock();

  SqliteOptions options_;
  std::unique_ptr<FolderLock> lock_;
  std::shared_ptr<Ids> ids_ = std::make_shared<Ids>();
  std::shared_ptr<Files> files_;
  /// Two, so that triggers do not wait behind a thousand calls.
  std::unique_ptr<components::sqlite::Client> calls_;
  std::unique_ptr<components::sqlite::Client> triggers_;
};

}  // namespace outrigger::control::scheduler
