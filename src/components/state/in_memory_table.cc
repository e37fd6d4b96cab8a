#include "components/state/in_memory_table.h"

#include <limits>

#include "base/strings.h"
#include "base/uuid.h"
#include "components/state/like.h"

namespace outrigger::components::state {
namespace {

/// Seconds to live; 0 means for ever. Negative numbers do too, as upstream has it.
Result<std::int64_t> seconds_to_live(const Properties& metadata) {
  const auto found = metadata.find(kTtlInSeconds);
  if (found == metadata.end() || found->second.empty()) return 0;
  const auto seconds = parse_int<std::int64_t>(found->second);
  if (!seconds) return fail(Code::invalid_argument, go_number_error("Atoi", found->second));
  // More would overflow the clocks; 30 years are for ever to what lives in memory.
  constexpr std::int64_t kMost = 30LL * 366 * 24 * 3600;
  return std::clamp<std::int64_t>(*seconds, 0, kMost);
}

bool one_more_part(std::string_view key, std::string_view prefix) noexcept {
  return key.starts_with(prefix) && !key.substr(prefix.size()).contains("||");
}

}  // namespace

InMemoryTable::Now InMemoryTable::now() noexcept {
  return {.steady = std::chrono::steady_clock::now(), .wall = wall_now()};
}

std::size_t InMemoryTable::shard_of(std::string_view key) noexcept {
  // The low bits choose the bucket within the shard.
  return (std::hash<std::string_view>{}(key) >> 48) % kShards;
}

std::optional<Item> InMemoryTable::get(const std::string& key, const Now& now) const {
  const Shard& shard = shards_[shard_of(key)];
  std::shared_ptr<const Entry> entry;
  {
    const std::lock_guard lock(shard.mutex);
    const auto found = shard.slots.find(key);
    if (found == shard.slots.end()) return std::nullopt;
    entry = found->second.entry;
  }
  if (entry->expires && now.steady > entry->expires->steady) return std::nullopt;
  Item item{.value = entry->value, .etag = entry->etag};
  if (entry->expires) {
    item.metadata.emplace(kTtlExpireTime, format_rfc3339(entry->expires->wall));
  }
  return item;
}

Result<InMemoryTable::Write> InMemoryTable::prepare(SetRequest&& request, const Now& now) {
  OUT_TRY(const auto seconds, seconds_to_live(request.metadata));
  auto entry = std::make_shared<Entry>();
  entry->value = std::move(request.value);
  entry->etag = uuid_v4();
  if (seconds > 0) {
    const std::chrono::seconds life(seconds);
    entry->expires = Now{.steady = now.steady + life, .wall = now.wall + life};
  }
  return Write{.key = std::move(request.key), .entry = std::move(entry)};
}

Result<> InMemoryTable::check(const Shard& shard, const std::string& key, std::string_view etag,
                              Concurrency concurrency, const Now& now) {
  if (etag.empty() && concurrency != Concurrency::first_write) return {};
  const auto found = shard.slots.find(key);
  const Entry* entry = found == shard.slots.end() ? nullptr : found->second.entry.get();
  if (entry != nullptr && entry->expires && now.steady > entry->expires->steady) entry = nullptr;
  if (etag.empty()) {
    if (entry == nullptr) return {};
    return fail(etag_mismatch("item already exists and no etag was passed"));
  }
  if (entry == nullptr) {
    return fail(etag_mismatch("state not exist or expired for key=" + key));
  }
  if (entry->etag != etag) {
    return fail(etag_mismatch("state etag not match for key=" + key + ": current=" + entry->etag +
                              ", expect=" + std::string(etag)));
  }
  return {};
}

void InMemoryTable::forget(Shard& shard, std::unordered_map<std::string, Slot>::iterator found) {
  if (found->second.entry->expires) {
    shard.by_expiry.erase(found->second.by_expiry);
    expiring_.fetch_sub(1);
  }
  shard.slots.erase(found);
}

void InMemoryTable::apply(Shard& shard, Write&& write) {
  const auto found = shard.slots.find(write.key);
  if (write.entry == nullptr) {
    if (found != shard.slots.end()) forget(shard, found);
    return;
  }
  write.entry->index = next_index_.fetch_add(1);
  Slot slot;
  if (write.entry->expires) {
    slot.by_expiry = shard.by_expiry.emplace(write.entry->expires->steady, write.key);
    expiring_.fetch_add(1);
  }
  slot.entry = std::move(write.entry);
  if (found == shard.slots.end()) {
    shard.slots.emplace(std::move(write.key), std::move(slot));
    return;
  }
  if (found->second.entry->expires) {
    shard.by_expiry.erase(found->second.by_expiry);
    expiring_.fetch_sub(1);
  }
  found->second = std::move(slot);
}

Result<> InMemoryTable::set(SetRequest request, const Now& now) {
  const std::string etag = request.has_etag() ? std::move(*request.etag) : std::string();
  const auto concurrency = request.concurrency;
  OUT_TRY(auto write, prepare(std::move(request), now));
  Shard& shard = shards_[shard_of(write.key)];
  const std::lock_guard lock(shard.mutex);
  OUT_CHECK(check(shard, write.key, etag, concurrency, now));
  apply(shard, std::move(write));
  return {};
}

Result<> InMemoryTable::remove(const DeleteRequest& request, const Now& now) {
  const std::string_view etag = request.has_etag() ? *request.etag : std::string_view();
  Shard& shard = shards_[shard_of(request.key)];
  const std::lock_guard lock(shard.mutex);
  OUT_CHECK(check(shard, request.key, etag, request.concurrency, now));
  apply(shard, Write{.key = request.key, .entry = nullptr});
  return {};
}

Result<> InMemoryTable::multi(TransactionRequest request, const Now& now) {
  struct Condition {
    std::string etag;
    Concurrency concurrency;
  };
  std::vector<Write> writes;
  std::vector<Condition> conditions;
  std::array<bool, kShards> touched{};
  for (auto& operation : request.operations) {
    std::visit(
        [&](auto& one) {
          conditions.push_back({one.etag.value_or(std::string()), one.concurrency});
          touched[shard_of(one.key)] = true;
        },
        operation);
    if (auto* removal = std::get_if<DeleteRequest>(&operation)) {
      writes.push_back({.key = std::move(removal->key), .entry = nullptr});
      continue;
    }
    OUT_TRY(auto write, prepare(std::move(std::get<SetRequest>(operation)), now));
    writes.push_back(std::move(write));
  }
  // Always in the order of the shards, so that two transactions cannot wait for each other.
  std::vector<std::unique_lock<std::mutex>> locks;
  for (std::size_t i = 0; i < kShards; ++i) {
    if (touched[i]) locks.emplace_back(shards_[i].mutex);
  }
  for (std::size_t i = 0; i < writes.size(); ++i) {
    OUT_CHECK(check(shards_[shard_of(writes[i].key)], writes[i].key, conditions[i].etag,
                    conditions[i].concurrency, now));
  }
  for (auto& write : writes) {
    Shard& shard = shards_[shard_of(write.key)];
    apply(shard, std::move(write));
  }
  return {};
}

void InMemoryTable::find_like(std::size_t index, std::string_view pattern, const Now& now,
                              std::vector<Found>& found) const {
  const Shard& shard = shards_[index];
  const std::lock_guard lock(shard.mutex);
  for (const auto& [key, slot] : shard.slots) {
    const Entry& entry = *slot.entry;
    if (entry.expires && now.steady > entry.expires->steady) continue;
    if (like(key, pattern)) found.push_back({entry.index, key});
  }
}

std::int64_t InMemoryTable::remove_prefix(std::size_t index, std::string_view prefix) {
  Shard& shard = shards_[index];
  const std::lock_guard lock(shard.mutex);
  std::int64_t count = 0;
  for (auto at = shard.slots.begin(); at != shard.slots.end();) {
    const auto here = at++;
    if (!one_more_part(here->first, prefix)) continue;
    forget(shard, here);
    ++count;
  }
  return count;
}

std::size_t InMemoryTable::size(std::size_t shard) const {
  const std::lock_guard lock(shards_[shard].mutex);
  return shards_[shard].slots.size();
}

bool InMemoryTable::sweep(const Now& now, std::size_t limit) {
  bool more = false;
  for (Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    std::size_t done = 0;
    while (!shard.by_expiry.empty() && now.steady > shard.by_expiry.begin()->first) {
      if (done++ == limit) {
        more = true;
        break;
      }
      // By value: forget() erases the node that holds the key.
      const std::string key = shard.by_expiry.begin()->second;
      const auto found = shard.slots.find(key);
      OUT_ASSERT(found != shard.slots.end());
      forget(shard, found);
    }
  }
  return more;
}

}  // namespace outrigger::components::state
