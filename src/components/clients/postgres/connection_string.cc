#include "components/clients/postgres/connection_string.h"

#include "base/hex.h"
#include "base/strings.h"

namespace outrigger::components::postgres {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";

std::unexpected<Error> bad(std::string why) {
  return fail(Code::invalid_argument, "failed to parse connection string: " + std::move(why));
}

enum class Plus : std::uint8_t { is_plus, is_space };

Result<std::string> unescape(std::string_view text, Plus plus = Plus::is_plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::is_space) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      auto byte = hex_decode(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return bad("invalid URL escape");
      if ((*byte)[0] == '\0') return bad("a NUL byte in the URL");
      out += *byte;
      i += 2;
    }
  }
  return out;
}

void put(Parameters& parameters, std::string name, std::string value) {
  if (name == "database") name = "dbname";
  parameters.insert_or_assign(std::move(name), std::move(value));
}

/// "host", "host:port", "[v6]:port".
Result<> add_host(std::string_view text, std::string& hosts, std::string& ports) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad("missing ']' in the host");
    port = text.substr(end + 1);
    if (!port.empty() && !port.starts_with(':')) return bad("text after ']' of the host");
    text = text.substr(1, end - 1);
    if (!port.empty()) port.remove_prefix(1);
  } else if (const auto parts = cut(text, ":")) {
    text = parts->first;
    port = parts->second;
  }
  if (!port.empty() && !parse_int<std::uint16_t>(port)) return bad("invalid port");
  OUT_TRY(auto host, unescape(text));
  hosts += host;
  ports += port;
  return {};
}

Result<> read_authority(std::string_view authority, Parameters& parameters) {
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const auto parts = cut(login, ":");
    OUT_TRY(auto user, unescape(parts ? parts->first : login));
    if (!user.empty()) put(parameters, "user", std::move(user));
    if (parts) {
      OUT_TRY(auto password, unescape(parts->second));
      put(parameters, "password", std::move(password));
    }
  }
  if (authority.empty()) return {};
  std::string hosts;
  std::string ports;
  for (const auto each : split(authority, ',')) {
    if (!hosts.empty() || !ports.empty()) {
      hosts += ',';
      ports += ',';
    }
    OUT_CHECK(add_host(each, hosts, ports));
  }
  if (hosts.find_first_not_of(',') != std::string::npos) put(parameters, "host", std::move(hosts));
  if (ports.find_first_not_of(',') != std::string::npos) put(parameters, "port", std::move(ports));
  return {};
}

Result<Parameters> parse_url(std::string_view text) {
  text.remove_prefix(text.find("://") + 3);
  text = text.substr(0, text.find('#'));
  Parameters parameters;
  const auto end = text.find_first_of("/?");
  OUT_CHECK(read_authority(text.substr(0, end), parameters));
  text = end == std::string_view::npos ? std::string_view() : text.substr(end);
  const auto query = text.find('?');
  std::string_view path = text.substr(0, query);
  if (path.starts_with('/')) path.remove_prefix(1);
  if (!path.empty()) {
    OUT_TRY(auto database, unescape(path));
    put(parameters, "dbname", std::move(database));
  }
  if (query == std::string_view::npos) return parameters;
  for (const auto pair : split(text.substr(query + 1), '&')) {
    if (pair.empty()) continue;
    const auto parts = cut(pair, "=");
    OUT_TRY(auto name, unescape(parts ? parts->first : pair, Plus::is_space));
    OUT_TRY(auto value, unescape(parts ? parts->second : std::string_view(), Plus::is_space));
    put(parameters, std::move(name), std::move(value));
  }
  return parameters;
}

/// The value at the start of `rest`, which is advanced: in single quotes, or up to white space. A
/// backslash makes the next character plain.
Result<std::string> take_value(std::string_view& rest) {
  std::string value;
  const bool quoted = rest.starts_with('\'');
  if (quoted) rest.remove_prefix(1);
  for (;;) {
    if (rest.empty()) {
      if (quoted) return bad("unterminated quoted string");
      return value;
    }
    if (quoted ? rest.front() == '\'' : kSpace.contains(rest.front())) {
      rest.remove_prefix(1);
      return value;
    }
    if (rest.front() == '\\') {
      rest.remove_prefix(1);
      if (rest.empty()) return bad("a backslash at the end");
    }
    if (rest.front() == '\0') return bad("a NUL byte");
    value.push_back(rest.front());
    rest.remove_prefix(1);
  }
}

void skip_space(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
}

Result<Parameters> parse_words(std::string_view rest) {
  Parameters parameters;
  for (;;) {
    skip_space(rest);
    if (rest.empty()) return parameters;
    const auto end = std::min(rest.find_first_of(" \t\n\v\f\r="), rest.size());
    std::string name(rest.substr(0, end));
    rest.remove_prefix(end);
    skip_space(rest);
    // A word without a value is passed over, as upstream does.
    if (!rest.starts_with('=')) continue;
    if (name.empty()) return bad("a value without a name");
    rest.remove_prefix(1);
    skip_space(rest);
    OUT_TRY(auto value, take_value(rest));
    put(parameters, std::move(name), std::move(value));
  }
}

}  // namespace

Result<Parameters> parse_connection_string(std::string_view text) {
  if (text.contains('\0')) return bad("a NUL byte");
  if (text.starts_with("postgres://") || text.starts_with("postgresql://")) return parse_url(text);
  return parse_words(text);
}

}  // namespace outrigger::components::postgres
