#include "control/scheduler/etcd_members.h"

#include "base/log.h"
#include "base/random.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
using components::etcd::Compare;
using components::etcd::Put;
using components::etcd::Range;
using components::etcd::Txn;

const Logger log("dapr.scheduler.server.etcd");

constexpr std::string_view kFolder = "dapr/leadership";
// After an engine that failed.
constexpr Duration kPause = 1s;
// No number of replicas has this bit, so that upstream's wait until a number is said.
constexpr std::uint64_t kDigest = std::uint64_t{1} << 63;

}  // namespace

EtcdMembers::EtcdMembers(components::etcd::Client& client, Self self, ShareEvents events)
    : client_(client),
      self_(std::move(self)),
      events_(std::move(events)),
      key_(std::string(kFolder) + "/" + self_.id),
      own_{.says = 0, .uid = fast_random(), .address = self_.address},
      seat_(key_, self_.time_to_live),
      expiry_([this] {
        stand_down(Seat::End::broken, "its lease could not be renewed in time");
        if (life_ != nullptr) life_->request();
      }) {}

EtcdMembers::~EtcdMembers() = default;

void EtcdMembers::join() { scope_.spawn(live()); }

std::optional<Compare> EtcdMembers::fence(std::uint64_t term) const {
  if (!seat_.holds(term, std::chrono::steady_clock::now())) return std::nullopt;
  return Compare{.key = key_, .target = Compare::Target::mod_revision, .number = revision_};
}

void EtcdMembers::begin(Seat::Seen seen) {
  expiry_.start_at(seat_.until());
  Share share = seat_.begin(std::move(seen));
  log.info("This replica has share ", share.index + 1, " of ", share.total, " of the jobs");
  events_.owned(std::move(share));
}

void EtcdMembers::stand_down(Seat::End how, std::string_view why) {
  if (!seat_.end(how)) return;
  log.info("This replica gives its share of the jobs up: ", why);
  events_.lost();
}

Task<void> EtcdMembers::live() {
  for (;;) {
    auto ended = co_await take_part();
    stand_down(Seat::End::broken, "it no longer takes part");
    expiry_.stop();
    if (scope_.cancellation().requested()) co_return;
    // A lease that ran out has been told of.
    if (!ended && ended.error().code() != Code::cancelled) {
      log.error("The replicas cannot share the jobs: ", ended.error(), "; trying again");
    }
    auto slept = co_await sleep_for(kPause);
    if (!slept) co_return;
  }
}

// One lease, from its beginning to its end.
Task<Result<>> EtcdMembers::take_part() {
  revision_ = 0;
  co_await give_back();
  const TimePoint begun = std::chrono::steady_clock::now();
  seat_.renewed(begun, begun);
  OUT_CO_TRY(lease_, co_await client_.grant(self_.time_to_live));
  Cancellation life(co_await this_cancellation());
  life_ = &life;
  Scope renewing(&life);
  renewing.spawn(renew(&life));
  auto entered = co_await enter().under(life);
  Result<> ended = entered;
  if (entered) ended = co_await follow().under(life);
  life_ = nullptr;
  life.request();
  co_await renewing.join();
  co_return ended;
}

Task<void> EtcdMembers::renew(Cancellation* life) {
  Duration pause = self_.time_to_live / 3;
  for (;;) {
    auto slept = co_await sleep_for(pause);
    if (!slept) co_return;
    const TimePoint asked = std::chrono::steady_clock::now();
    // One try must not take the time of the next.
    auto renewed = co_await with_timeout(client_.renew(lease_), self_.time_to_live / 3);
    pause = self_.time_to_live / 3;
    if (renewed) {
      seat_.renewed(asked, std::chrono::steady_clock::now());
      if (seat_.has_share()) expiry_.start_at(seat_.until());
      continue;
    }
    if (life->requested()) co_return;
    log.warn("The lease of this replica could not be renewed: ", renewed.error());
    pause = kPause;
    const bool over = renewed.error().code() == Code::not_found ||
                      std::chrono::steady_clock::now() >= seat_.until();
    if (over) {
      life->request();
      co_return;
    }
  }
}

// Writes our key, waiting for an earlier process of the same id to be forgotten.
Task<Result<>> EtcdMembers::enter() {
  for (bool told = false;; told = true) {
    Range all{.key = std::string(kFolder) + "/",
              .end = components::etcd::prefix_end(std::string(kFolder) + "/"),
              .count_only = true};
    OUT_CO_TRY(const auto found, co_await client_.range(std::move(all)));
    own_.says = static_cast<std::uint64_t>(found.count) + 1;
    Txn txn;
    txn.compare.push_back({.key = key_, .target = Compare::Target::create_revision, .number = 0});
    txn.success.emplace_back(Put{.key = key_, .value = encode(own_), .lease = lease_});
    OUT_CO_TRY(const auto written, co_await client_.txn(std::move(txn)));
    if (written.succeeded) {
      revision_ = written.revision;
      co_return Result<>();
    }
    if (!told)
      log.warn("A replica with the id ", self_.id, " is there already; waiting for its end");
    OUT_CO_CHECK(co_await sleep_for(kPause));
  }
}

