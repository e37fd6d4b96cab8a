#pragma once

#include <memory>
#include <string>

#include "base/scope.h"
#include "components/clients/redis/connection.h"
#include "components/clients/redis/options.h"
#include "net/tls.h"

namespace outrigger::components::redis {

/// What the connections of one client have in common.
struct Settings {
  Options options;
  std::shared_ptr<net::TlsContext> tls;  ///< nullptr: plain.

  /// Code::invalid_argument says what is wrong with the certificate or key.
  static Result<std::shared_ptr<const Settings>> make(Options options);
};

enum class Server : std::uint8_t { redis, sentinel };

/// Connects, signs in and selects the database, within the dial timeout.
Task<Result<std::unique_ptr<Connection>>> dial(std::shared_ptr<const Settings> settings,
                                               net::Address address, Connection::Limits limits,
                                               Server server);

/// Says where to connect to, each time anew.
class Locator {
 public:
  virtual Task<Result<net::Address>> locate() = 0;
  /// Connecting to what locate() gave failed.
  virtual void failed(const net::Address& address) = 0;

 protected:
  ~Locator() = default;
};

/// A connection that is made when it is needed and made again when it has broken. Attempts run one
/// at a time, whoever asks: a task that is cancelled meanwhile does not disturb the others.
class Link : public std::enable_shared_from_this<Link> {
 public:
  /// `locator` and `scope`, in which the attempts run, must outlive it.
  Link(std::shared_ptr<const Settings> settings, Locator& locator, Scope& scope,
       Connection::Limits limits)
      : settings_(std::move(settings)), locator_(locator), scope_(scope), limits_(limits) {}

  /// The connection if there is one that is not broken, else nullptr.
  [[nodiscard]] Connection* open() const noexcept {
    return connection_ != nullptr && connection_->alive() ? connection_.get() : nullptr;
  }
  /// Returns when there is one (open() is set, unless it broke at once), or the reason why not.
  Task<Result<>> connect();
  /// Breaks the connection, so that the next command finds out anew where to connect to.
  void drop(Error why);
  /// Where the connection leads, or led last.
  [[nodiscard]] const net::Address& address() const noexcept { return address_; }

 private:
  Task<void> attempt(std::shared_ptr<Link> keep);
  Task<Result<>> reach();

  std::shared_ptr<const Settings> settings_;
  Locator& locator_;
  Scope& scope_;
  Connection::Limits limits_;
  net::Address address_;
  std::unique_ptr<Connection> connection_;
  bool attempting_ = false;
  Result<> outcome_;  // Of the last attempt.
  Signal attempted_;
};

}  // namespace outrigger::components::redis
