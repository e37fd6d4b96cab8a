#include "components/clients/redis/link.h"

#include "components/clients/redis/command.h"

namespace outrigger::components::redis {
namespace {

using namespace std::chrono_literals;

Duration dial_timeout(const Options& options) {
  return options.dial_timeout > 0ns ? options.dial_timeout : 5s;
}

/// One command on a connection that nobody else uses yet.
Task<Result<>> expect_ok(Connection* connection, Command command) {
  Call call;
  connection->submit(call, command.bytes());
  auto reply = co_await call.wait();
  OUT_CO_CHECK(checked(std::move(reply)));
  co_return Result<>();
}

Command auth(const std::string& username, const std::string& password) {
  if (username.empty()) return Command::keyless({"AUTH", password});
  return Command::keyless({"AUTH", username, password});
}

Task<Result<std::unique_ptr<Connection>>> dial_now(std::shared_ptr<const Settings> settings,
                                                   net::Address address, Connection::Limits limits,
                                                   Server server) {
  OUT_CO_TRY(auto transport, co_await net::connect(address));
  if (settings->tls) {
    std::string name = address.is_unix() ? std::string("localhost") : address.host;
    transport = settings->tls->connect(std::move(transport), std::move(name));
  }
  auto connection = std::make_unique<Connection>(std::move(transport), limits);
  const Options& options = settings->options;
  const bool is_sentinel = server == Server::sentinel;
  const std::string& username = is_sentinel ? options.sentinel_username : options.username;
  const std::string& password = is_sentinel ? options.sentinel_password : options.password;
  if (!password.empty()) {
    auto signed_in = co_await expect_ok(connection.get(), auth(username, password));
    if (!signed_in) co_return fail(std::move(signed_in).error());
  }
  if (!is_sentinel && options.database != 0 && !options.is_cluster()) {
    const std::string number = std::to_string(options.database);
    auto select = Command::keyless({"SELECT", number});
    auto selected = co_await expect_ok(connection.get(), std::move(select));
    if (!selected) co_return fail(std::move(selected).error());
  }
  // A server that is full, still loading or not to be trusted shows here and not on a command.
  auto ping = Command::keyless({"PING"});
  auto answered = co_await expect_ok(connection.get(), std::move(ping));
  if (!answered) co_return fail(std::move(answered).error());
  co_return connection;
}

}  // namespace

Result<std::shared_ptr<const Settings>> Settings::make(Options options) {
  auto settings = std::make_shared<Settings>();
  if (options.enable_tls) {
    net::TlsOptions tls;
    tls.insecure_skip_verify = options.insecure_skip_tls_verify;
    if (!options.client_certificate_pem.empty() && !options.client_key_pem.empty()) {
      tls.certificate_chain_pem = options.client_certificate_pem;
      tls.private_key_pem = options.client_key_pem;
    }
    OUT_TRY(settings->tls, net::TlsContext::client(std::move(tls)));
  }
  settings->options = std::move(options);
  return settings;
}

Task<Result<std::unique_ptr<Connection>>> dial(std::shared_ptr<const Settings> settings,
                                               net::Address address, Connection::Limits limits,
                                               Server server) {
  const Duration limit = dial_timeout(settings->options);
  auto connection = co_await with_timeout(dial_now(settings, address, limits, server), limit);
  if (connection || connection.error().code() != Code::deadline_exceeded) co_return connection;
  co_return fail(Code::unavailable, "dial " + address.to_string() + ": i/o timeout");
}

Task<Result<>> Link::connect() {
  if (open() != nullptr) co_return Result<>();
  if (!attempting_) {
    attempting_ = true;
    scope_.spawn(attempt(shared_from_this()));
  }
  while (attempting_) {
    auto woken = co_await attempted_.wait();
    if (!woken) co_return fail(std::move(woken).error());
  }
  co_return outcome_;
}

Task<void> Link::attempt([[maybe_unused]] std::shared_ptr<Link> keep) {
  auto outcome = co_await reach();
  outcome_ = std::move(outcome);
  attempting_ = false;
  attempted_.notify_all();
}

Task<Result<>> Link::reach() {
  OUT_CO_TRY(auto address, co_await locator_.locate());
  auto connection = co_await dial(settings_, address, limits_, Server::redis);
  if (!connection) {
    locator_.failed(address);
    co_return fail(std::move(connection).error());
  }
  address_ = std::move(address);
  connection_ = std::move(*connection);
  co_return Result<>();
}

void Link::drop(Error why) {
  if (connection_ != nullptr) connection_->close(std::move(why));
}

}  // namespace outrigger::components::redis
