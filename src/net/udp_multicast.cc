#include "net/udp_multicast.h"

#include <cerrno>
#include <system_error>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

namespace outrigger::net {
namespace {

const Logger log("outrigger.net.multicast");

// A datagram of mDNS is no longer than 9000 bytes; longer ones are cut and not handed on.
constexpr std::size_t kDatagramBytesMax = 9000;
// What is read in one turn, so that a flood leaves time for others.
constexpr int kDatagramsPerTurn = 32;
// RFC 6762, section 11: every multicast DNS message has this hop limit.
constexpr int kHopLimit = 255;
// Of Linux 4.20; older headers do not name it.
constexpr int kIpv6MulticastAll = 29;

std::unexpected<Error> system_error(const std::string& doing) {
  return fail(Code::unavailable, doing + ": " + std::system_category().message(errno));
}

Result<> set_option(int fd, int level, int name, int value, const char* what) {
  if (::setsockopt(fd, level, name, &value, sizeof value) != 0) return system_error(what);
  return {};
}

/// The interfaces that are up and can multicast, and the machine's own addresses.
struct Interfaces {
  std::set<unsigned> usable;
  std::set<unsigned> loopback;
  std::set<std::string> addresses;
};

std::string text_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  }
  return text;
}

Interfaces list_interfaces() {
  Interfaces found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    log.warn("cannot list the network interfaces: ", std::system_category().message(errno));
    return found;
  }
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if ((one->ifa_flags & IFF_UP) == 0) continue;
    if (one->ifa_addr != nullptr) {
      auto address = text_of(one->ifa_addr);
      if (!address.empty()) found.addresses.insert(std::move(address));
    }
    if ((one->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) == 0) continue;
    const unsigned index = ::if_nametoindex(one->ifa_name);
    if (index == 0) continue;
    found.usable.insert(index);
    if ((one->ifa_flags & IFF_LOOPBACK) != 0) found.loopback.insert(index);
  }
  ::freeifaddrs(list);
  return found;
}

union Endpoint {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/// One address family's socket.
class Channel final : FdWatch::Handler {
 public:
  Channel(MulticastSocket::Events& events, const Interfaces& interfaces)
      : events_(events), interfaces_(interfaces) {}
  ~Channel() {
    close();
    if (gone_ != nullptr) *gone_ = true;
  }

  Result<> open(int family, const std::string& group, std::uint16_t port) {
    family_ = family;
    std::memset(&group_, 0, sizeof group_);
    if (family == AF_INET) {
      group_.v4.sin_family = AF_INET;
      group_.v4.sin_port = htons(port);
    } else {
      group_.v6.sin6_family = AF_INET6;
      group_.v6.sin6_port = htons(port);
    }
    Endpoint local = group_;
    void* address = family == AF_INET ? static_cast<void*>(&group_.v4.sin_addr)
                                      : static_cast<void*>(&group_.v6.sin6_addr);
    if (::inet_pton(family, group.c_str(), address) != 1) {
      return fail(Code::invalid_argument, "not a multicast address: " + group);
    }
    fd_ = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return system_error("cannot make a UDP socket");
    OUT_CHECK(set_options());
    if (::bind(fd_, &local.any, length()) != 0) {
      return system_error("cannot listen on UDP port " + std::to_string(port));
    }
    if (!join()) return fail(Code::unavailable, "no network interface can join " + group);
    return watch_.open(fd_, *this, true, false);
  }

  /// Joins on interfaces not yet joined; true if there was one.
  bool join() {
    bool added = false;
    std::erase_if(joined_, [this](unsigned index) { return !interfaces_.usable.contains(index); });
    for (const unsigned index : interfaces_.usable) {
      if (joined_.contains(index)) continue;
      group_req request{};
      request.gr_interface = index;
      std::memcpy(&request.gr_group, &group_, length());
      const int level = family_ == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
      const bool ok = ::setsockopt(fd_, level, MCAST_JOIN_GROUP, &request, sizeof request) == 0 ||
                      errno == EADDRINUSE;
      if (ok) added = joined_.insert(index).second || added;
    }
    return added;
  }

