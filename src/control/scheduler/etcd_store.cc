#include "control/scheduler/etcd_store.h"

#include "base/log.h"
#include "base/scope.h"
#include "components/clients/etcd/client.h"
#include "control/scheduler/etcd_index.h"
#include "control/scheduler/etcd_members.h"
#include "control/scheduler/record.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
namespace etcd = components::etcd;

const Logger log("dapr.scheduler.server.etcd");

constexpr std::string_view kJobs = "dapr/jobs/";
constexpr std::string_view kCounters = "dapr/counters/";
// Keys of one answer while all jobs are read.
constexpr std::int64_t kPage = 2000;
// Written to see whether that is possible; of no meaning to anybody.
constexpr std::string_view kProbe = "dapr/outrigger/probe";
// With the replica's id behind it: written anew for each term.
constexpr std::string_view kTerms = "dapr/outrigger/term/";
// etcd refuses transactions of more operations than 128 by default; a job takes two.
constexpr std::size_t kLoadSlice = 50;
constexpr std::size_t kLoadBytesMax = std::size_t{8} << 20;
constexpr std::size_t kSettleSlice = 50;
constexpr std::size_t kSettlesAtOnce = 64;
constexpr Duration kPause = 1s;

std::string job_key(std::string_view name) { return std::string(kJobs) + std::string(name); }
std::string counter_key(std::string_view name) {
  return std::string(kCounters) + std::string(name);
}

/// When a job that is read anew wants to be woken. A retry, whose time is not kept, is due when the
/// trigger was, as upstream has it after a restart.
Result<std::optional<Waking>> waking_of(StoredJob job, std::optional<Counter> counter) {
  if (counter) counter->attempts = 0;
  OUT_TRY(const auto life, Life::resume(std::move(job), counter, WallTime()));
  return life.next();
}

class EtcdStore final : public Store {
 public:
  EtcdStore(std::unique_ptr<etcd::Client> client, std::string id)
      : client_(std::move(client)), id_(std::move(id)), term_key_(std::string(kTerms) + id_) {}

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
  using Counters = std::unordered_map<std::string, Counter>;

  bool is_ours(std::uint64_t partition_id) const {
    return share_ && partition_id % share_->total == share_->index;
  }
  bool serves(std::uint64_t term) const { return told_ && serving_ == term; }
  void take(Share share);
  Task<Result<>> drain();
  void let_go();
  Task<void> run();
  Task<Result<>> serve(Share share);
  Task<Result<>> begin_term(std::uint64_t share_term);
  Task<Result<std::int64_t>> read_all();
  Task<Result<Counters>> read_counters(std::int64_t revision);
  Task<Result<>> index_page(std::vector<etcd::KeyValue> page, const Counters* counters);
  Task<Result<>> follow(etcd::Watch* watch);
  Task<Result<>> heard(etcd::Event event);
  Task<Result<>> load_slice(std::vector<JobId> ids, Loaded* out);
  bool add_fence(std::uint64_t term, etcd::Txn* txn) const;
  static void add(const Settlement& settlement, const std::string& name, etcd::Txn* txn);
  void note(const Settlement& settlement);
  Task<void> settle_slice(std::uint64_t term, std::vector<Settlement> slice, Result<bool>* out);
  Task<void> settle_one(std::uint64_t term, Settlement settlement, Result<bool>* out);

  std::unique_ptr<etcd::Client> client_;
  std::string id_;
  std::string term_key_;
  /// Of that key, in the present term.
  std::int64_t term_revision_ = 0;
  std::unique_ptr<EtcdMembers> members_;
  Events* events_ = nullptr;
  EtcdIndex index_;
  std::optional<Share> share_;
  /// One that ended before the events' owner was told of it.
  std::optional<Share> untold_;
  /// The term that the events' owner knows: a share that is read anew is another one to it, for
  /// what was begun before is not to be settled by what was read after.
  std::uint64_t serving_ = 0;
  bool told_ = false;  ///< The events' owner knows of the share, for the index is complete.
  Cancellation* term_ = nullptr;  ///< Of the share that is being served.
  Signal shared_anew_;
  Scope scope_;
  /// Names that this replica writes just now: what the watch says of them must wait.
  std::unordered_map<std::string, int> writing_;
  Signal written_;
};

