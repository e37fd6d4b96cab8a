#include "net/listener.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tcp.h"

namespace outrigger::net {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.net.listener");

constexpr int kBacklog = 1024;
constexpr int kAcceptsPerTurn = 64;
// Out of descriptors: wait for some to be closed rather than spin.
constexpr auto kPauseWhenFull = 50ms;
constexpr auto kTellEvery = 1min;

std::unexpected<Error> refuse(const std::string& name, const char* what) {
  return fail(Code::unavailable,
              "listen " + name + ": " + what + ": " + std::system_category().message(errno));
}

std::string text_of(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
    return std::string(host) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, host, sizeof host);
      return std::string(host) + ":" + std::to_string(ntohs(v6.sin6_port));
    }
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return "@";
}

/// What several listeners may share.
struct ListeningSocket {
  int fd = -1;
  std::string name;
  std::string unlink_path;
  std::uint16_t port = 0;

  ListeningSocket() = default;
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;
  ~ListeningSocket() {
    if (fd >= 0) ::close(fd);
    if (!unlink_path.empty()) ::unlink(unlink_path.c_str());
  }
};

}  // namespace

struct Listener::Impl final : FdWatch::Handler {
  explicit Impl(std::shared_ptr<const ListeningSocket> opened)
      : name(opened->name), port(opened->port), socket(std::move(opened)) {}

  const std::string name;
  const std::uint16_t port;
  /// nullptr: closed.
  std::shared_ptr<const ListeningSocket> socket;
  FdWatch watch;
  std::move_only_function<void(int, Peer)> accepted;
  std::optional<TimePoint> told;
  Timer resume{[this] { watch.want(true, false); }};

  ~Impl() { close(); }
  void close() noexcept {
    resume.stop();
    watch.close();
    socket.reset();
  }
  void pause(int why) {
    watch.want(false, false);
    resume.start(kPauseWhenFull);
    const TimePoint now = Loop::current().now();
    if (told && now - *told < kTellEvery) return;
    told = now;
    log.warn("listen ", name,
             ": connections wait, for none can be accepted: ", std::system_category().message(why));
  }
  void on_ready(bool, bool) override {
    for (int i = 0; i < kAcceptsPerTurn && socket; ++i) {
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const int fd = ::accept4(socket->fd, reinterpret_cast<sockaddr*>(&from), &size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        const int why = errno;
        if (why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM) pause(why);
        return;
      }
      Peer peer;
      peer.address = text_of(from);
      accepted(fd, std::move(peer));
    }
  }
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;
std::uint16_t Listener::port() const noexcept { return impl_->port; }
const std::string& Listener::name() const noexcept { return impl_->name; }
void Listener::close() noexcept { impl_->close(); }

std::unique_ptr<Listener> Listener::again() const {
  OUT_ASSERT(impl_->socket != nullptr);
  return std::unique_ptr<Listener>(new Listener(std::make_unique<Impl>(impl_->socket)));
}

Result<std::unique_ptr<Listener>> Listener::bind(const std::string& host, std::uint16_t port) {
  auto socket = std::make_shared<ListeningSocket>();
  socket->name =
      (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string any = "::";
  const int status = ::getaddrinfo(host.empty() ? any.c_str() : host.c_str(),
                                   std::to_string(port).c_str(), &hints, &found);
  if (status != 0) {
    return fail(Code::invalid_argument, "listen " + socket->name + ": " + gai_strerror(status));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> guard(found, ::freeaddrinfo);
  socket->fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket->fd < 0) {
    // A machine without IPv6.
    if (host.empty()) return bind("0.0.0.0", port);
    return refuse(socket->name, "socket");
  }
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  set_tcp_options(socket->fd);  // Accepted sockets inherit them.
  if (host.empty()) ::setsockopt(socket->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket->fd, found->ai_addr, found->ai_addrlen) != 0) {
    if (host.empty() && errno == EADDRNOTAVAIL) return bind("0.0.0.0", port);
    return refuse(socket->name, "bind");
  }
  if (::listen(socket->fd, kBacklog) != 0) return refuse(socket->name, "listen");
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(socket->fd, reinterpret_cast<sockaddr*>(&bound), &size);
  socket->port =
      ntohs(bound.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(bound).sin_port
                                       : reinterpret_cast<sockaddr_in6&>(bound).sin6_port);
  return std::unique_ptr<Listener>(new Listener(std::make_unique<Impl>(std::move(socket))));
}

Result<std::unique_ptr<Listener>> Listener::bind_unix(const std::string& path) {
  auto socket = std::make_shared<ListeningSocket>();
  socket->name = path;
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Code::invalid_argument, "listen " + path + ": a Unix socket path has 1 to " +
                                            std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  socket->fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket->fd < 0) return refuse(path, "socket");
  const auto* raw = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(socket->fd, raw, sizeof address) != 0) {
    if (errno != EADDRINUSE) return refuse(path, "bind");
    // Nobody listens behind it: left over by a dead process. Somebody does: in use.
    const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) return refuse(path, "bind");
    const bool dead = ::connect(probe, raw, sizeof address) != 0 && errno == ECONNREFUSED;
    ::close(probe);
    errno = EADDRINUSE;
    if (!dead) return refuse(path, "bind");
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path.c_str());
    if (::bind(socket->fd, raw, sizeof address) != 0) return refuse(path, "bind");
  }
  socket->unlink_path = path;
  if (::listen(socket->fd, kBacklog) != 0) return refuse(path, "listen");
  return std::unique_ptr<Listener>(new Listener(std::make_unique<Impl>(std::move(socket))));
}

void Listener::start(std::move_only_function<void(int, Peer)> accepted) {
  impl_->accepted = std::move(accepted);
  auto opened = impl_->watch.open(impl_->socket->fd, *impl_, true, false);
  OUT_ASSERT(opened.has_value());
}

}  // namespace outrigger::net
