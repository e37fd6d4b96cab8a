#include <algorithm>

#include "base/log.h"
#include "components/clients/redis/command.h"
#include "components/clients/redis/slot_map.h"
#include "components/clients/redis/topology.h"

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;

constexpr Logger log("dapr.contrib.redis");

// Redirections are followed at once; the whole map is fetched again this often at most.
constexpr Duration kRefreshInterval = 500ms;
// A map with more masters than this is not believed (the specification recommends up to 1000).
constexpr std::size_t kNodesMax = 4096;

/// One server of the cluster.
class Node final : Locator {
 public:
  Node(std::shared_ptr<const Settings> settings, net::Address address, Scope& scope)
      : address_(std::move(address)), lanes_(std::move(settings), *this, scope) {}
  [[nodiscard]] const net::Address& address() const noexcept { return address_; }
  Lanes& lanes() noexcept { return lanes_; }

 private:
  Task<Result<net::Address>> locate() override { co_return address_; }
  void failed(const net::Address&) override {}

  net::Address address_;
  Lanes lanes_;
};

class Cluster final : public Topology {
 public:
  Cluster(std::shared_ptr<const Settings> settings, Scope& scope)
      : settings_(std::move(settings)), scope_(scope) {}

  Task<Result<>> start() override {
    auto done = co_await refresh();
    co_return done;
  }

  std::shared_ptr<Link> find(std::optional<std::uint16_t> slot, const Lane& lane) override {
    Node* node = slot ? owner_of(*slot) : any_master();
    return node == nullptr ? nullptr : node->lanes().get(lane);
  }

  Task<Result<>> refresh() override {
    if (!refreshing_) {
      refreshing_ = true;
      scope_.spawn(refresh_now());
    }
    while (refreshing_) {
      auto woken = co_await refreshed_.wait();
      if (!woken) co_return fail(std::move(woken).error());
    }
    co_return outcome_;
  }

  std::shared_ptr<Link> at(const net::Address& address, const Lane& lane) override {
    const auto node = node_at(address);
    return node == nullptr ? nullptr : node->lanes().get(lane);
  }

  void moved(std::uint16_t slot, const net::Address& address) override {
    if (auto node = node_at(address)) moved_[slot] = std::move(node);
    refresh_soon();
  }
  void suspect(const Link&) override { refresh_soon(); }

  std::vector<std::optional<std::uint16_t>> owners() override {
    std::vector<std::optional<std::uint16_t>> slots;
    std::vector<const Node*> seen;
    for (const auto& owned : owned_) {
      if (std::ranges::find(seen, owned.node.get()) != seen.end()) continue;
      seen.push_back(owned.node.get());
      slots.emplace_back(owned.first);
    }
    return slots;
  }

  void drop(const Lane& lane, const Error& why) override {
    for (const auto& node : nodes_) node->lanes().drop(lane, why);
  }
  std::string describe() const override { return settings_->options.host; }

 private:
  struct Owned {
    std::uint16_t first;
    std::uint16_t last;
    std::shared_ptr<Node> node;
  };

  Node* owner_of(std::uint16_t slot) {
    if (!moved_.empty()) {
      const auto found = moved_.find(slot);
      if (found != moved_.end()) return found->second.get();
    }
    const auto after = std::ranges::upper_bound(owned_, slot, {}, &Owned::first);
    if (after == owned_.begin()) return nullptr;
    const Owned& owned = *std::prev(after);
    return slot <= owned.last ? owned.node.get() : nullptr;
  }

  Node* any_master() {
    for (const auto& node : nodes_) {
      if (std::ranges::find(masters_, node->address()) != masters_.end()) return node.get();
    }
    return nullptr;
  }

  std::shared_ptr<Node> node_at(const net::Address& address) {
    for (const auto& node : nodes_) {
      if (node->address() == address) return node;
    }
    if (nodes_.size() >= kNodesMax) forget_old_nodes();
    if (nodes_.size() >= kNodesMax) return nullptr;
    return nodes_.emplace_back(std::make_shared<Node>(settings_, address, scope_));
  }