Task<Result<>> EtcdStore::open(Events& events, std::string address) {
  if (members_) co_return Result<>();
  events_ = &events;
  etcd::Range any{.key = std::string(kJobs), .limit = 1, .keys_only = true};
  OUT_CO_CHECK(co_await client_->range(std::move(any)));
  ShareEvents callbacks{.owned = [this](Share share) { take(std::move(share)); },
                        .drain = [this] { return drain(); },
                        .lost = [this] { let_go(); }};
  EtcdMembers::Self self{.id = id_, .address = std::move(address)};
  members_ = std::make_unique<EtcdMembers>(*client_, std::move(self), std::move(callbacks));
  members_->join();
  scope_.spawn(run());
  co_return Result<>();
}

void EtcdStore::take(Share share) {
  let_go();
  if (untold_) share.follow_untold(*std::exchange(untold_, std::nullopt));
  share_ = std::move(share);
  shared_anew_.notify_all();
}

Task<Result<>> EtcdStore::drain() {
  if (!told_) co_return Result<>();
  co_return co_await events_->drain();
}

void EtcdStore::let_go() {
  if (share_ && !told_) untold_ = std::move(share_);
  share_.reset();
  if (term_ != nullptr) term_->request();
  if (std::exchange(told_, false)) events_->lost();
}

// Serves one share after the other: reads all its jobs, then follows them, and begins anew when it
// has missed some.
Task<void> EtcdStore::run() {
  Cancellation* const mine = co_await this_cancellation();
  while (!mine->requested()) {
    if (!share_) {
      [[maybe_unused]] auto woken = co_await shared_anew_.wait();
      continue;
    }
    const Share share = *share_;
    Cancellation term(mine);
    term_ = &term;
    auto served = co_await serve(share).under(term);
    term_ = nullptr;
    if (term.requested()) continue;
    if (std::exchange(told_, false)) {
      share_->since.emplace();  // It goes on.
      events_->lost();
    }
    log.error("The jobs cannot be followed: ", served.error(), "; reading them anew");
    [[maybe_unused]] auto slept = co_await sleep_for(kPause);
  }
}

// What is written under a term asks for the key as it was written here. The replica's own key is
// not enough: it stays as it is while a share is read anew, and when one that ends begins again
// with the same replicas. Bound to the same lease.
Task<Result<>> EtcdStore::begin_term(std::uint64_t share_term) {
  etcd::Range present{.key = term_key_};
  OUT_CO_TRY(const auto found, co_await client_->range(std::move(present)));
  const std::int64_t before = found.items.empty() ? 0 : found.items[0].mod_revision;
  const auto held = members_->fence(share_term);
  if (!held) co_return other_term();
  etcd::Txn txn;
  txn.compare.push_back(*held);
  // One of an earlier term that comes late changes nothing.
  txn.compare.push_back({.key = term_key_, .number = before});
  txn.success.emplace_back(etcd::Put{.key = term_key_, .value = id_, .lease = members_->lease()});
  OUT_CO_TRY(const auto written, co_await client_->txn(std::move(txn)));
  if (!written.succeeded) co_return other_term();
  term_revision_ = written.revision;
  co_return Result<>();
}

Task<Result<>> EtcdStore::serve(Share share) {
  OUT_CO_CHECK(co_await begin_term(share.term));
  OUT_CO_TRY(const auto revision, co_await read_all());
  // An answer can come in the very turn in which the share is given up.
  if (!share_ || share_->term != share.term) co_return fail(Code::cancelled, "the share is over");
  log.info("Jobs of this replica: ", index_.size());
  told_ = true;
  share.term = ++serving_;
  events_->owned(std::move(share));
  const auto watch = client_->watch(std::string(kJobs), etcd::prefix_end(kJobs), revision + 1);
  co_return co_await follow(watch.get());
}

