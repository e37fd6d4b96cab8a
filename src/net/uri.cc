#include "net/uri.h"

#include <array>

namespace outrigger::net {
namespace {

// What each kind of escaping leaves as it is.
enum CharClass : std::uint8_t {
  unreserved = 1,
  in_path = 2,
  in_segment = 4,
  in_host = 8,
  hex = 16
};

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> table{};
  const auto mark = [&table](std::string_view characters, int bits) {
    for (const char c : characters) {
      auto& entry = table[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | bits);
    }
  };
  mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~",
       unreserved | in_path | in_segment | in_host);
  mark("$&+=:@", in_path | in_segment);
  mark(",;/", in_path);
  mark("!$&'()*+,;=", in_host);
  mark("0123456789abcdefABCDEF", hex);
  return table;
}();

bool is(char c, CharClass wanted) noexcept {
  return (kClasses[static_cast<unsigned char>(c)] & wanted) != 0;
}

int hex_value(char c) noexcept {
  if (c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

bool is_escape(std::string_view text, std::size_t at) noexcept {
  return at + 2 < text.size() && is(text[at + 1], hex) && is(text[at + 2], hex);
}

Error bad_escape(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, 3)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') shown += '\\';
    if (byte < 0x20 || byte >= 0x7f) {
      constexpr char kDigits[] = "0123456789abcdef";
      shown.append("\\x").append({kDigits[byte >> 4], kDigits[byte & 15]});
    } else {
      shown += c;
    }
  }
  return Error(Code::invalid_argument, "invalid URL escape \"" + shown + "\"")
      .with_http_status(400);
}

enum class Plus : std::uint8_t { literal, space };

Result<std::string> unescape(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') {
      if (!is_escape(text, i)) return std::unexpected(bad_escape(text.substr(i)));
      out += static_cast<char>(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
      i += 2;
    } else {
      out += c == '+' && plus == Plus::space ? ' ' : c;
    }
  }
  return out;
}

std::string escape(std::string_view text, CharClass kept, Plus plus) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is(c, kept)) {
      out += c;
    } else if (c == ' ' && plus == Plus::space) {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

bool is_ip_literal(std::string_view text) noexcept {
  const std::size_t zone = text.find('%');
  const std::string_view address = text.substr(0, zone);
  if (address.find(':') == std::string_view::npos) return false;
  for (const char c : address) {
    if (!is(c, hex) && c != ':' && c != '.') return false;
  }
  if (zone == std::string_view::npos) return true;
  for (const char c : text.substr(zone + 1)) {
    if (!is(c, unreserved)) return false;
  }
  return zone + 1 < text.size();
}

bool is_reg_name(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is(text[i], in_host)) continue;
    if (text[i] != '%' || !is_escape(text, i)) return false;
    i += 2;
  }
  return true;
}

// False if `digits` is not a port; an empty one is none.
bool parse_port(std::string_view digits, std::optional<std::uint16_t>& port) noexcept {
  if (digits.size() > 5) return false;
  unsigned value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  if (value > 65535) return false;
  if (!digits.empty()) port = static_cast<std::uint16_t>(value);
  return true;
}

std::unexpected<Error> bad_url(std::string_view why) {
  return fail(Code::invalid_argument, "invalid URL: " + std::string(why));
}

