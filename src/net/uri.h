#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

/// Request targets, URLs and their escapes. The rules are those of Go's net/url and path packages,
/// because what upstream accepts and forwards is decided by them.
namespace outrigger::net {

/// Decodes %XX in a path; '+' stays. Errors: Code::invalid_argument with HTTP status 400 and Go's
/// text, `invalid URL escape "%zz"`.
Result<std::string> path_unescape(std::string_view text);
/// Decodes %XX and turns '+' into a space, as for a query component. Errors as path_unescape.
Result<std::string> query_unescape(std::string_view text);

/// Escapes one path segment ('/' becomes %2F) as Go's url.PathEscape does.
std::string path_escape(std::string_view segment);
/// Escapes a whole decoded path: '/' stays, so does what Go's URL.EscapedPath leaves.
std::string escape_path(std::string_view path);
/// Escapes a query component: a space becomes '+'.
std::string query_escape(std::string_view text);

/// The two halves of an origin-form target; both are views into it, still escaped.
struct Target {
  std::string_view path;
  std::string_view query;  ///< Without the '?'.
};
/// Splits at the first '?'.
Target split_target(std::string_view target) noexcept;

struct HostPort {
  std::string_view host;  ///< IPv6 without its brackets.
  std::optional<std::uint16_t> port;
};
/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`, where an empty port counts as none. nullopt
/// if it is not a valid `uri-host [ ":" port ]` of RFC 3986; an empty host is valid here.
std::optional<HostPort> split_authority(std::string_view authority) noexcept;

/// An absolute URL, taken apart; path and query are still escaped, the fragment is dropped.
struct Url {
  std::string scheme;    ///< In lower case.
  std::string userinfo;  ///< What stands before '@', still escaped.
  std::string host;      ///< In the case given; IPv6 without its brackets. Never empty.
  std::optional<std::uint16_t> port;
  std::string path;  ///< "" or begins with '/'.
  std::string query;

  /// The port given, or the scheme's own (80 for http and ws, 443 for https and wss), or 0.
  [[nodiscard]] std::uint16_t effective_port() const noexcept;
  /// `host` or `host:port` as given, with brackets round IPv6: the Host header.
  [[nodiscard]] std::string authority() const;
  /// The origin-form target: at least "/", with the query if there is one.
  [[nodiscard]] std::string target() const;
};
/// Parses `scheme://[userinfo@]host[:port][/path][?query][#fragment]`. Errors:
/// Code::invalid_argument, which name the part that is wrong.
Result<Url> parse_url(std::string_view text);

struct QueryParam {
  std::string key;
  std::string value;
};
/// Takes the next parameter off `rest` and decodes it; nullopt at the end. Like Go's URL.Query,
/// skips empty ones and those with a bad escape or a ';'.
std::optional<QueryParam> next_query_param(std::string_view& rest);
/// The first value of `key`, decoded.
std::optional<std::string> query_value(std::string_view query, std::string_view key);
/// All parameters in their order.
std::vector<QueryParam> parse_query(std::string_view query);

/// The shortest lexical equivalent, as Go's path.Clean: no "//", "." or inner ".."; an absolute
/// path never climbs above "/"; the empty path is ".". No trailing slash, save in "/".
std::string clean_path(std::string_view path);

}  // namespace outrigger::net
