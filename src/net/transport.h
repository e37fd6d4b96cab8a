#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"
#include "net/message.h"

namespace outrigger::net {

/// A connected two-way byte stream (TCP, Unix socket, TLS over either) on one loop. Bytes that
/// arrive are lent to the owner in on_bytes(); bytes to send are given and leave at the latest at
/// the end of the turn. Closing is silent: no callback comes after close().
class Transport {
 public:
  class Events {
   public:
    /// The view lives until the call returns. The owner may close() inside.
    virtual void on_bytes(std::string_view bytes) = 0;
    /// The peer sends no more; sending still works.
    virtual void on_end() = 0;
    /// The connection is broken. The last callback.
    virtual void on_error(const Error& error) = 0;
    /// unsent() has fallen to zero after the kernel did not take all at once, or after it had
    /// reached 64 KiB.
    virtual void on_drained() = 0;
    /// A TLS handshake ended well: peer() is complete. Not called for plain transports.
    virtual void on_secured() {}

   protected:
    ~Events() = default;
  };

  virtual ~Transport() = default;
  /// Begins to read. Called again, it hands the callbacks over to another owner, and reads on if it
  /// was paused.
  virtual void start(Events& events) = 0;
  /// Stops and restarts the callbacks with bytes: back-pressure to the peer.
  virtual void pause_reading(bool paused) = 0;
  /// Tells the peer at once what has come, rather than with the next bytes or after 40 ms: for a
  /// peer that may be holding back the rest of a message until then (Nagle's algorithm, RFC 896).
  virtual void acknowledge() noexcept {}
  /// Whether the peer has ended its side already: while reading is paused, on_end() tells nothing.
  [[nodiscard]] virtual bool peer_ended() const noexcept { return false; }
  virtual void send(std::string bytes) = 0;
  /// Bytes given to send() that the kernel has not taken yet; in on_error(), that it never took.
  [[nodiscard]] virtual std::size_t unsent() const noexcept = 0;
  /// Sends what is left, then ends the sending direction.
  virtual void finish_sending() = 0;
  /// Drops what is left, and the connection.
  virtual void close() noexcept = 0;
  /// close(), but of what is left goes what the kernel takes at once: for a last word to a peer
  /// that is given up.
  virtual void close_behind_last_word() noexcept { close(); }
  /// close(), by which the peer learns of it at once even if it reads nothing: for a message that
  /// breaks off.
  virtual void reset() noexcept { close(); }
  /// The connection is idle: give back what memory it can.
  virtual void release_buffers() noexcept {}
  [[nodiscard]] virtual const Peer& peer() const noexcept = 0;
};

/// Where to connect to.
struct Address {
  std::string host;  ///< Name or IP address; or the path of a Unix socket if `port` is 0.
  std::uint16_t port = 0;
  [[nodiscard]] bool is_unix() const noexcept { return port == 0; }
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Address&) const = default;
};

/// "host:port", "[v6]:port" or "unix:/path".
Result<Address> parse_address(std::string_view text);

/// Takes a connected, non-blocking socket and owns it. `peer` is filled in by the caller.
std::unique_ptr<Transport> make_socket_transport(int fd, Peer peer);

/// Resolves and connects, trying every address of the name in turn. Ends with an error that names
/// the address. Give it a deadline with with_timeout().
Task<Result<std::unique_ptr<Transport>>> connect(Address address);

/// The addresses of a name, numeric ones without a look-up. Blocking look-ups run on the pool.
Task<Result<std::vector<std::string>>> resolve(std::string host);

}  // namespace outrigger::net