bool is_scheme(std::string_view text) noexcept {
  if (text.empty() || !((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z')) return false;
  for (const char c : text) {
    if (!is(c, unreserved) && c != '+') return false;
    if (c == '_' || c == '~') return false;
  }
  return true;
}

// Removes the last element of the clean path in `out`, but nothing before `floor`.
void drop_last_element(std::string& out, std::size_t floor) {
  const std::size_t slash = out.rfind('/');
  if (slash == std::string::npos || slash < floor) {
    out.resize(floor);
  } else {
    out.resize(slash);
  }
}

}  // namespace

Result<std::string> path_unescape(std::string_view text) { return unescape(text, Plus::literal); }
Result<std::string> query_unescape(std::string_view text) { return unescape(text, Plus::space); }

std::string path_escape(std::string_view segment) {
  return escape(segment, in_segment, Plus::literal);
}
std::string escape_path(std::string_view path) { return escape(path, in_path, Plus::literal); }
std::string query_escape(std::string_view text) { return escape(text, unreserved, Plus::space); }

Target split_target(std::string_view target) noexcept {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

std::optional<HostPort> split_authority(std::string_view authority) noexcept {
  HostPort parts;
  std::size_t colon = std::string_view::npos;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.host = authority.substr(1, close - 1);
    if (!is_ip_literal(parts.host)) return std::nullopt;
    if (close + 1 < authority.size()) {
      colon = close + 1;
      if (authority[colon] != ':') return std::nullopt;
    }
  } else {
    colon = authority.find(':');
    parts.host = authority.substr(0, colon);
    if (!is_reg_name(parts.host)) return std::nullopt;
  }
  if (colon != std::string_view::npos && !parse_port(authority.substr(colon + 1), parts.port)) {
    return std::nullopt;
  }
  return parts;
}

std::uint16_t Url::effective_port() const noexcept {
  if (port) return *port;
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

std::string Url::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string out = v6 ? "[" + host + "]" : host;
  if (port) out.append(":").append(std::to_string(*port));
  return out;
}

std::string Url::target() const {
  std::string out = path.empty() ? "/" : path;
  if (!query.empty()) out.append("?").append(query);
  return out;
}

Result<Url> parse_url(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f) return bad_url("it has a space or a control character");
  }
  text = text.substr(0, text.find('#'));
  const std::size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return bad_url("it has no scheme");
  Url url;
  url.scheme = text.substr(0, scheme_end);
  if (!is_scheme(url.scheme)) return bad_url("its scheme is malformed");
  for (char& c : url.scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  text.remove_prefix(scheme_end + 3);

  const std::size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, authority_end);
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    url.userinfo = authority.substr(0, at);
    authority.remove_prefix(at + 1);
  }
  const std::optional<HostPort> parts = split_authority(authority);
  if (!parts) return bad_url("its host or port is malformed");
  if (parts->host.empty()) return bad_url("it has no host");
  url.host = parts->host;
  url.port = parts->port;

  const Target target = split_target(text.substr(authority_end));
  url.path = target.path;
  url.query = target.query;
  return url;
}

std::optional<QueryParam> next_query_param(std::string_view& rest) {
  while (!rest.empty()) {
    const std::size_t ampersand = rest.find('&');
    const std::string_view field = rest.substr(0, ampersand);
    rest.remove_prefix(ampersand == std::string_view::npos ? rest.size() : ampersand + 1);
    if (field.empty() || field.find(';') != std::string_view::npos) continue;
    const std::size_t equals = field.find('=');
    Result<std::string> key = query_unescape(field.substr(0, equals));
    if (!key) continue;
    if (equals == std::string_view::npos) return QueryParam{std::move(*key), {}};
    Result<std::string> value = query_unescape(field.substr(equals + 1));
    if (!value) continue;
    return QueryParam{std::move(*key), std::move(*value)};
  }
  return std::nullopt;
}

std::optional<std::string> query_value(std::string_view query, std::string_view key) {
  while (auto param = next_query_param(query)) {
    if (param->key == key) return std::move(param->value);
  }
  return std::nullopt;
}

std::vector<QueryParam> parse_query(std::string_view query) {
  std::vector<QueryParam> all;
  while (auto param = next_query_param(query)) all.push_back(std::move(*param));
  return all;
}

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::string out;
  out.reserve(path.size() + 1);
  // Elements before `floor` are leading ".." of a relative path; nothing can remove them.
  std::size_t floor = 0;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view element = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (element.empty() || element == ".") continue;
    if (element == "..") {
      if (out.size() > floor) {
        drop_last_element(out, floor);
      } else if (!rooted) {
        out += out.empty() ? ".." : "/..";
        floor = out.size();
      }
      continue;
    }
    if (rooted || !out.empty()) out += '/';
    out += element;
  }
  if (out.empty()) return rooted ? "/" : ".";
  return out;
}

}  // namespace outrigger::net
