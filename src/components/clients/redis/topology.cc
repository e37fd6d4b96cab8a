#include "components/clients/redis/topology.h"

#include <algorithm>

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;

Duration idle_check(const Options& options) {
  if (options.idle_check_frequency < 0ns) return Duration::zero();
  return options.idle_check_frequency > 0ns ? options.idle_check_frequency : 1min;
}

class Standalone final : public Topology, Locator {
 public:
  Standalone(std::shared_ptr<const Settings> settings, Scope& scope)
      : settings_(settings), lanes_(std::move(settings), *this, scope) {}

  Task<Result<>> start() override { co_return Result<>(); }
  std::shared_ptr<Link> find(std::optional<std::uint16_t>, const Lane& lane) override {
    return lanes_.get(lane);
  }
  Task<Result<>> refresh() override { co_return Result<>(); }
  // A server of a cluster although none is configured: what it says cannot be followed.
  std::shared_ptr<Link> at(const net::Address&, const Lane&) override { return nullptr; }
  void moved(std::uint16_t, const net::Address&) override {}
  void suspect(const Link& link) override {
    if (link.open() == nullptr) failed(link.address());
  }
  std::vector<std::optional<std::uint16_t>> owners() override { return {std::nullopt}; }
  void drop(const Lane& lane, const Error& why) override { lanes_.drop(lane, why); }
  std::string describe() const override { return settings_->options.host; }

 private:
  Task<Result<net::Address>> locate() override { co_return addresses()[next_]; }
  void failed(const net::Address& address) override {
    if (address == addresses()[next_]) next_ = (next_ + 1) % addresses().size();
  }
  const std::vector<net::Address>& addresses() const { return settings_->options.addresses; }

  std::shared_ptr<const Settings> settings_;
  std::size_t next_ = 0;
  Lanes lanes_;
};

}  // namespace

std::shared_ptr<Link> Lanes::get(const Lane& lane) {
  if (links_.size() <= lane.index) links_.resize(lane.index + 1);
  auto& link = links_[lane.index];
  if (link == nullptr) {
    const Connection::Limits limits{.answer = lane.answer_timeout,
                                    .idle_check = idle_check(settings_->options)};
    link = std::make_shared<Link>(settings_, locator_, scope_, limits);
  }
  return link;
}

void Lanes::drop(const Lane& lane, const Error& why) {
  if (lane.index < links_.size() && links_[lane.index] != nullptr) links_[lane.index]->drop(why);
}

void Lanes::drop_all(const Error& why) {
  for (const auto& link : links_) {
    if (link != nullptr) link->drop(why);
  }
}

bool Lanes::idle() const noexcept {
  return std::ranges::all_of(
      links_, [](const auto& link) { return link == nullptr || link.use_count() == 1; });
}

std::unique_ptr<Topology> make_standalone(std::shared_ptr<const Settings> settings, Scope& scope) {
  return std::make_unique<Standalone>(std::move(settings), scope);
}

}  // namespace outrigger::components::redis
