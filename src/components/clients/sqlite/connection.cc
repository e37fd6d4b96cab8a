#include "components/clients/sqlite/connection.h"

#include "base/hex.h"
#include "base/strings.h"

namespace outrigger::components::sqlite {
namespace {

struct Parameters {
  std::vector<std::pair<std::string, std::string>> sqlite;  // For SQLite itself.
  std::vector<std::string> pragmas;
  std::optional<std::string> lock;
  bool read_only = false;
};

/// One name or value of a query string; ill-formed escapes stay as they are.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
                        hex_value(text[i + 2]) >= 0;
    if (escape) {
      out.push_back(static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') ||
                       c == '-' || c == '_' || c == '.' || c == '/';
    if (plain) {
      out.push_back(c);
    } else {
      out.push_back('%');
      append_hex(out, {&c, 1});
    }
  }
  return out;
}

Parameters parse_parameters(std::string_view query) {
  Parameters parameters;
  std::vector<std::string> seen;
  for (const auto part : split(query, '&')) {
    if (part.empty()) continue;
    const auto pair = cut(part, "=");
    std::string name = unescape(pair ? pair->first : part);
    std::string value = pair ? unescape(pair->second) : std::string();
    if (name == "_pragma") {
      parameters.pragmas.push_back(std::move(value));
      continue;
    }
    if (std::ranges::find(seen, name) != seen.end()) continue;  // The first one counts.
    seen.push_back(name);
    if (name == "_txlock") parameters.lock = to_upper(value);
    if (name.starts_with('_')) continue;
    if ((name == "mode" && value == "ro") || (name == "immutable" && value == "1")) {
      parameters.read_only = true;
    }
    // A database in memory is its component's own, so it is never found by others.
    if (name == "cache") continue;
    parameters.sqlite.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

Result<> check_pragmas(const std::vector<std::string>& pragmas) {
  constexpr std::pair<std::string_view, std::string_view> kForbidden[] = {
      {"busy_timeout", "; use the metadata field busyTimeout"},
      {"journal_mode", "; use the metadata field disableWAL"},
      {"foreign_keys", ""}};
  for (const auto& pragma : pragmas) {
    for (const auto& [name, instead] : kForbidden) {
      if (!starts_with_fold(pragma, name)) continue;
      return fail(Code::invalid_argument, "found forbidden option '_pragma=" + std::string(name) +
                                              "' in the connection string" + std::string(instead));
    }
  }
  return {};
}

}  // namespace

Result<OpenPlan> plan_connection(const ConnectionOptions& options, ForeignKeys foreign_keys) {
  const std::string_view text = options.connection_string;
  if (text.empty()) return fail(Code::invalid_argument, "missing connection string");
  if (options.timeout < std::chrono::seconds(1)) {
    return fail(Code::invalid_argument, "invalid value for 'timeout': must be greater than 1s");
  }
  OpenPlan plan;
  plan.in_memory = starts_with_fold(text, ":memory:") || starts_with_fold(text, "file::memory:");
  plan.busy_timeout = std::chrono::duration_cast<std::chrono::milliseconds>(options.busy_timeout);
  const auto mark = text.find('?');
  const bool has_query = mark != std::string_view::npos && mark > 0;
  auto parameters = parse_parameters(has_query ? text.substr(mark + 1) : std::string_view());
  OUT_CHECK(check_pragmas(parameters.pragmas));
  if (parameters.lock) {
    if (*parameters.lock != "DEFERRED" && *parameters.lock != "IMMEDIATE" &&
        *parameters.lock != "EXCLUSIVE") {
      return fail(Code::invalid_argument, "unknown _txlock " + outrigger::quoted(*parameters.lock) +
                                              " in the connection string");
    }
    plan.transaction = *parameters.lock;
  }
  plan.pragmas = std::move(parameters.pragmas);
  if (plan.in_memory) {
    plan.pragmas.emplace_back("journal_mode(MEMORY)");
  } else if (options.disable_wal || parameters.read_only) {
    plan.pragmas.emplace_back("journal_mode(DELETE)");
  } else {
    plan.pragmas.emplace_back("journal_mode(WAL)");
  }
  if (foreign_keys == ForeignKeys::on) plan.pragmas.emplace_back("foreign_keys(1)");

  const std::string_view path = has_query ? text.substr(0, mark) : text;
  plan.uri = starts_with_fold(path, "file:") ? "" : "file:";
  plan.uri += path;
  for (const auto& [name, value] : parameters.sqlite) {
    plan.uri += plan.uri.contains('?') ? '&' : '?';
    plan.uri += escape(name) + "=" + escape(value);
  }
  return plan;
}

bool valid_identifier(std::string_view text) noexcept {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (to_lower(c) >= 'a' && to_lower(c) <= 'z') || c == '_';
  };
  return !text.empty() && std::ranges::all_of(text, allowed);
}

}  // namespace outrigger::components::sqlite