Task<Result<std::int64_t>> EtcdStore::read_all() {
  index_.clear();
  etcd::Range first{.key = std::string(kJobs), .limit = 1, .keys_only = true};
  OUT_CO_TRY(const auto now, co_await client_->range(std::move(first)));
  OUT_CO_TRY(const auto counters, co_await read_counters(now.revision));
  std::string from(kJobs);
  for (;;) {
    etcd::Range range{
        .key = from, .end = etcd::prefix_end(kJobs), .limit = kPage, .revision = now.revision};
    OUT_CO_TRY(auto page, co_await client_->range(std::move(range)));
    if (!page.items.empty()) from = page.items.back().key + '\0';
    OUT_CO_CHECK(co_await index_page(std::move(page.items), &counters));
    if (!page.more) co_return now.revision;
  }
}

Task<Result<EtcdStore::Counters>> EtcdStore::read_counters(std::int64_t revision) {
  Counters counters;
  std::string from(kCounters);
  for (;;) {
    etcd::Range range{
        .key = from, .end = etcd::prefix_end(kCounters), .limit = kPage, .revision = revision};
    OUT_CO_TRY(const auto page, co_await client_->range(std::move(range)));
    for (const auto& item : page.items) {
      auto counter = decode_counter(item.value);
      if (!counter) {
        log.error("The counter ", item.key, " cannot be read: ", counter.error());
        continue;
      }
      if (is_ours(counter->partition_id)) {
        counters.emplace(item.key.substr(kCounters.size()), *counter);
      }
    }
    if (!page.more) co_return counters;
    from = page.items.back().key + '\0';
  }
}

Task<Result<>> EtcdStore::index_page(std::vector<etcd::KeyValue> page, const Counters* counters) {
  for (etcd::KeyValue& item : page) {
    std::string name = item.key.substr(kJobs.size());
    auto job = decode_job(item.value);
    if (!job) {
      log.error("The job ", name, " cannot be read: ", job.error());
      continue;
    }
    if (!is_ours(job->partition_id)) continue;
    // Written while all were read.
    if (const auto known = index_.find(name); known && *known > JobId(item.mod_revision)) continue;
    std::optional<Counter> counter;
    if (const auto found = counters->find(name); found != counters->end()) counter = found->second;
    auto waking = waking_of(*std::move(job), counter);
    if (!waking) {
      log.error("The job ", name, " is passed over: ", waking.error());
    } else if (*waking) {
      index_.put(static_cast<JobId>(item.mod_revision), std::move(name), **waking);
    } else {
      etcd::Txn over;
      over.compare.push_back({.key = item.key, .number = item.mod_revision});
      over.success.emplace_back(etcd::Remove{.key = item.key});
      over.success.emplace_back(etcd::Remove{.key = counter_key(name)});
      OUT_CO_CHECK(co_await client_->txn(std::move(over)));
    }
  }
  co_return Result<>();
}

Task<Result<>> EtcdStore::follow(etcd::Watch* watch) {
  for (;;) {
    auto changes = co_await watch->next();
    if (!changes) co_return std::unexpected(std::move(changes).error());
    for (etcd::Event& event : changes->events) {
      OUT_CO_CHECK(co_await heard(std::move(event)));
    }
  }
}

Task<Result<>> EtcdStore::heard(etcd::Event event) {
  std::string name = event.item.key.substr(kJobs.size());
  while (writing_.contains(name)) {
    OUT_CO_CHECK(co_await written_.wait());
  }
  const auto known = index_.find(name);
  const auto id = static_cast<JobId>(event.item.mod_revision);
  if (known && *known >= id) co_return Result<>();  // Our own writing, or older than that.
  if (event.kind == etcd::Event::Kind::removed) {
    if (!known) co_return Result<>();
    index_.erase(*known);
    events_->removed(*known);
    co_return Result<>();
  }
  auto job = decode_job(event.item.value);
  std::optional<Waking> waking;
  if (!job) log.error("The job ", name, " cannot be read: ", job.error());
  if (job && is_ours(job->partition_id)) {
    auto first = waking_of(*std::move(job), std::nullopt);
    if (!first) log.error("The job ", name, " is passed over: ", first.error());
    if (first) waking = *first;
  }
  if (waking) {
    index_.put(id, std::move(name), *waking);
    events_->changed(id, known, waking->due);
  } else if (known) {
    index_.erase(*known);
    events_->removed(*known);
  }
  co_return Result<>();
}

