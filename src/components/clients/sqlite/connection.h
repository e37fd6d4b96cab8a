#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "components/clients/sqlite/database.h"
#include "components/metadata.h"

namespace outrigger::components::sqlite {

/// The metadata fields that all SQLite components have. Derive a component's options from it.
struct ConnectionOptions {
  std::string connection_string;
  std::chrono::nanoseconds timeout = std::chrono::seconds(20);
  std::chrono::nanoseconds busy_timeout = std::chrono::seconds(2);
  bool disable_wal = false;
};
inline constexpr Field<ConnectionOptions> kConnectionFields[] = {
    {{.name = "connectionString", .aliases = {"url"}, .required = true},
     &ConnectionOptions::connection_string},
    {{.name = "timeout", .aliases = {"timeoutInSeconds"}}, &ConnectionOptions::timeout},
    {{.name = "busyTimeout"}, &ConnectionOptions::busy_timeout},
    {{.name = "disableWAL"}, &ConnectionOptions::disable_wal},
};

enum class ForeignKeys : bool { off, on };

/// What the options mean: a path, "file:" URI or ":memory:", with SQLite's own URI parameters and
/// `_pragma` and `_txlock`. Code::invalid_argument if the timeout is below a second, or if a pragma
/// is given that has a metadata field of its own. A database in memory belongs to its component
/// alone.
Result<OpenPlan> plan_connection(const ConnectionOptions& options, ForeignKeys foreign_keys);

/// Whether the text may stand in SQL as the name of a table: ASCII letters, digits and _ only.
[[nodiscard]] bool valid_identifier(std::string_view text) noexcept;

}  // namespace outrigger::components::sqlite
