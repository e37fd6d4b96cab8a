#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "components/metadata.h"
#include "net/transport.h"

namespace outrigger::components::redis {

/// Which block a component belongs to: they have different defaults and older names of fields.
enum class Block : std::uint8_t { state, pubsub, lock, configuration, binding };

/// The metadata fields that every component on Redis has, with what was made of them.
struct Options {
  // As written.
  std::string host = "localhost:6379";  ///< One, or several with commas between.
  unsigned port = 0;                    ///< For hosts that name none; 0: 6379.
  std::string username;
  std::string password;
  std::string sentinel_username;
  std::string sentinel_password;
  std::string type = "node";  ///< "cluster", anything else is a node.
  int database = 0;
  bool failover = false;
  std::string sentinel_master_name;
  bool enable_tls = false;
  bool insecure_skip_tls_verify = false;
  std::string client_certificate_pem;
  std::string client_key_pem;
  bool use_entra_id = false;
  /// 0: 3; -1: none.
  int max_retries = 0;
  /// 0: 8 ms and 512 ms; less: none.
  std::chrono::nanoseconds min_retry_interval{0};
  std::chrono::nanoseconds max_retry_interval{0};
  /// 0: 5 s.
  std::chrono::nanoseconds dial_timeout{0};
  /// 0: 3 s; less: none.
  std::chrono::nanoseconds read_timeout{0};
  /// 0: as read_timeout; less: none.
  std::chrono::nanoseconds write_timeout{0};
  /// How long a connection may be idle before it is tried with a PING; 0: a minute; less: never.
  std::chrono::nanoseconds idle_check_frequency{0};
  // Commands of a loop share one connection: there is no pool whose size could be chosen. These are
  // read, so that a text that is no number is an error, and have no effect.
  int pool_size = 0;
  int min_idle_connections = 0;
  std::chrono::nanoseconds pool_timeout{0};
  std::chrono::nanoseconds max_connection_age{0};
  std::chrono::nanoseconds idle_timeout{0};
  std::string max_retry_backoff;  ///< An older minimum of the back-off, in nanoseconds.

  // Made of them by parse_options().
  std::vector<net::Address> addresses;
  [[nodiscard]] bool is_cluster() const noexcept { return type == "cluster" && !failover; }
  /// How many times a command is tried again.
  [[nodiscard]] int retries() const noexcept;
  /// How long to wait before try number `attempt` (1 is the first repetition).
  [[nodiscard]] std::chrono::nanoseconds backoff(int attempt) const noexcept;
  /// How long the answer to a command may take; 0: for ever.
  [[nodiscard]] std::chrono::nanoseconds answer_timeout() const noexcept;
};

/// The table of the fields above; a number without a unit is milliseconds.
[[nodiscard]] std::span<const Field<Options>> client_fields() noexcept;

/// Reads and checks them. Code::invalid_argument names the field.
[[nodiscard]] Result<Options> parse_options(const Metadata& metadata, Block block);

/// Booleans and durations are read more strictly than in other components: what Go's ParseBool
/// does not know is an error.
[[nodiscard]] Result<> check_bool(const Metadata& metadata, std::string_view name);

}  // namespace outrigger::components::redis
