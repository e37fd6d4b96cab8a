#include "runtime/sidecar/ports.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

namespace outrigger::runtime {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.runtime");

// Upstream's: 100 ms first, at most 500 ms, 10 s in all (facts/wire_notes.md, section 1).
constexpr auto kFirstRetry = 100ms;
constexpr auto kLastRetry = 500ms;
constexpr auto kRetryFor = 10s;

// net.Listen of Go takes brackets round IPv6 addresses; getaddrinfo does not.
std::string unbracketed(const std::string& address) {
  if (address.size() > 1 && address.front() == '[' && address.back() == ']') {
    return address.substr(1, address.size() - 2);
  }
  return address;
}

std::string name_of(const std::string& host, int port) { return host + ":" + std::to_string(port); }

}  // namespace

template <class Open>
Result<std::unique_ptr<net::Listener>> Ports::take(const std::string& name, Open open) {
  const auto kept = std::ranges::find(before_, name, &Kept::name);
  std::unique_ptr<net::Listener> listener;
  if (kept != before_.end()) {
    listener = std::move(kept->listener);
    before_.erase(kept);
  } else {
    OUT_TRY(listener, open());
  }
  now_.push_back({name, listener->again()});
  return listener;
}

Result<std::unique_ptr<net::Listener>> Ports::bind(const std::string& host, int port) {
  return take(name_of(host, port), [&] {
    return net::Listener::bind(unbracketed(host), static_cast<std::uint16_t>(port));
  });
}

Result<std::unique_ptr<net::Listener>> Ports::bind_unix(const std::string& path) {
  // Who has removed the file wants another: nobody finds this one any more.
  if (::access(path.c_str(), F_OK) != 0)
    std::erase_if(before_, [&](const Kept& kept) { return kept.name == path; });
  return take(path, [&] { return net::Listener::bind_unix(path); });
}

void Ports::begin_life() {
  std::ranges::move(before_, std::back_inserter(now_));
  before_ = std::exchange(now_, {});
}

bool Ports::keeps(const std::string& host, int port) const {
  return std::ranges::find(before_, name_of(host, port), &Kept::name) != before_.end();
}

void Ports::let_go() {
  before_.clear();
  now_.clear();
}

Task<Result<Listeners>> bind_port(Ports& ports, std::vector<std::string> addresses, int port,
                                  Patience patience) {
  const Duration limit = patience == Patience::none ? Duration::zero() : Duration(kRetryFor);
  const TimePoint until = Loop::current().now() + limit;
  Duration pause = kFirstRetry;
  for (;;) {
    Listeners bound;
    std::string why;
    for (const std::string& address : addresses) {
      auto listener = ports.bind(address, port);
      if (listener) {
        bound.push_back(*std::move(listener));
      } else {
        why += (why.empty() ? "" : "; ") + listener.error().message();
      }
    }
    if (!bound.empty()) {
      if (!why.empty()) log.warn("port ", port, " is not open on every address asked for: ", why);
      co_return std::move(bound);
    }
    if (Loop::current().now() + pause > until) {
      co_return fail(Code::unavailable, "could not listen on any endpoint: " + why);
    }
    if (pause == kFirstRetry) {
      log.warn("port ", port, " is not free yet, trying again for ", kRetryFor, ": ", why);
    }
    OUT_CO_CHECK(co_await sleep_for(pause));
    pause = std::min<Duration>(pause * 2, kLastRetry);
  }
}

std::string host_address(const std::string& override_address) {
  if (!override_address.empty()) return override_address;
  // No packet is sent: connecting a datagram socket only chooses the route.
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(53);
  inet_pton(AF_INET, "8.8.8.8", &to.sin_addr);
  std::string found = "127.0.0.1";
  if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    sockaddr_in own{};
    socklen_t size = sizeof own;
    char text[INET_ADDRSTRLEN];
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        inet_ntop(AF_INET, &own.sin_addr, text, sizeof text) != nullptr) {
      found = text;
    }
  }
  if (fd >= 0) ::close(fd);
  return found;
}

}  // namespace outrigger::runtime
