#include "components/clients/redis/options.h"

#include "base/random.h"
#include "base/strings.h"

namespace outrigger::components::redis {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::uint16_t kDefaultPort = 6379;
constexpr auto kMs = BareNumber::milliseconds;

constexpr Field<Options> kFields[] = {
    {{.name = "redisHost"}, &Options::host},
    {{.name = "redisPort"}, &Options::port},
    {{.name = "redisUsername"}, &Options::username},
    {{.name = "redisPassword", .sensitive = true}, &Options::password},
    {{.name = "sentinelUsername"}, &Options::sentinel_username},
    {{.name = "sentinelPassword", .sensitive = true}, &Options::sentinel_password},
    {{.name = "redisType"}, &Options::type},
    {{.name = "redisDB"}, &Options::database},
    {{.name = "failover"}, &Options::failover},
    {{.name = "sentinelMasterName"}, &Options::sentinel_master_name},
    {{.name = "enableTLS"}, &Options::enable_tls},
    {{.name = "insecureSkipTLSVerify"}, &Options::insecure_skip_tls_verify},
    {{.name = "clientCert"}, &Options::client_certificate_pem},
    {{.name = "clientKey", .sensitive = true}, &Options::client_key_pem},
    {{.name = "useEntraID", .aliases = {"useAzureAD"}}, &Options::use_entra_id},
    {{.name = "redisMaxRetries", .aliases = {"maxRetries"}}, &Options::max_retries},
    {{.name = "redisMinRetryInterval", .bare = kMs}, &Options::min_retry_interval},
    {{.name = "redisMaxRetryInterval", .bare = kMs}, &Options::max_retry_interval},
    {{.name = "maxRetryBackoff"}, &Options::max_retry_backoff},
    {{.name = "dialTimeout", .bare = kMs}, &Options::dial_timeout},
    {{.name = "readTimeout", .bare = kMs}, &Options::read_timeout},
    {{.name = "writeTimeout", .bare = kMs}, &Options::write_timeout},
    {{.name = "poolSize"}, &Options::pool_size},
    {{.name = "poolTimeout", .bare = kMs}, &Options::pool_timeout},
    {{.name = "maxConnAge", .bare = kMs}, &Options::max_connection_age},
    {{.name = "minIdleConns"}, &Options::min_idle_connections},
    {{.name = "idleCheckFrequency", .bare = kMs}, &Options::idle_check_frequency},
    {{.name = "idleTimeout", .bare = kMs}, &Options::idle_timeout},
};

/// "host", "host:port", "[v6]:port", "v6" or the path of a Unix socket.
Result<net::Address> read_address(std::string_view text, unsigned port) {
  if (text.starts_with('/')) return net::Address{std::string(text), 0};
  const bool bare_v6 = !text.starts_with('[') && text.find(':') != text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string_view::npos && !bare_v6 &&
                        (bracket == std::string_view::npos || colon > bracket);
  if (!has_port) {
    const auto number = static_cast<std::uint16_t>(port == 0 ? kDefaultPort : port);
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    return net::Address{std::string(text), number};
  }
  OUT_TRY(auto address, net::parse_address(text));
  if (port != 0 && port != address.port) {
    return fail(Code::invalid_argument,
                "redis host " + quoted(text) + " already contains port " +
                    std::to_string(address.port) + ", but redisPort is set to " +
                    std::to_string(port) +
                    "; either remove the port from redisHost or remove the redisPort setting");
  }
  return address;
}

Result<> finish(Options& options) {
  if (options.host.empty()) options.host = "localhost:6379";
  if (options.port > 65535) {
    return fail(Code::invalid_argument, "metadata field redisPort must be at most 65535");
  }
  for (const auto part : split_list(options.host)) {
    OUT_TRY(auto address, read_address(part, options.port));
    options.addresses.push_back(std::move(address));
  }
  if (options.addresses.empty()) {
    return fail(Code::invalid_argument, "metadata field redisHost names no host");
  }
  if (options.database < 0) {
    return fail(Code::invalid_argument, "metadata field redisDB must be 0 or more");
  }
  if (options.use_entra_id) {
    return fail(Code::unimplemented,
                "metadata field useEntraID: sign-in to Redis with Entra ID is not available; "
                "use redisUsername and redisPassword");
  }
  return {};
}

}  // namespace

std::span<const Field<Options>> client_fields() noexcept { return kFields; }

Result<> check_bool(const Metadata& metadata, std::string_view name) {
  const auto text = metadata.find({name});
  if (!text || parse_bool(*text)) return {};
  return fail(Code::invalid_argument,
              "metadata field " + std::string(name) + ": invalid bool " + quoted(*text));
}

Result<Options> parse_options(const Metadata& metadata, Block block) {
  Options options;
  switch (block) {
    case Block::state:
    case Block::lock:
      options.max_retries = 3;
      options.min_retry_interval = 2s;
      break;
    case Block::configuration:
      options.max_retries = 3;
      options.min_retry_interval = 8ms;
      options.max_retry_interval = 2s;
      break;
    case Block::pubsub:
    case Block::binding: break;
  }
  for (const auto* name :
       {"failover", "enableTLS", "insecureSkipTLSVerify", "useEntraID", "useAzureAD"}) {
    OUT_CHECK(check_bool(metadata, name));
  }
  OUT_CHECK(parse_into(metadata, client_fields(), options));
  const bool has_older_names = block == Block::state || block == Block::lock;
  const auto newer = metadata.find({"redisMinRetryInterval"});
  if (has_older_names && (!newer || newer->empty()) && !options.max_retry_backoff.empty()) {
    const auto number = parse_int<std::int64_t>(options.max_retry_backoff);
    if (!number) {
      return fail(Code::invalid_argument,
                  "metadata field maxRetryBackoff: " + quoted(options.max_retry_backoff) +
                      " is not a whole number");
    }
    options.min_retry_interval = nanoseconds(*number);
  }
  OUT_CHECK(finish(options));
  return options;
}

int Options::retries() const noexcept {
  if (max_retries == 0) return 3;
  return std::max(max_retries, 0);
}

nanoseconds Options::backoff(int attempt) const noexcept {
  const nanoseconds least = min_retry_interval == 0ns ? 8ms : min_retry_interval;
  const nanoseconds most = max_retry_interval == 0ns ? 512ms : max_retry_interval;
  if (least <= 0ns || most <= 0ns) return 0ns;
  nanoseconds wait = least;
  for (int i = 0; i < attempt && wait < most; ++i) wait *= 2;
  if (wait >= most) return most;
  wait += nanoseconds(fast_random_below(static_cast<std::uint64_t>(wait.count())));
  return std::min(wait, most);
}

nanoseconds Options::answer_timeout() const noexcept {
  const nanoseconds read = read_timeout == 0ns ? 3s : read_timeout;
  const nanoseconds write = write_timeout == 0ns ? read : write_timeout;
  if (read < 0ns || write < 0ns) return 0ns;
  return std::max(read, write);
}

}  // namespace outrigger::components::redis