  bool send_everywhere(std::string_view bytes) {
    bool sent = false;
    for (const unsigned index : joined_) sent = send(bytes, group_, index) || sent;
    return sent;
  }
  bool send_to_group(std::string_view bytes, unsigned index) { return send(bytes, group_, index); }
  bool send_to(std::string_view bytes, const MulticastSocket::Source& where) {
    Endpoint to;
    std::memset(&to, 0, sizeof to);
    bool valid = false;
    if (family_ == AF_INET) {
      to.v4.sin_family = AF_INET;
      to.v4.sin_port = htons(where.port);
      valid = ::inet_pton(AF_INET, where.address.c_str(), &to.v4.sin_addr) == 1;
    } else {
      to.v6.sin6_family = AF_INET6;
      to.v6.sin6_port = htons(where.port);
      to.v6.sin6_scope_id = where.interface;
      valid = ::inet_pton(AF_INET6, where.address.c_str(), &to.v6.sin6_addr) == 1;
    }
    return valid && send(bytes, to, where.interface);
  }

  void close() noexcept {
    watch_.close();
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  [[nodiscard]] socklen_t length() const {
    return family_ == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  Result<> set_options() {
    OUT_CHECK(set_option(fd_, SOL_SOCKET, SO_REUSEADDR, 1, "cannot share the UDP port"));
    OUT_CHECK(set_option(fd_, SOL_SOCKET, SO_REUSEPORT, 1, "cannot share the UDP port"));
    if (family_ == AF_INET) {
      OUT_CHECK(set_option(fd_, IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO"));
      OUT_CHECK(set_option(fd_, IPPROTO_IP, IP_MULTICAST_TTL, kHopLimit, "IP_MULTICAST_TTL"));
      OUT_CHECK(set_option(fd_, IPPROTO_IP, IP_MULTICAST_LOOP, 1, "IP_MULTICAST_LOOP"));
      hear_own_group_only(IPPROTO_IP, IP_MULTICAST_ALL);
      return {};
    }
    OUT_CHECK(set_option(fd_, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY"));
    OUT_CHECK(set_option(fd_, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"));
    OUT_CHECK(set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kHopLimit, "hop limit"));
    OUT_CHECK(set_option(fd_, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, "IPV6_MULTICAST_LOOP"));
    hear_own_group_only(IPPROTO_IPV6, kIpv6MulticastAll);
    return {};
  }

  /// Else what other programs joined, on other interfaces, would come in as well. Old kernels
  /// cannot do it, and nothing depends on it.
  void hear_own_group_only(int level, int option) const {
    [[maybe_unused]] auto done = set_option(fd_, level, option, 0, "multicast filter");
  }

  bool send(std::string_view bytes, const Endpoint& to, unsigned index) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(&to.any);
    message.msg_namelen = length();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen =
        family_ == AF_INET ? CMSG_SPACE(sizeof(in_pktinfo)) : CMSG_SPACE(sizeof(in6_pktinfo));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (family_ == AF_INET) {
      in_pktinfo info{};
      info.ipi_ifindex = static_cast<int>(index);
      // Left alone, the kernel takes another interface's address or 0.0.0.0.
      if (interfaces_.loopback.contains(index)) info.ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK);
      header->cmsg_level = IPPROTO_IP;
      header->cmsg_type = IP_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(header), &info, sizeof info);
    } else {
      in6_pktinfo info{};
      info.ipi6_ifindex = index;
      header->cmsg_level = IPPROTO_IPV6;
      header->cmsg_type = IPV6_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(header), &info, sizeof info);
    }
    return ::sendmsg(fd_, &message, MSG_NOSIGNAL) >= 0;
  }

  void on_ready(bool readable, bool) override {
    if (!readable) return;
    bool gone = false;
    gone_ = &gone;
    for (int i = 0; i < kDatagramsPerTurn && fd_ >= 0; ++i) {
      const bool more = receive();
      if (gone) return;
      if (!more) break;
    }
    gone_ = nullptr;
  }

  /// Reads one datagram and hands it on; false if there is none.
  bool receive() {
    char buffer[kDatagramBytesMax];
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo)) * 2];
    Endpoint from;
    std::memset(&from, 0, sizeof from);
    iovec part{buffer, sizeof buffer};
    msghdr message{};
    message.msg_name = &from.any;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(fd_, &message, 0);
    // An error of an earlier send may be told here; the next call then works again.
    if (count < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    if ((message.msg_flags & MSG_TRUNC) != 0) return true;
    MulticastSocket::Source source;
    source.ipv6 = family_ == AF_INET6;
    source.address = text_of(&from.any);
    source.port = ntohs(source.ipv6 ? from.v6.sin6_port : from.v4.sin_port);
    read_control(message, source);
    source.from_here = interfaces_.loopback.contains(source.interface) ||
                       interfaces_.addresses.contains(source.address);
    events_.on_datagram({buffer, static_cast<std::size_t>(count)}, source);
    return true;
  }

  void read_control(msghdr& message, MulticastSocket::Source& source) const {
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
        in_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(one), sizeof info);
        source.interface = static_cast<unsigned>(info.ipi_ifindex);
        source.to_group = info.ipi_addr.s_addr == group_.v4.sin_addr.s_addr;
      } else if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
        in6_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(one), sizeof info);
        source.interface = info.ipi6_ifindex;
        source.to_group =
            std::memcmp(&info.ipi6_addr, &group_.v6.sin6_addr, sizeof info.ipi6_addr) == 0;
      }
    }
  }

  MulticastSocket::Events& events_;
  const Interfaces& interfaces_;
  int family_ = AF_INET;
  int fd_ = -1;
  Endpoint group_;
  std::set<unsigned> joined_;
  FdWatch watch_;
  bool* gone_ = nullptr;
};

}  // namespace