  void refresh_soon() {
    const TimePoint now = Loop::current().now();
    if (refreshing_ || now < last_refresh_ + kRefreshInterval) return;
    refreshing_ = true;
    scope_.spawn(refresh_now());
  }

  Task<void> refresh_now() {
    last_refresh_ = Loop::current().now();
    outcome_ = co_await ask_anyone();
    if (!outcome_) log.debug("redis: reading the map of the cluster: ", outcome_.error());
    refreshing_ = false;
    refreshed_.notify_all();
  }

  Task<Result<>> ask_anyone() {
    std::vector<net::Address> candidates = masters_;
    candidates.insert(candidates.end(), settings_->options.addresses.begin(),
                      settings_->options.addresses.end());
    Error why(Code::unavailable, "redis: no server of the cluster is known");
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      auto asked = co_await ask(candidates[i]);
      if (asked || asked.error().code() == Code::cancelled) co_return asked;
      why = std::move(asked).error();
    }
    co_return fail(std::move(why));
  }

  Task<Result<>> ask(net::Address address) {
    const Lane lane{.answer_timeout = settings_->options.answer_timeout()};
    const auto node = node_at(address);
    if (node == nullptr) co_return fail(Code::internal, "redis: a cluster too large");
    const auto link = node->lanes().get(lane);
    OUT_CO_CHECK(co_await link->connect());
    Connection* connection = link->open();
    if (connection == nullptr) co_return fail(Code::unavailable, "redis: the connection broke");
    static const Command question = Command::keyless({"CLUSTER", "SLOTS"});
    Call call;
    connection->submit(call, question.bytes());
    auto answer = co_await call.wait();
    OUT_CO_TRY(auto reply, checked(std::move(answer)));
    OUT_CO_TRY(auto ranges, read_slots(reply, address));
    if (ranges.empty()) {
      co_return fail(Code::unavailable, "redis: " + address.to_string() + " knows of no slots");
    }
    co_return adopt(ranges);
  }

  Result<> adopt(const std::vector<SlotRange>& ranges) {
    std::vector<net::Address> masters;
    std::vector<Owned> owned;
    for (const auto& range : ranges) {
      if (std::ranges::find(masters, range.master) == masters.end()) {
        masters.push_back(range.master);
      }
      auto node = node_at(range.master);
      if (node == nullptr) return fail(Code::internal, "redis: a cluster too large");
      owned.push_back({.first = range.first, .last = range.last, .node = std::move(node)});
    }
    std::ranges::sort(owned, {}, &Owned::first);
    owned_ = std::move(owned);
    moved_.clear();
    masters_ = std::move(masters);
    forget_old_nodes();
    return {};
  }

  // Nodes that have no slots are forgotten once nobody uses them; their links belong to them.
  void forget_old_nodes() {
    std::erase_if(nodes_, [this](const std::shared_ptr<Node>& node) {
      return std::ranges::find(masters_, node->address()) == masters_.end() && node->lanes().idle();
    });
  }

  std::shared_ptr<const Settings> settings_;
  Scope& scope_;
  std::vector<std::shared_ptr<Node>> nodes_;
  std::vector<Owned> owned_;                                        // Sorted by slots.
  std::unordered_map<std::uint16_t, std::shared_ptr<Node>> moved_;  // What is newer than owned_.
  std::vector<net::Address> masters_;
  bool refreshing_ = false;
  TimePoint last_refresh_;
  Result<> outcome_;
  Signal refreshed_;
};

}  // namespace

std::unique_ptr<Topology> make_cluster(std::shared_ptr<const Settings> settings, Scope& scope) {
  return std::make_unique<Cluster>(std::move(settings), scope);
}

}  // namespace outrigger::components::redis
