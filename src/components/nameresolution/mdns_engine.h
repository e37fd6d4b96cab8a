#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "components/nameresolution/mdns_records.h"
#include "net/udp_multicast.h"

namespace outrigger::components::nameresolution::mdns {

/// Upstream's times, which tests make shorter.
struct EngineOptions {
  net::MulticastGroup group;
  /// How long to wait for the first answer about an app, and when to ask a second time.
  Duration browse = std::chrono::seconds(1);
  Duration browse_again = std::chrono::milliseconds(400);
  /// How often to ask anew about the apps that are known, and how long an address is good.
  Duration refresh = std::chrono::seconds(30);
  Duration address_life = std::chrono::seconds(60);
  /// An app that nobody has asked for so long is forgotten.
  Duration forget = std::chrono::minutes(10);
  /// After the first announcement follows one more.
  Duration announce_again = std::chrono::seconds(1);
  /// Limits: apps that are known or looked for, addresses of one app.
  std::size_t apps_max = 4096;
  std::size_t addresses_max = 256;
};

/// Where an instance of an app is.
struct Address {
  std::string text;
  bool ipv6 = false;
  TimePoint good_until;
};

/// All that is known of an app, as it is passed between loops. Immutable but for the time of use.
struct AppAddresses {
  std::vector<Address> addresses;
  /// When a loop last gave one of them away (steady clock's ticks, a little late).
  std::shared_ptr<std::atomic<Duration::rep>> used;

  /// The next good address in turn, IPv4 before IPv6; nullopt if there is none.
  std::optional<std::string> next(std::size_t& turn, TimePoint now) const;
};

/// One loop's copy of what the engine knows. Belongs to that loop.
class Mirror {
 public:
  std::optional<std::string> next(std::string_view app_id, TimePoint now);
  void set(const std::string& app_id, std::shared_ptr<const AppAddresses> addresses);
  void remove(std::string_view app_id, std::string_view address);

 private:
  struct Entry {
    std::shared_ptr<const AppAddresses> known;
    std::size_t turn = 0;
  };
  std::map<std::string, Entry, std::less<>> apps_;
};

/// The one mDNS socket of a process: announces this sidecar, answers for it, and learns where
/// others are. Belongs to its home loop; a mirror on each loop has what it knows.
class Engine final : net::MulticastSocket::Events {
 public:
  explicit Engine(Loop& home, EngineOptions options = {});
  ~Engine();
  [[nodiscard]] Loop& home() noexcept { return home_; }

  // All below on the home loop.

  /// Begins with the first call; each mirror is then kept up to date on its loop. Without a
  /// service this sidecar finds others and is not found.
  Result<> attach(std::optional<Service> service, Loop& loop, std::shared_ptr<Mirror> mirror);
  /// Says goodbye and ends with the last mirror. Lookups under way end with an error.
  void detach(const Mirror& mirror);
  /// An address of the app: known, or the first that answers. Code::not_found if none does in time.
  Task<Result<std::string>> lookup(std::string app_id);
  /// Forgets an address that does not work, and asks for others.
  void evict(const std::string& app_id, std::string_view address);

 private:
  struct App;
  struct Subscriber {
    Loop* loop;
    std::shared_ptr<Mirror> mirror;
  };
  void on_datagram(std::string_view bytes, const net::MulticastSocket::Source& source) override;
  void reply(const dns::Message& query, const net::MulticastSocket::Source& source);
  void learn(const dns::Message& response, const net::MulticastSocket::Source& source);
  bool update(App& app, const Found& found);
  void send(const dns::Message& message);
  void announce();
  std::shared_ptr<App> app_for(const std::string& app_id);
  void begin_browse(const std::string& app_id, App& app);
  void publish(const std::string& app_id, const App& app);
  void refresh();
  void end();

  Loop& home_;
  const EngineOptions options_;
  net::MulticastSocket socket_;
  std::optional<Service> service_;
  std::map<std::string, std::shared_ptr<App>, std::less<>> apps_;
  std::vector<Subscriber> subscribers_;
  std::unique_ptr<Timer> refresh_timer_;
  std::unique_ptr<Timer> announce_timer_;
  bool open_ = false;
};

}  // namespace outrigger::components::nameresolution::mdns