Task<Result<Written>> EtcdStore::put(PutRequest request) {
  const std::string key = job_key(request.name);
  etcd::Txn txn;
  if (request.only_new) {
    txn.compare.push_back({.key = key, .target = etcd::Compare::Target::create_revision});
  }
  txn.success.emplace_back(etcd::Range{.key = key, .keys_only = true});
  txn.success.emplace_back(etcd::Put{.key = key, .value = encode(request.job)});
  txn.success.emplace_back(etcd::Remove{.key = counter_key(request.name)});
  ++writing_[request.name];
  auto done = co_await client_->txn(std::move(txn));
  const auto writing = writing_.find(request.name);
  if (--writing->second == 0) writing_.erase(writing);
  written_.notify_all();
  if (!done) co_return std::unexpected(std::move(done).error());
  if (!done->succeeded) {
    co_return fail(Code::already_exists, "job already exists: '" + request.name + "'");
  }
  Written written{.id = static_cast<JobId>(done->revision), .replaced = std::nullopt};
  const auto& before = done->replies.at(0).range.items;
  if (!before.empty()) written.replaced = static_cast<JobId>(before[0].mod_revision);
  const auto known = index_.find(request.name);
  // Two writings of one name may be answered in any order.
  if (!known || *known < written.id) {
    if (known) index_.erase(*known);
    if (is_ours(request.job.partition_id)) {
      index_.put(written.id, std::move(request.name), request.waking);
    }
  }
  co_return written;
}

Task<Result<std::optional<StoredJob>>> EtcdStore::get(std::string name) {
  etcd::Range range{.key = job_key(name)};
  OUT_CO_TRY(const auto found, co_await client_->range(std::move(range)));
  if (found.items.empty()) co_return std::nullopt;
  OUT_CO_TRY(auto job, decode_job(found.items[0].value));
  co_return job;
}

Task<Result<std::optional<JobId>>> EtcdStore::remove(std::string name) {
  etcd::Txn txn;
  txn.success.emplace_back(etcd::Range{.key = job_key(name), .keys_only = true});
  txn.success.emplace_back(etcd::Remove{.key = job_key(name)});
  txn.success.emplace_back(etcd::Remove{.key = counter_key(name)});
  OUT_CO_TRY(const auto done, co_await client_->txn(std::move(txn)));
  const auto& found = done.replies.at(0).range.items;
  if (found.empty()) co_return std::nullopt;
  const auto id = static_cast<JobId>(found[0].mod_revision);
  index_.erase(id);
  co_return id;
}

Task<Result<std::vector<JobId>>> EtcdStore::remove_prefix(std::string prefix) {
  const std::string jobs = job_key(prefix);
  const std::string counters = counter_key(prefix);
  etcd::Txn txn;
  txn.success.emplace_back(
      etcd::Range{.key = jobs, .end = etcd::prefix_end(jobs), .keys_only = true});
  txn.success.emplace_back(etcd::Remove{.key = jobs, .end = etcd::prefix_end(jobs)});
  txn.success.emplace_back(etcd::Remove{.key = counters, .end = etcd::prefix_end(counters)});
  OUT_CO_TRY(const auto done, co_await client_->txn(std::move(txn)));
  std::vector<JobId> removed;
  for (const auto& item : done.replies.at(0).range.items) {
    removed.push_back(static_cast<JobId>(item.mod_revision));
    index_.erase(removed.back());
  }
  co_return removed;
}

