#include <libpq-fe.h>

#include "base/scope.h"
#include "base/strings.h"
#include "components/clients/postgres/connection.h"
#include "net/transport.h"

namespace outrigger::components::postgres {
namespace {

using Handle = std::unique_ptr<pg_conn, Finish>;

/// A wait for a socket that libpq owns, and may replace by another one whenever it is called.
class Readiness final : FdWatch::Handler {
 public:
  Result<> open(int fd, PostgresPollingStatusType wanted) {
    return watch_.open(fd, *this, wanted == PGRES_POLLING_READING, wanted != PGRES_POLLING_READING);
  }
  [[nodiscard]] auto wait() noexcept { return done_.wait(); }

 private:
  void on_ready(bool, bool) override {
    watch_.close();
    done_.set({});
  }
  FdWatch watch_;
  Completion<> done_;
};

/// libpq's message on one line, without its hints.
std::string one_line(std::string_view message) {
  std::string line;
  for (const auto part : split(message, '\n')) {
    if (part.empty() || part.starts_with('\t')) continue;
    if (!line.empty()) line += "; ";
    line += part;
  }
  return line;
}

Task<Result<Handle>> dial_one(std::shared_ptr<const Settings> settings, Host host) {
  std::vector<const char*> names;
  std::vector<const char*> values;
  const auto put = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  for (const auto& [name, value] : settings->parameters) put(name.c_str(), value);
  put("host", host.name);
  put("hostaddr", host.address);
  put("port", host.port);
  names.push_back(nullptr);
  values.push_back(nullptr);
  Handle handle(PQconnectStartParams(names.data(), values.data(), 0));
  if (handle == nullptr) co_return fail(Code::resource_exhausted, "libpq is out of memory");
  auto wanted = PGRES_POLLING_WRITING;
  while (PQstatus(handle.get()) != CONNECTION_BAD && wanted != PGRES_POLLING_FAILED) {
    if (wanted == PGRES_POLLING_OK) co_return handle;
    Readiness readiness;
    OUT_CO_CHECK(readiness.open(PQsocket(handle.get()), wanted));
    auto ready = co_await readiness.wait();
    if (!ready) co_return fail(std::move(ready).error());
    wanted = PQconnectPoll(handle.get());
  }
  co_return fail(Code::unavailable, one_line(PQerrorMessage(handle.get())));
}

/// The addresses of all hosts, in order.
Task<Result<std::vector<Host>>> find_addresses(std::shared_ptr<const Settings> settings) {
  std::vector<Host> found;
  std::string why;
  for (const Host& host : settings->hosts) {
    if (host.is_unix() || !host.address.empty() || host.name.empty()) {
      found.push_back(host);
      continue;
    }
    auto addresses = co_await net::resolve(host.name);
    if (!addresses) {
      if (addresses.error().code() != Code::unavailable) co_return fail(addresses.error());
      why += (why.empty() ? "" : "; ") + addresses.error().message();
      continue;
    }
    for (auto& address : *addresses) {
      found.push_back({.name = host.name, .address = std::move(address), .port = host.port});
    }
  }
  if (settings->hosts.empty()) found.emplace_back();
  if (found.empty()) co_return fail(Code::unavailable, "failed to connect to the database: " + why);
  co_return found;
}

}  // namespace

Task<Result<std::unique_ptr<Connection>>> Connection::dial(
    std::shared_ptr<const Settings> settings) {
  OUT_CO_TRY(auto hosts, co_await find_addresses(settings));
  Cancellation* const outer = co_await this_cancellation();
  std::string why;
  for (Host& host : hosts) {
    auto handle = co_await with_timeout(dial_one(settings, host), settings->connect_timeout);
    if (handle) co_return std::make_unique<Connection>(std::move(*handle), settings);
    if (outer != nullptr && outer->requested()) co_return fail(std::move(handle).error());
    if (!why.empty()) why += "; ";
    if (handle.error().code() == Code::deadline_exceeded) {
      why += (host.address.empty() ? host.name : host.address) + ": i/o timeout";
    } else {
      why += handle.error().message();
    }
  }
  co_return fail(Code::unavailable, "failed to connect to the database: " + why);
}

}  // namespace outrigger::components::postgres
