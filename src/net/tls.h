#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/transport.h"

namespace outrigger::net {

/// What a TLS end needs. PEM texts, not paths; empty means none.
struct TlsOptions {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  /// Client: whom to trust; empty: the system's roots. Server: roots of accepted clients.
  std::string ca_pem;
  /// In order of preference, e.g. {"h2", "http/1.1"}.
  std::vector<std::string> alpn;
  /// Server: refuse clients without a certificate.
  bool require_client_certificate = false;
  /// Client: accept any certificate (upstream does so towards an https app channel).
  bool insecure_skip_verify = false;
  /// Client: how often a server of TLS 1.2 may ask for a new handshake on a connection (some ask
  /// for a certificate so); TLS 1.3 has none.
  enum class Renegotiation : std::uint8_t { never, once, freely };
  Renegotiation renegotiation = Renegotiation::never;
  /// Says who a peer is by its certificate, once its chain has been verified against `ca_pem`; the
  /// error refuses the peer. For identities that are not host names (SPIFFE): with it a client does
  /// not check the server's name, a certificate may be of any purpose, an anchor need not be a
  /// root, and sessions are not resumed, so that each connection is judged by the trust of its day.
  /// Called on any loop.
  std::function<Result<std::string>(std::string_view certificate_der)> identify;
};

/// Keys, trust and settings of TLS 1.2 and 1.3, shared by any number of connections. Thread-safe.
class TlsContext {
 public:
  /// Code::invalid_argument says which text does not parse or which key does not fit.
  static Result<std::shared_ptr<TlsContext>> server(TlsOptions options);
  static Result<std::shared_ptr<TlsContext>> client(TlsOptions options);
  ~TlsContext();

  /// From now on new connections are made with these options; those that are there stay as they
  /// are. After an error everything is as it was. For certificates that are renewed.
  Result<> replace(TlsOptions options);

  /// Wraps a plain transport. The handshake runs once the result is started; on_secured() tells of
  /// its end, on_error() of its failure (with the reason the TLS library gives).
  std::unique_ptr<Transport> accept(std::unique_ptr<Transport> inner);
  /// `server_name` is verified and sent as SNI (not as SNI if it is an IP address).
  std::unique_ptr<Transport> connect(std::unique_ptr<Transport> inner, std::string server_name);
  /// Of this one alone in this process, also when it is gone and its memory used again.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  static Result<std::shared_ptr<TlsContext>> make(TlsOptions options, bool server);
  std::unique_ptr<Impl> impl_;
  const std::uint64_t id_;
};

}  // namespace outrigger::net