Task<Result<std::vector<NamedJob>>> EtcdStore::list(ListRequest request) {
  const std::string prefix = job_key(request.prefix);
  etcd::Range range{.key = prefix,
                    .end = etcd::prefix_end(prefix),
                    .limit = static_cast<std::int64_t>(request.limit)};
  if (!request.after.empty()) range.key = std::max(prefix, job_key(request.after) + '\0');
  OUT_CO_TRY(const auto page, co_await client_->range(std::move(range)));
  std::vector<NamedJob> jobs;
  for (const auto& item : page.items) {
    OUT_CO_TRY(auto job, decode_job(item.value));
    jobs.push_back({item.key.substr(kJobs.size()), std::move(job)});
  }
  co_return jobs;
}

Task<Result<std::vector<Due>>> EtcdStore::due(std::uint64_t term, Due after, WallTime until,
                                              std::size_t limit) {
  if (!serves(term)) co_return other_term();
  co_return index_.due(after, until, limit);
}

Task<Result<Loaded>> EtcdStore::load(std::uint64_t term, std::vector<JobId> ids) {
  Loaded loaded;
  std::size_t bytes = 0;
  while (loaded.looked_up < ids.size() && bytes < kLoadBytesMax) {
    if (!serves(term)) co_return other_term();
    const std::size_t count = std::min(kLoadSlice, ids.size() - loaded.looked_up);
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(loaded.looked_up);
    std::vector<JobId> slice(begin, begin + static_cast<std::ptrdiff_t>(count));
    const std::size_t before = loaded.jobs.size();
    OUT_CO_CHECK(co_await load_slice(std::move(slice), &loaded));
    loaded.looked_up += count;
    for (std::size_t i = before; i < loaded.jobs.size(); ++i) bytes += loaded.jobs[i].job.size();
  }
  co_return loaded;
}

Task<Result<>> EtcdStore::load_slice(std::vector<JobId> ids, Loaded* out) {
  etcd::Txn txn;
  std::vector<LoadedJob> wanted;
  for (const JobId id : ids) {
    const auto* entry = index_.find(id);
    if (entry == nullptr) continue;
    txn.success.emplace_back(etcd::Range{.key = job_key(entry->name)});
    txn.success.emplace_back(etcd::Range{.key = counter_key(entry->name)});
    LoadedJob& job = wanted.emplace_back();
    job.id = id;
    job.due = entry->waking.due;
    job.name = entry->name;
  }
  if (wanted.empty()) co_return Result<>();
  OUT_CO_TRY(auto found, co_await client_->txn(std::move(txn)));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto& job = found.replies.at(2 * i).range.items;
    auto& counter = found.replies.at(2 * i + 1).range.items;
    if (job.empty() || static_cast<JobId>(job[0].mod_revision) != wanted[i].id) continue;
    wanted[i].job = std::move(job[0].value);
    if (!counter.empty()) wanted[i].counter = std::move(counter[0].value);
    out->jobs.push_back(std::move(wanted[i]));
  }
  co_return Result<>();
}

Task<Result<std::vector<bool>>> EtcdStore::settle(std::uint64_t term,
                                                  std::vector<Settlement> settlements) {
  if (!serves(term)) co_return other_term();
  std::vector<Result<bool>> results(settlements.size(), false);
  std::vector<Task<void>> tasks;
  for (std::size_t i = 0; i < settlements.size(); i += kSettleSlice) {
    const std::size_t end = std::min(i + kSettleSlice, settlements.size());
    std::vector<Settlement> slice(settlements.begin() + static_cast<std::ptrdiff_t>(i),
                                  settlements.begin() + static_cast<std::ptrdiff_t>(end));
    tasks.push_back(settle_slice(term, std::move(slice), &results[i]));
  }
  co_await run_all(std::move(tasks));
  std::vector<bool> there;
  for (auto& result : results) {
    if (!result) co_return std::unexpected(std::move(result).error());
    there.push_back(*result);
  }
  co_return there;
}

bool EtcdStore::add_fence(std::uint64_t term, etcd::Txn* txn) const {
  if (!serves(term)) return false;
  const auto held = members_->fence(share_->term);
  if (!held) return false;
  txn->compare.push_back(*held);
  txn->compare.push_back({.key = term_key_, .number = term_revision_});
  return true;
}

