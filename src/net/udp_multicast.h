#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"

namespace outrigger::net {

/// A multicast group on a port, by IPv4 and IPv6.
struct MulticastGroup {
  std::string ipv4 = "224.0.0.251";  ///< Empty: not by IPv4.
  std::string ipv6 = "ff02::fb";     ///< Empty: not by IPv6.
  std::uint16_t port = 5353;
};

/// Sends to and receives from a multicast group on every interface that can multicast, and on the
/// loopback interface. The port is shared with whoever else shares it (SO_REUSEADDR and
/// SO_REUSEPORT), and what is sent is heard on this machine too. Belongs to the loop that opens it.
class MulticastSocket {
 public:
  /// Where a datagram came from, and how to answer it.
  struct Source {
    bool ipv6 = false;
    unsigned interface = 0;  ///< The index of the interface it came in by.
    std::string address;     ///< "192.0.2.1", without a port.
    std::uint16_t port = 0;
    bool to_group = false;   ///< It was sent to the group, not to this machine alone.
    bool from_here = false;  ///< It was sent by this machine.
  };
  class Events {
   public:
    /// The view lives until the call returns. The owner may close() inside.
    virtual void on_datagram(std::string_view bytes, const Source& source) = 0;

   protected:
    ~Events() = default;
  };

  MulticastSocket();
  ~MulticastSocket();

  /// Binds and joins the group. An error if neither IPv4 nor IPv6 works.
  Result<> open(const MulticastGroup& group, Events& events);
  /// Joins the group on interfaces that have come up since; true if there was one.
  bool refresh();
  /// Sends to the group on every interface, or on the one that `where` came in by. What cannot be
  /// sent is lost, as datagrams may be; an error if nothing could be sent at all.
  Result<> send(std::string_view bytes);
  Result<> send(std::string_view bytes, const Source& where);
  /// Sends to the one that `where` came from.
  Result<> send_back(std::string_view bytes, const Source& where);
  void close() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace outrigger::net
