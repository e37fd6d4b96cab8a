#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/blocking_pool.h"
#include "net/tcp.h"
#include "net/transport.h"

namespace outrigger::net {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

bool numeric(const std::string& host, std::uint16_t port, SocketAddress& out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    out.size = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    out.size = sizeof *v6;
    return true;
  }
  return false;
}

Result<SocketAddress> unix_address(const std::string& path) {
  SocketAddress out;
  auto* un = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (path.size() >= sizeof un->sun_path) {
    return fail(Code::invalid_argument, "the Unix socket path is longer than " +
                                            std::to_string(sizeof un->sun_path - 1) +
                                            " bytes: " + path);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, path.data(), path.size());
  out.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return out;
}

/// A socket that is being connected; closes it unless released.
struct Connecting final : FdWatch::Handler {
  int fd = -1;
  FdWatch watch;
  Completion<> done;

  ~Connecting() {
    watch.close();
    if (fd >= 0) ::close(fd);
  }
  void on_ready(bool, bool) override {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    watch.close();
    if (error == 0) return done.set({});
    done.set(fail(Code::unavailable, std::system_category().message(error)));
  }
};

Task<Result<int>> connect_one(SocketAddress address) {
  Connecting connecting;
  const int family = address.storage.ss_family;
  connecting.fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connecting.fd < 0) {
    co_return fail(Code::unavailable, std::system_category().message(errno));
  }
  if (family != AF_UNIX) set_tcp_options(connecting.fd);
  const auto* raw = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::connect(connecting.fd, raw, address.size) != 0) {
    if (errno != EINPROGRESS) {
      co_return fail(Code::unavailable, std::system_category().message(errno));
    }
    OUT_CO_CHECK(connecting.watch.open(connecting.fd, connecting, false, true));
    auto connected = co_await connecting.done.wait();
    if (!connected) co_return std::unexpected(std::move(connected).error());
  }
  co_return std::exchange(connecting.fd, -1);
}

Result<std::vector<std::string>> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status != 0) {
    return fail(Code::unavailable, "lookup " + host + ": " + gai_strerror(status));
  }
  std::vector<std::string> addresses;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text);
    }
  }
  ::freeaddrinfo(found);
  // IPv4 first: what listens on "localhost" listens there more often than on ::1.
  std::ranges::sort(addresses, {}, [](const std::string& a) { return a.find(':') != a.npos; });
  return addresses;
}

}  // namespace

std::string Address::to_string() const {
  if (is_unix()) return "unix:" + host;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    std::string_view path = text.substr(5);
    if (path.starts_with("//")) path.remove_prefix(2);
    if (path.empty()) return fail(Code::invalid_argument, "the Unix socket address has no path");
    return Address{std::string(path), 0};
  }
  const std::size_t colon = text.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) port = 0;
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (port == 0 || host.empty()) {
    return fail(Code::invalid_argument, "address is not host:port: " + std::string(text));
  }
  return Address{std::string(host), port};
}

Task<Result<std::vector<std::string>>> resolve(std::string host) {
  SocketAddress ignored;
  if (numeric(host, 0, ignored)) co_return std::vector<std::string>{host};
  if (host == "localhost") co_return std::vector<std::string>{"127.0.0.1", "::1"};
  std::move_only_function<Result<std::vector<std::string>>()> work = [host] {
    return look_up(host);
  };
  auto found = co_await BlockingPool::lookups().run<std::vector<std::string>>(std::move(work));
  co_return found;
}

Task<Result<std::unique_ptr<Transport>>> connect(Address address) {
  std::vector<SocketAddress> candidates;
  if (address.is_unix()) {
    OUT_CO_TRY(auto path, unix_address(address.host));
    candidates.push_back(path);
  } else {
    OUT_CO_TRY(auto hosts, co_await resolve(address.host));
    for (const std::string& host : hosts) {
      SocketAddress one;
      if (numeric(host, address.port, one)) candidates.push_back(one);
    }
  }
  std::string why = "the name has no address";
  for (const SocketAddress& candidate : candidates) {
    auto fd = co_await connect_one(candidate);
    if (fd) {
      Peer peer;
      peer.address = address.to_string();
      co_return make_socket_transport(*fd, std::move(peer));
    }
    if (fd.error().code() != Code::unavailable) co_return std::unexpected(std::move(fd).error());
    why = fd.error().message();
  }
  co_return fail(Code::unavailable, "dial " + address.to_string() + ": connect: " + why);
}

}  // namespace outrigger::net