void EtcdStore::add(const Settlement& settlement, const std::string& name, etcd::Txn* txn) {
  txn->compare.push_back(
      {.key = job_key(name), .number = static_cast<std::int64_t>(settlement.id)});
  if (settlement.waking) {
    txn->success.emplace_back(
        etcd::Put{.key = counter_key(name), .value = encode(settlement.counter)});
  } else {
    txn->success.emplace_back(etcd::Remove{.key = job_key(name)});
    txn->success.emplace_back(etcd::Remove{.key = counter_key(name)});
  }
}

void EtcdStore::note(const Settlement& settlement) {
  if (settlement.waking) {
    index_.move(settlement.id, *settlement.waking);
  } else {
    index_.erase(settlement.id);
  }
}

// All in one transaction, which costs etcd little more than one of them; each by itself if one of
// the jobs is another one by now.
Task<void> EtcdStore::settle_slice(std::uint64_t term, std::vector<Settlement> slice,
                                   Result<bool>* out) {
  etcd::Txn txn;
  std::vector<std::size_t> there;
  for (std::size_t i = 0; i < slice.size(); ++i) {
    const auto* entry = index_.find(slice[i].id);
    if (entry == nullptr) continue;
    there.push_back(i);
    add(slice[i], entry->name, &txn);
  }
  if (there.size() > 1 && add_fence(term, &txn)) {
    const auto done = co_await client_->txn(std::move(txn));
    const bool away = !done && (done.error().code() == Code::unavailable ||
                                done.error().code() == Code::deadline_exceeded);
    for (const std::size_t i : there) {
      if (away) out[i] = std::unexpected(done.error());
      if (!done || !done->succeeded) continue;
      note(slice[i]);
      out[i] = true;
    }
    if (away || (done && done->succeeded)) co_return;
  }
  std::vector<Task<void>> tasks;
  for (const std::size_t i : there) {
    tasks.push_back(settle_one(term, std::move(slice[i]), &out[i]));
  }
  co_await run_all(std::move(tasks), kSettlesAtOnce);
}

// May be asked for again, so what it finds done already counts as done.
Task<void> EtcdStore::settle_one(std::uint64_t term, Settlement settlement, Result<bool>* out) {
  const auto* entry = index_.find(settlement.id);
  if (entry == nullptr) co_return;
  const std::string name = entry->name;
  etcd::Txn txn;
  if (!add_fence(term, &txn)) {
    *out = other_term();
    co_return;
  }
  add(settlement, name, &txn);
  txn.failure.emplace_back(etcd::Range{.key = job_key(name), .keys_only = true});
  auto done = co_await client_->txn(std::move(txn));
  if (!done) {
    *out = std::unexpected(std::move(done).error());
    co_return;
  }
  if (done->succeeded) {
    note(settlement);
    *out = true;
    co_return;
  }
  const auto& found = done->replies.at(0).range.items;
  const bool same = !found.empty() && static_cast<JobId>(found[0].mod_revision) == settlement.id;
  if (same) *out = other_term();  // So it is the fence that did not hold.
}

Task<Result<>> EtcdStore::shorten_waits(std::uint64_t term, WallTime now) {
  if (!serves(term)) co_return other_term();
  index_.shorten_waits(now);
  co_return Result<>();
}

Task<Result<>> EtcdStore::probe() {
  etcd::Put probe{.key = std::string(kProbe), .value = id_};
  OUT_CO_CHECK(co_await client_->put(std::move(probe)));
  co_return Result<>();
}

Task<void> EtcdStore::close() {
  let_go();
  scope_.cancel();
  co_await scope_.join();
  if (members_) co_await members_->leave();
  members_.reset();
  co_await client_->close();
}

}  // namespace

Result<std::unique_ptr<Store>> make_etcd_store(EtcdOptions options) {
  etcd::Options access;
  access.endpoints = std::move(options.endpoints);
  access.username = std::move(options.username);
  access.password = std::move(options.password);
  OUT_TRY(auto client, etcd::Client::make(std::move(access)));
  return std::make_unique<EtcdStore>(std::move(client), std::move(options.id));
}

}  // namespace outrigger::control::scheduler
