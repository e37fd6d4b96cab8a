#include "runtime/placement/service.h"

#include <unordered_map>
#include <unordered_set>

#include "base/log.h"
#include "base/scope.h"
#include "runtime/placement/ring.h"

namespace outrigger::runtime::placement {
namespace {

const Logger log("dapr.runtime.actors.placement");

// How often a loop is seen turning, where it has nothing else to do. A machine that is merely slow
// for kStandstill less a beat is not taken for one that stood still.
constexpr Duration kBeat = std::chrono::milliseconds(250);

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>()(text);
  }
};

Error no_address(std::string_view type, std::string_view id) {
  std::string message = "did not find address for actor '";
  message.append(type).append("||").append(id) += '\'';
  return Error(Code::failed_precondition, "ERR_ACTOR_NO_ADDRESS", std::move(message))
      .with_http_status(404);
}

/// The claims on the actors of one type.
struct TypeClaims {
  std::string type;
  ClaimRecord* first = nullptr;
};

}  // namespace

struct Service::Impl {
  std::shared_ptr<const Tables> tables;
  std::shared_ptr<const Drain> drain = std::make_shared<const Drain>();
  Listener* listener = nullptr;
  bool ready = false;
  std::unordered_set<std::string, TextHash, std::equal_to<>> blocked;
  std::unordered_map<std::string, TypeClaims, TextHash, std::equal_to<>> claimed;
  std::size_t count = 0;
  Duration standstill;
  std::function<void()> on_standstill;
  TimePoint turned;          // When this loop was last seen turning.
  bool stood_still = false;  // Since then the tables are not to be trusted.
  Timer beat{[this] { on_beat(); }};
  Signal opened;    // Claims that wait may go on.
  Signal released;  // A claim has gone.

  explicit Impl(Duration limit) : standstill(limit) {}
  /// What waited in sockets may come to a claim before the beat that is late.
  void look_at_clock() {
    const TimePoint before = std::exchange(turned, Loop::current().now());
    if (stood_still || !tables || !on_standstill || turned - before <= standstill) return;
    stood_still = true;
    on_standstill();
  }
  void on_beat() {
    look_at_clock();
    beat.start(kBeat);
  }
  [[nodiscard]] bool must_wait(std::string_view type) const {
    return !tables || stood_still || blocked.contains(type);
  }
  TypeClaims& claims_on(std::string_view type) {
    const auto found = claimed.find(type);
    if (found != claimed.end()) return found->second;
    std::string name(type);
    return claimed.emplace(name, TypeClaims{.type = name}).first->second;
  }
  [[nodiscard]] bool is_free(std::string_view type) const {
    const auto found = claimed.find(type);
    return found == claimed.end() || found->second.first == nullptr;
  }
  std::unique_ptr<ClaimRecord> add_claim(std::string_view type, Cancellation* caller);
  void forget_unused();
  void revoke(std::string_view type);
  Task<Result<>> until_free(std::string type);
  Task<void> drain_type(std::string type);
  Task<void> drain_types(std::vector<std::string> types);
};

/// One claim, in the list of its type as long as its service lives and it was not revoked.
struct ClaimRecord {
  explicit ClaimRecord(Cancellation* caller) : cancellation(caller) {}
  ClaimRecord(const ClaimRecord&) = delete;
  ClaimRecord& operator=(const ClaimRecord&) = delete;
  ~ClaimRecord() { leave(); }

  void enter(Service::Impl& service, TypeClaims& claims) noexcept {
    owner = &service;
    list = &claims;
    next = claims.first;
    if (next != nullptr) next->previous = this;
    claims.first = this;
    ++service.count;
  }
  void leave() noexcept {
    if (list == nullptr) return;
    (previous != nullptr ? previous->next : list->first) = next;
    if (next != nullptr) next->previous = previous;
    --owner->count;
    const bool last = list->first == nullptr;
    previous = next = nullptr;
    list = nullptr;
    if (last) owner->released.notify_all();
  }

  Cancellation cancellation;
  std::shared_ptr<const Tables> tables;  // Keeps the location.
  const Location* location = nullptr;
  bool revoked = false;
  Service::Impl* owner = nullptr;
  TypeClaims* list = nullptr;
  ClaimRecord* previous = nullptr;
  ClaimRecord* next = nullptr;
};

Claim::Claim(std::unique_ptr<ClaimRecord> record) noexcept : record_(std::move(record)) {}
Claim::Claim(Claim&&) noexcept = default;
Claim& Claim::operator=(Claim&&) noexcept = default;
Claim::~Claim() = default;

const Location& Claim::location() const noexcept {
  static const Location nowhere;
  return record_->location != nullptr ? *record_->location : nowhere;
}
Cancellation& Claim::cancellation() noexcept { return record_->cancellation; }
bool Claim::revoked() const noexcept { return record_->revoked; }

std::unique_ptr<ClaimRecord> Service::Impl::add_claim(std::string_view type, Cancellation* caller) {
  auto record = std::make_unique<ClaimRecord>(caller);
  record->enter(*this, claims_on(type));
  return record;
}

// Types that nobody hosts can have been claimed, by any name.
void Service::Impl::forget_unused() {
  std::erase_if(claimed, [this](const auto& item) {
    return item.second.first == nullptr && (!tables || !tables->rings.contains(item.first));
  });
}