struct MulticastSocket::Impl {
  Interfaces interfaces;
  std::unique_ptr<Channel> ipv4;
  std::unique_ptr<Channel> ipv6;

  Channel* channel(const Source& source) { return source.ipv6 ? ipv6.get() : ipv4.get(); }
};

MulticastSocket::MulticastSocket() = default;
MulticastSocket::~MulticastSocket() = default;

Result<> MulticastSocket::open(const MulticastGroup& group, Events& events) {
  impl_ = std::make_unique<Impl>();
  impl_->interfaces = list_interfaces();
  std::optional<Error> failure;
  const auto open_one = [&](int family, const std::string& address) -> std::unique_ptr<Channel> {
    if (address.empty()) return nullptr;
    auto channel = std::make_unique<Channel>(events, impl_->interfaces);
    auto opened = channel->open(family, address, group.port);
    if (opened) return channel;
    log.debug("no multicast by way of ", address, ": ", opened.error());
    if (!failure) failure = std::move(opened).error();
    return nullptr;
  };
  impl_->ipv4 = open_one(AF_INET, group.ipv4);
  impl_->ipv6 = open_one(AF_INET6, group.ipv6);
  if (impl_->ipv4 != nullptr || impl_->ipv6 != nullptr) return {};
  impl_.reset();
  if (failure) return fail(std::move(*failure));
  return fail(Code::invalid_argument, "a multicast group needs an address");
}

bool MulticastSocket::refresh() {
  if (impl_ == nullptr) return false;
  impl_->interfaces = list_interfaces();
  const bool ipv4 = impl_->ipv4 != nullptr && impl_->ipv4->join();
  const bool ipv6 = impl_->ipv6 != nullptr && impl_->ipv6->join();
  return ipv4 || ipv6;
}

Result<> MulticastSocket::send(std::string_view bytes) {
  bool sent = false;
  if (impl_ != nullptr) {
    if (impl_->ipv4 != nullptr) sent = impl_->ipv4->send_everywhere(bytes);
    if (impl_->ipv6 != nullptr) sent = impl_->ipv6->send_everywhere(bytes) || sent;
  }
  if (!sent) return fail(Code::unavailable, "cannot send to the multicast group");
  return {};
}

Result<> MulticastSocket::send(std::string_view bytes, const Source& where) {
  Channel* const channel = impl_ == nullptr ? nullptr : impl_->channel(where);
  const bool sent = channel != nullptr && channel->send_to_group(bytes, where.interface);
  if (!sent) return fail(Code::unavailable, "cannot send to the multicast group");
  return {};
}

Result<> MulticastSocket::send_back(std::string_view bytes, const Source& where) {
  Channel* const channel = impl_ == nullptr ? nullptr : impl_->channel(where);
  const bool sent = channel != nullptr && channel->send_to(bytes, where);
  if (!sent) return fail(Code::unavailable, "cannot send to " + where.address);
  return {};
}

void MulticastSocket::close() noexcept { impl_.reset(); }

}  // namespace outrigger::net
