#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace outrigger::components::postgres {

/// The parameters of a connection string, the last of each name.
using Parameters = std::map<std::string, std::string, std::less<>>;

/// Reads "postgres://user:password@host:5432,other/database?name=value" or "host=... user='...'".
/// Hosts and ports of a URL become the lists `host` and `port`, its path `dbname`; `database` is
/// called `dbname` in either form. Code::invalid_argument never repeats the text, which holds
/// passwords.
[[nodiscard]] Result<Parameters> parse_connection_string(std::string_view text);

}  // namespace outrigger::components::postgres