Task<Result<>> EtcdMembers::follow() {
  const std::string folder = std::string(kFolder) + "/";
  OUT_CO_TRY(const auto revision, co_await look());
  const auto watch = client_.watch(folder, components::etcd::prefix_end(folder), revision + 1);
  for (;;) {
    auto changed = co_await watch->next();
    if (!changed) co_return std::unexpected(std::move(changed).error());
    OUT_CO_CHECK(co_await look());
  }
}

/// The store's revision that was looked at.
Task<Result<std::int64_t>> EtcdMembers::look() {
  const std::string folder = std::string(kFolder) + "/";
  Range all{.key = folder, .end = components::etcd::prefix_end(folder)};
  OUT_CO_TRY(const auto found, co_await client_.range(std::move(all)));
  OUT_CO_TRY(auto seen, read(found));
  OUT_CO_CHECK(co_await settle(std::move(seen)));
  co_return found.revision;
}

// That all count the same is not enough: one may have gone and another come since one of them
// looked, which then still has its place among the old ones. So each says again what it counts when
// it sees a new key, having given its share up. Those of ours that are among themselves say who the
// others are, and need no more.
Result<Seat::Seen> EtcdMembers::read(const components::etcd::RangeReply& found) const {
  // The store's revision when the newest of the keys came to be.
  std::int64_t newest = 0;
  bool exact = true;
  for (const auto& item : found.items) newest = std::max(newest, item.create_revision);
  Seat::Seen seen;
  for (const auto& item : found.items) {
    auto member = decode_member(item.value);
    if (!member) return std::unexpected(std::move(member).error().context(item.key));
    if (member->repeats && item.mod_revision < newest) seen.followed = false;
    exact = exact && member->exact;
    seen.roll.members.emplace(item.key, std::move(member->membership));
  }
  const auto mine = seen.roll.members.find(key_);
  if (mine == seen.roll.members.end() || mine->second.uid != own_.uid) {
    return fail(Code::aborted, "the key " + key_ + " is gone or another's");
  }
  seen.exact = exact;
  seen.says = exact ? seen.roll.digest() | kDigest : seen.roll.members.size();
  seen.said = mine->second.says == seen.says && (exact || revision_ >= newest);
  seen.followed = seen.followed || exact;
  return seen;
}

Task<Result<>> EtcdMembers::settle(Seat::Seen seen) {
  switch (seat_.see(seen)) {
    case Seat::Next::nothing: break;
    case Seat::Next::drain: co_return co_await hand_over();
    case Seat::Next::say: co_return co_await say(seen.says);
    case Seat::Next::begin: begin(std::move(seen)); break;
  }
  co_return Result<>();
}

Task<Result<>> EtcdMembers::say(std::uint64_t says) {
  own_.says = says;
  Txn txn;
  txn.compare.push_back({.key = key_, .number = revision_});
  txn.success.emplace_back(Put{.key = key_, .value = encode(own_), .lease = lease_});
  OUT_CO_TRY(const auto written, co_await client_.txn(std::move(txn)));
  if (!written.succeeded) co_return fail(Code::aborted, "the key " + key_ + " was changed");
  revision_ = written.revision;
  // The others may have said it before; if not, the watch tells when they do.
  auto looked = co_await look();
  if (!looked) co_return std::unexpected(std::move(looked).error());
  co_return Result<>();
}

// The lease is renewed meanwhile; what else happens is looked at afterwards.
Task<Result<>> EtcdMembers::hand_over() {
  co_await drain_share(&events_);
  stand_down(Seat::End::in_order, "the replicas are others now");
  auto looked = co_await look();
  if (!looked) co_return std::unexpected(std::move(looked).error());
  co_return Result<>();
}

Task<void> EtcdMembers::leave() {
  scope_.cancel();
  co_await scope_.join();
  expiry_.stop();
  co_await give_back();
}

// With it goes our key, which the others would count, and we would wait for, until it runs out.
Task<void> EtcdMembers::give_back() {
  if (lease_ == 0) co_return;
  auto revoked = co_await with_timeout(client_.revoke(std::exchange(lease_, 0)), kPause);
  if (!revoked && revoked.error().code() != Code::not_found) {
    log.warn("The lease of this replica could not be given back: ", revoked.error());
  }
}

}  // namespace outrigger::control::scheduler
