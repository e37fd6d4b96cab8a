#include "components/clients/postgres/options.h"

#include <filesystem>

#include <libpq-fe.h>

#include "base/duration.h"
#include "base/env.h"
#include "base/strings.h"
#include "components/clients/postgres/libpq.h"

namespace outrigger::components::postgres {
namespace {

using namespace std::chrono_literals;

/// What pgx, the reference's driver, takes from a connection string and the server must not see.
constexpr std::string_view kOthersWords[] = {
    "pool_min_conns",           "pool_max_conn_lifetime_jitter",
    "pool_health_check_period", "pool_min_idle_conns",
    "statement_cache_capacity", "description_cache_capacity",
    "default_query_exec_mode",  "pool_max_conns",
    "pool_max_conn_idle_time",  "pool_max_conn_lifetime",
    "connect_timeout",          "sslnegotiation",
    "min_protocol_version",     "max_protocol_version",
    "statement_cache_mode",
};

std::optional<std::string> take(Parameters& parameters, std::string_view name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::nullopt;
  std::string value = std::move(found->second);
  parameters.erase(found);
  return value;
}

void overlay(const ConnectionOptions& options, Parameters& parameters) {
  const auto put = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) parameters.insert_or_assign(std::string(name), value);
  };
  if (!options.host.empty() || !options.host_address.empty()) {
    // Another host's port says nothing about this one.
    for (const auto* name : {"host", "hostaddr"}) take(parameters, name);
    if (options.connection_string.contains("://")) take(parameters, "port");
  }
  put("user", options.user);
  put("host", options.host);
  put("hostaddr", options.host_address);
  put("port", options.port);
  put("dbname", options.database);
  put("password", options.password);
  put("sslrootcert", options.ssl_root_cert);
}

Result<> read_exec_mode(std::string_view mode, Settings& settings) {
  constexpr std::string_view kUnprepared[] = {"cache_describe", "describe_exec", "exec",
                                              "simple_protocol"};
  if (mode == "cache_statement") {
    settings.prepare = true;
  } else if (std::ranges::find(kUnprepared, mode) != std::end(kUnprepared)) {
    settings.prepare = false;
  } else if (!mode.empty()) {
    return fail(Code::invalid_argument,
                "invalid queryExecMode metadata value: " + std::string(mode));
  }
  return {};
}

Result<> read_duration(Parameters& parameters, std::string_view name, Duration& out) {
  const auto text = take(parameters, name);
  if (!text) return {};
  const auto duration = parse_duration(*text);
  if (!duration) return fail(Code::invalid_argument, "invalid " + std::string(name));
  if (*duration > 0ns) out = *duration;
  return {};
}

/// The words of pgx and its pool, and connect_timeout, which libpq minds only when it blocks.
Result<> read_pool_words(Parameters& parameters, Settings& settings) {
  if (const auto text = take(parameters, "pool_max_conns")) {
    const auto count = parse_int<int>(*text);
    if (!count || *count < 1) return fail(Code::invalid_argument, "invalid pool_max_conns");
    settings.connections_max = *count;
  }
  OUT_CHECK(read_duration(parameters, "pool_max_conn_idle_time", settings.idle_max));
  OUT_CHECK(read_duration(parameters, "pool_max_conn_lifetime", settings.lifetime_max));
  if (const auto text = take(parameters, "connect_timeout")) {
    const auto seconds = parse_int<int>(*text);
    if (!seconds || *seconds < 0) return fail(Code::invalid_argument, "invalid connect_timeout");
    if (*seconds > 0) settings.connect_timeout = std::chrono::seconds(*seconds);
  }
  if (const auto mode = take(parameters, "default_query_exec_mode")) {
    OUT_CHECK(read_exec_mode(*mode, settings));
  }
  if (take(parameters, "statement_cache_capacity") == "0") settings.prepare = false;
  for (const auto word : kOthersWords) take(parameters, word);
  return {};
}

/// What libpq does not know is a setting of the session, as pgx sees it.
Result<> move_session_settings(Parameters& parameters) {
  PQconninfoOption* known = PQconndefaults();
  if (known == nullptr) return fail(Code::resource_exhausted, "libpq is out of memory");
  const auto is_known = [known](std::string_view name) {
    for (const auto* each = known; each->keyword != nullptr; ++each) {
      if (name == each->keyword) return true;
    }
    return false;
  };
  std::string options = take(parameters, "options").value_or(std::string());
  std::string wrong;
  std::erase_if(parameters, [&](const auto& parameter) {
    const auto& [name, value] = parameter;
    if (is_known(name)) return false;
    const auto plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '.';
    };
    if (name.empty() || !std::ranges::all_of(name, plain)) wrong = name;
    options += (options.empty() ? "-c " : " -c ") + name + "=";
    for (const char c : value) {
      if (c == ' ' || c == '\\' || c == '\t' || c == '\n') options.push_back('\\');
      options.push_back(c);
    }
    return true;
  });
  PQconninfoFree(known);
  if (!wrong.empty()) return fail(Code::invalid_argument, "invalid connection parameter name");
  if (!options.empty()) parameters.emplace("options", std::move(options));
  return {};
}

