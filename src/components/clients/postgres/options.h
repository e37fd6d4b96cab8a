#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "components/clients/postgres/connection_string.h"
#include "components/metadata.h"

namespace outrigger::components::postgres {

/// The metadata fields that every component on PostgreSQL has.
struct ConnectionOptions {
  std::string connection_string;
  // These win over what the connection string says.
  std::string host;
  std::string host_address;
  std::string port;
  std::string database;
  std::string user;
  std::string password;
  std::string ssl_root_cert;
  std::chrono::nanoseconds connection_max_idle_time{0};
  int connections_max = 0;
  bool use_azure_ad = false;
  bool use_aws_iam = false;
  std::string query_exec_mode;
};
inline constexpr Field<ConnectionOptions> kConnectionFields[] = {
    {{.name = "connectionString", .aliases = {"url"}, .sensitive = true},
     &ConnectionOptions::connection_string},
    {{.name = "host"}, &ConnectionOptions::host},
    {{.name = "hostaddr"}, &ConnectionOptions::host_address},
    {{.name = "port"}, &ConnectionOptions::port},
    {{.name = "database"}, &ConnectionOptions::database},
    {{.name = "user"}, &ConnectionOptions::user},
    {{.name = "password", .sensitive = true}, &ConnectionOptions::password},
    {{.name = "sslRootCert"}, &ConnectionOptions::ssl_root_cert},
    {{.name = "connectionMaxIdleTime"}, &ConnectionOptions::connection_max_idle_time},
    {{.name = "maxConns"}, &ConnectionOptions::connections_max},
    {{.name = "useAzureAD"}, &ConnectionOptions::use_azure_ad},
    {{.name = "useAWSIAM"}, &ConnectionOptions::use_aws_iam},
    {{.name = "queryExecMode"}, &ConnectionOptions::query_exec_mode},
};

/// One of the servers of a connection string.
struct Host {
  std::string name;     ///< A name, an address, or the folder of a Unix socket.
  std::string address;  ///< A numeric address that saves looking the name up; may be empty.
  std::string port;     ///< May be empty.
  [[nodiscard]] bool is_unix() const noexcept {
    return name.starts_with('/') || name.starts_with('@');
  }
};

/// What a component's options come down to. Shared by its loops.
struct Settings {
  Parameters parameters;    ///< For libpq, without the hosts.
  std::vector<Host> hosts;  ///< Tried in order; empty: libpq's default.
  /// For connecting to one address.
  Duration connect_timeout = std::chrono::seconds(10);
  /// For one call, and for the server to acknowledge what was sent.
  Duration timeout = std::chrono::seconds(20);
  /// How long a connection stays open unused, and how long at all: the reference's defaults.
  Duration idle_max = std::chrono::minutes(30);
  Duration lifetime_max = std::chrono::hours(1);
  /// False where connections pass a pooler that hands them round between transactions.
  bool prepare = true;
  /// Connections of all loops together, but each loop may have one in any case.
  int connections_max = 4;
  mutable std::atomic<int> connections{0};
};

/// Reads and checks the options. Code::invalid_argument names the field, Code::unimplemented a way
/// to sign in that is not supported. Does no I/O but to look for certificates of the system.
[[nodiscard]] Result<std::shared_ptr<const Settings>> make_settings(
    const ConnectionOptions& options, Duration timeout);

}  // namespace outrigger::components::postgres
