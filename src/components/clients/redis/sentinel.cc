#include <algorithm>

#include "base/log.h"
#include "components/clients/redis/command.h"
#include "components/clients/redis/topology.h"

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;

constexpr Logger log("dapr.contrib.redis");

// Asking a sentinel is quick or the sentinel is gone.
constexpr Duration kAnswer = 3s;
// How long to wait before listening to another sentinel.
constexpr Duration kListenAgain = 1s;
constexpr std::size_t kSentinelsMax = 32;

std::optional<net::Address> address_of(const std::string& host, const std::string& port) {
  auto parsed = net::parse_address("[" + host + "]:" + port);
  if (!parsed) return std::nullopt;
  return *parsed;
}

Task<Result<Reply>> ask(Connection* connection, Command command) {
  Call call;
  connection->submit(call, command.bytes());
  auto reply = co_await call.wait();
  co_return checked(std::move(reply));
}

class Sentinel final : public Topology, Locator {
 public:
  Sentinel(std::shared_ptr<const Settings> settings, Scope& scope)
      : settings_(settings),
        scope_(scope),
        sentinels_(settings->options.addresses),
        lanes_(std::move(settings), *this, scope) {}

  Task<Result<>> start() override {
    scope_.spawn(listen());
    co_return Result<>();
  }
  std::shared_ptr<Link> find(std::optional<std::uint16_t>, const Lane& lane) override {
    return lanes_.get(lane);
  }
  Task<Result<>> refresh() override { co_return Result<>(); }
  std::shared_ptr<Link> at(const net::Address&, const Lane&) override { return nullptr; }
  void moved(std::uint16_t, const net::Address&) override {}
  void suspect(const Link&) override {}  // locate() asks each time.
  std::vector<std::optional<std::uint16_t>> owners() override { return {std::nullopt}; }
  void drop(const Lane& lane, const Error& why) override { lanes_.drop(lane, why); }
  std::string describe() const override {
    return settings_->options.sentinel_master_name + " of sentinels " + settings_->options.host;
  }

 private:
  const std::string& name() const { return settings_->options.sentinel_master_name; }
  void failed(const net::Address&) override {}

  Task<Result<net::Address>> locate() override {
    Error why(Code::unavailable, "redis: no sentinel is known");
    for (std::size_t i = 0; i < sentinels_.size(); ++i) {
      const net::Address sentinel = sentinels_[i];
      auto master = co_await ask_one(sentinel);
      if (master) {
        prefer(sentinel);
        master_ = *master;
        co_return master;
      }
      if (master.error().code() == Code::cancelled) co_return master;
      why = std::move(master).error();
    }
    co_return fail(
        std::move(why).context("redis: all sentinels specified in configuration are "
                               "unreachable"));
  }

  Task<Result<net::Address>> ask_one(net::Address sentinel) {
    const Connection::Limits limits{.answer = kAnswer};
    OUT_CO_TRY(auto connection, co_await dial(settings_, sentinel, limits, Server::sentinel));
    auto question = Command::keyless({"SENTINEL", "get-master-addr-by-name", name()});
    OUT_CO_TRY(auto master, co_await ask(connection.get(), std::move(question)));
    if (!master.is_list() || master.items.size() != 2) {
      co_return fail(Code::unavailable,
                     "sentinel " + sentinel.to_string() + " knows no master " + name());
    }
    const auto address = address_of(master.items[0].text, master.items[1].text);
    if (!address) {
      co_return fail(Code::internal, "sentinel " + sentinel.to_string() + " gave no address");
    }
    auto who_else = Command::keyless({"SENTINEL", "sentinels", name()});
    auto others = co_await ask(connection.get(), std::move(who_else));
    if (others) learn(*others);
    co_return *address;
  }

  // Sentinels come and go; those that were configured stay.
  void learn(const Reply& others) {
    for (const auto& other : others.items) {
      const Reply* host = other.find("ip");
      const Reply* port = other.find("port");
      if (host == nullptr || port == nullptr || sentinels_.size() >= kSentinelsMax) continue;
      const auto address = address_of(host->text, port->text);
      if (address && std::ranges::find(sentinels_, *address) == sentinels_.end()) {
        sentinels_.push_back(*address);
      }
    }
  }

  void prefer(const net::Address& sentinel) {
    const auto found = std::ranges::find(sentinels_, sentinel);
    if (found != sentinels_.end()) std::rotate(sentinels_.begin(), found, found + 1);
  }

  // Until cancelled: hears of a new master even if the old one still answers.
  Task<void> listen() {
    std::size_t next = 0;
    while (!scope_.cancellation().requested()) {
      const net::Address sentinel = sentinels_[next++ % sentinels_.size()];
      auto ended = co_await listen_to(sentinel);
      if (!ended)
        log.debug("redis: listening to sentinel ", sentinel.to_string(), ": ", ended.error());
      auto slept = co_await sleep_for(kListenAgain);
      if (!slept) co_return;
    }
  }

  Task<Result<>> listen_to(net::Address sentinel) {
    const Connection::Limits limits{.answer = kAnswer};
    OUT_CO_TRY(auto connection, co_await dial(settings_, sentinel, limits, Server::sentinel));
    connection->on_push([this](Reply message) { hear(message); });
    connection->expect_messages();
    connection->submit(Command::keyless({"SUBSCRIBE", "+switch-master"}).bytes());
    OUT_CO_CHECK(co_await connection->wait_broken());
    co_return fail(Code::unavailable, "the connection broke");
  }

  // "message", "+switch-master", "<name> <old ip> <old port> <new ip> <new port>"
  void hear(const Reply& message) {
    if (message.items.size() != 3 || message.items[0].text != "message") return;
    std::vector<std::string> words;
    for (std::string_view rest = message.items[2].text; !rest.empty();) {
      const std::size_t space = std::min(rest.find(' '), rest.size());
      words.emplace_back(rest.substr(0, space));
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
    if (words.size() != 5 || words[0] != name()) return;
    const auto master = address_of(words[3], words[4]);
    if (!master || *master == master_) return;
    log.info("redis: the master ", name(), " is now ", master->to_string());
    lanes_.drop_all(Error(Code::unavailable, "redis: the master has changed"));
  }

  std::shared_ptr<const Settings> settings_;
  Scope& scope_;
  std::vector<net::Address> sentinels_;
  net::Address master_;
  Lanes lanes_;
};

}  // namespace

std::unique_ptr<Topology> make_sentinel(std::shared_ptr<const Settings> settings, Scope& scope) {
  return std::make_unique<Sentinel>(std::move(settings), scope);
}

}  // namespace outrigger::components::redis