Result<> read_hosts(Parameters& parameters, Settings& settings) {
  // libpq would look the names up itself, and block.
  const auto list = [&](std::string_view name, std::string_view variable) {
    auto text = take(parameters, name);
    if (!text) text = env(variable);
    return text.value_or(std::string());
  };
  const bool service = parameters.contains("service");
  const std::string names = list("host", service ? "" : "PGHOST");
  const std::string addresses = list("hostaddr", service ? "" : "PGHOSTADDR");
  const std::string ports = list("port", service ? "" : "PGPORT");
  const auto each_name = split(names, ',');
  const auto each_address = split(addresses, ',');
  const auto each_port = split(ports, ',');
  const std::size_t count = std::max(each_name.size(), each_address.size());
  if (each_port.size() != 1 && each_port.size() != count) {
    return fail(Code::invalid_argument, "the connection string has not as many ports as hosts");
  }
  if (names.empty() && addresses.empty()) {
    if (!ports.empty()) parameters.emplace("port", ports);
    return {};
  }
  if ((!names.empty() && each_name.size() != count) ||
      (!addresses.empty() && each_address.size() != count)) {
    return fail(Code::invalid_argument, "the connection string has not as many hostaddr as hosts");
  }
  for (std::size_t i = 0; i < count; ++i) {
    Host host;
    if (!names.empty()) host.name = each_name[i];
    if (!addresses.empty()) host.address = each_address[i];
    host.port = each_port[each_port.size() == 1 ? 0 : i];
    settings.hosts.push_back(std::move(host));
  }
  return {};
}

/// pgx checks against the system's authorities if no others are named; libpq must be told them.
void find_root_certificates(Parameters& parameters) {
  const auto mode = parameters.find("sslmode");
  if (mode == parameters.end() || !mode->second.starts_with("verify-")) return;
  if (parameters.contains("sslrootcert") || env("PGSSLROOTCERT")) return;
  std::error_code ignored;
  const std::string own = env_or("HOME", "") + "/.postgresql/root.crt";
  if (std::filesystem::exists(own, ignored)) return;
  const std::string given = env_or("SSL_CERT_FILE", "");
  for (const auto& bundle :
       {given, std::string("/etc/ssl/certs/ca-certificates.crt"),
        std::string("/etc/pki/tls/certs/ca-bundle.crt"), std::string("/etc/ssl/cert.pem")}) {
    if (bundle.empty() || !std::filesystem::exists(bundle, ignored)) continue;
    parameters.emplace("sslrootcert", bundle);
    return;
  }
}

}  // namespace

Result<std::shared_ptr<const Settings>> make_settings(const ConnectionOptions& options,
                                                      Duration timeout) {
  OUT_CHECK(load_libpq());
  for (const auto& [wanted, name] : {std::pair(options.use_azure_ad, "useAzureAD"),
                                     std::pair(options.use_aws_iam, "useAWSIAM")}) {
    if (!wanted) continue;
    return fail(Code::unimplemented, std::string(name) +
                                         " is not supported: give the user and the password of a "
                                         "PostgreSQL role in connectionString");
  }
  auto settings = std::make_shared<Settings>();
  OUT_TRY(auto parameters, parse_connection_string(options.connection_string));
  overlay(options, parameters);
  if (parameters.empty()) {
    return fail(Code::invalid_argument, "failed to build connection string");
  }
  settings->timeout = timeout;
  settings->connections_max = std::max(4, static_cast<int>(available_cpus()));
  OUT_CHECK(read_pool_words(parameters, *settings));
  OUT_CHECK(read_exec_mode(options.query_exec_mode, *settings));
  if (options.connection_max_idle_time > 0ns) settings->idle_max = options.connection_max_idle_time;
  if (options.connections_max > 1) settings->connections_max = options.connections_max;
  OUT_CHECK(move_session_settings(parameters));
  OUT_CHECK(read_hosts(parameters, *settings));
  find_root_certificates(parameters);
  // emplace: what the user says stays. Kerberos would ask its servers and block.
  parameters.emplace("gssencmode", "disable");
  parameters.emplace("client_encoding", "UTF8");
  // A peer that has gone without a word is noticed by the next minute's probe.
  parameters.emplace("keepalives_idle", "60");
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
  parameters.emplace("tcp_user_timeout", std::to_string(std::min<std::int64_t>(millis, 1 << 30)));
  settings->parameters = std::move(parameters);
  return settings;
}

}  // namespace outrigger::components::postgres