void Service::Impl::revoke(std::string_view type) {
  const auto found = claimed.find(type);
  if (found == claimed.end()) return;
  // What a cancellation wakes runs later, but it may release other claims right away.
  while (ClaimRecord* record = found->second.first) {
    record->revoked = true;
    record->leave();
    record->cancellation.request();
  }
}

Task<Result<>> Service::Impl::until_free(std::string type) {
  while (!is_free(type)) {
    auto woken = co_await released.wait();
    if (!woken) co_return woken;
  }
  co_return Result<>();
}

Task<void> Service::Impl::drain_type(std::string type) {
  const std::shared_ptr<const Drain> how = drain;
  if (how->wait && !is_free(type)) {
    const auto own = how->timeout_by_type.find(type);
    const Duration limit = own == how->timeout_by_type.end() ? how->timeout : own->second;
    auto ended = co_await with_timeout(until_free(type), limit);
    if (!ended) {
      log.error("Timed out waiting for actor type '", type,
                "' in-flight lock claims to be released for rebalanced types, force cancelling "
                "remaining claims");
    }
  }
  revoke(type);
}

Task<void> Service::Impl::drain_types(std::vector<std::string> types) {
  std::vector<Task<void>> drains;
  for (std::string& type : types) {
    if (!is_free(type)) drains.push_back(drain_type(std::move(type)));
  }
  co_await run_all(std::move(drains));
}

Service::Service(Duration standstill) : impl_(std::make_unique<Impl>(standstill)) {}

Service::~Service() {
  OUT_ASSERT(!impl_->opened.has_waiters());
  for (auto& [type, claims] : impl_->claimed) impl_->revoke(type);
}

void Service::set_listener(Listener* listener) noexcept { impl_->listener = listener; }

std::optional<Result<Claim>> Service::claim_now(std::string_view type, std::string_view id,
                                                Cancellation* caller) {
  if (caller != nullptr && caller->requested()) return fail(caller->error());
  impl_->look_at_clock();
  if (impl_->must_wait(type)) return std::nullopt;
  const Location* location = impl_->tables->find(type, id);
  if (location == nullptr) return fail(no_address(type, id));
  auto record = impl_->add_claim(type, caller);
  record->tables = impl_->tables;
  record->location = location;
  return Claim(std::move(record));
}

Task<Result<Claim>> Service::claim(std::string type, std::string id) {
  Cancellation* const caller = co_await this_cancellation();
  for (;;) {
    auto claimed = claim_now(type, id, caller);
    if (claimed) co_return std::move(*claimed);
    auto woken = co_await impl_->opened.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
  }
}

Task<Result<Claim>> Service::claim_type(std::string type) {
  Cancellation* const caller = co_await this_cancellation();
  impl_->look_at_clock();
  while (impl_->must_wait(type)) {
    auto woken = co_await impl_->opened.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
  }
  if (impl_->claimed.size() > 2 * impl_->tables->rings.size() + 64) impl_->forget_unused();
  co_return Claim(impl_->add_claim(type, caller));
}

bool Service::hosts(std::string_view type, std::string_view id) const {
  if (!impl_->tables) return false;
  const Location* location = impl_->tables->find(type, id);
  return location != nullptr && location->local;
}

bool Service::ready() const noexcept { return impl_->ready; }
std::size_t Service::claims() const noexcept { return impl_->count; }

Task<void> Service::update(std::shared_ptr<const Tables> tables, std::vector<std::string> changed) {
  // A count of its own, so that the loops' claims do not contend for one.
  auto holder = std::make_shared<std::shared_ptr<const Tables>>(std::move(tables));
  const Tables* const inside = holder->get();
  if (!impl_->tables && impl_->on_standstill) {
    impl_->turned = Loop::current().now();
    impl_->beat.start(kBeat);
  }
  impl_->tables = std::shared_ptr<const Tables>(std::move(holder), inside);
  impl_->blocked.insert(changed.begin(), changed.end());
  impl_->forget_unused();
  impl_->opened.notify_all();  // Types that did not change, after a time without tables.
  if (changed.empty()) co_return;
  co_await impl_->drain_types(changed);
  if (impl_->listener != nullptr) co_await impl_->listener->halt_moved(std::move(changed));
}

void Service::unlock(const std::vector<std::string>& types) {
  for (const std::string& type : types) impl_->blocked.erase(type);
  impl_->ready = true;
  impl_->opened.notify_all();
}

Task<void> Service::lose() {
  impl_->ready = false;
  impl_->stood_still = false;
  impl_->beat.stop();
  impl_->tables.reset();
  impl_->blocked.clear();
  std::vector<std::string> types;
  for (const auto& [type, claims] : impl_->claimed) types.push_back(type);
  co_await impl_->drain_types(std::move(types));
  if (impl_->listener != nullptr) co_await impl_->listener->halt_all();
}

void Service::set_on_standstill(std::function<void()> callback) {
  impl_->on_standstill = std::move(callback);
}

void Service::set_drain(std::shared_ptr<const Drain> drain) { impl_->drain = std::move(drain); }

}  // namespace outrigger::runtime::placement
