#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/loop.h"
#include "base/time_format.h"
#include "components/state/store.h"

namespace outrigger::components::state {

/// The items of one state.in-memory component, shared by its instances on all loops. Thread-safe:
/// a key belongs to one of many shards, each behind a mutex that is held for a look-up or a
/// change of it only. Time is passed in.
class InMemoryTable {
 public:
  /// The same moment on the clock that expiry goes by and on the one that is shown.
  struct Now {
    TimePoint steady;
    WallTime wall;
  };
  static Now now() noexcept;

  /// The item unless it has expired.
  [[nodiscard]] std::optional<Item> get(const std::string& key, const Now& now) const;
  Result<> set(SetRequest request, const Now& now);
  Result<> remove(const DeleteRequest& request, const Now& now);
  /// All ETags are checked against what was there before the first operation.
  Result<> multi(TransactionRequest request, const Now& now);

  /// A key and its place in the order of writes.
  struct Found {
    std::uint64_t index;
    std::string key;
  };
  static constexpr std::size_t kShards = 64;
  /// Adds the keys of one shard that match a LIKE pattern, in no order.
  void find_like(std::size_t shard, std::string_view pattern, const Now& now,
                 std::vector<Found>& found) const;
  /// Deletes the keys of one shard that are the prefix and one more part; answers how many.
  std::int64_t remove_prefix(std::size_t shard, std::string_view prefix);
  [[nodiscard]] std::size_t size(std::size_t shard) const;

  /// Forgets expired items, no more than `limit` of each shard; true if there may be more now.
  bool sweep(const Now& now, std::size_t limit = 256);
  /// Whether any item will expire.
  [[nodiscard]] bool has_expiring() const noexcept { return expiring_.load() > 0; }

 private:
  struct Entry {
    std::string value;
    std::string etag;
    std::optional<Now> expires;
    std::uint64_t index;
  };
  using ByExpiry = std::multimap<TimePoint, std::string>;
  struct Slot {
    // Shared, so that a reader copies a large value after it has let go of the mutex.
    std::shared_ptr<const Entry> entry;
    ByExpiry::iterator by_expiry;  // Valid if entry->expires.
  };
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, Slot> slots;
    ByExpiry by_expiry;
  };
  /// A set that has been checked as far as it can be without looking at the table.
  struct Write {
    std::string key;
    std::shared_ptr<Entry> entry;  // nullptr: delete.
  };

  static std::size_t shard_of(std::string_view key) noexcept;
  static Result<Write> prepare(SetRequest&& request, const Now& now);
  static Result<> check(const Shard& shard, const std::string& key, std::string_view etag,
                        Concurrency concurrency, const Now& now);
  void apply(Shard& shard, Write&& write);
  void forget(Shard& shard, std::unordered_map<std::string, Slot>::iterator found);

  std::array<Shard, kShards> shards_;
  std::atomic<std::uint64_t> next_index_{0};
  std::atomic<std::int64_t> expiring_{0};
};

}  // namespace outrigger::components::state
