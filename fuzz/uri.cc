// URIs: escaping and decoding undo each other, cleaning a path is stable and never climbs, and a
// URL that was parsed can be written and parsed again.
#include "net/uri.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace net = outrigger::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);

  OUT_ASSERT(net::path_unescape(net::path_escape(input)).value() == input);
  OUT_ASSERT(net::path_unescape(net::escape_path(input)).value() == input);
  OUT_ASSERT(net::query_unescape(net::query_escape(input)).value() == input);
  const auto decoded = net::path_unescape(input);
  OUT_ASSERT(decoded.has_value() == net::query_unescape(input).has_value());
  if (decoded) OUT_ASSERT(decoded->size() <= input.size());

  const std::string clean = net::clean_path(input);
  OUT_ASSERT(net::clean_path(clean) == clean);
  OUT_ASSERT(clean.size() <= input.size() || clean == ".");
  OUT_ASSERT(clean.find("//") == std::string::npos);
  OUT_ASSERT(clean.starts_with('/') == input.starts_with('/'));
  if (clean.starts_with('/')) {
    OUT_ASSERT(("" + clean + "/").find("/../") == std::string::npos);
    OUT_ASSERT(clean == "/" || !clean.ends_with('/'));
  }

  const net::Target target = net::split_target(input);
  OUT_ASSERT(target.path.find('?') == std::string_view::npos);
  for (const net::QueryParam& param : net::parse_query(input)) {
    OUT_ASSERT(net::query_value(input, param.key).has_value());
  }

  const auto url = net::parse_url(input);
  if (!url) return 0;
  OUT_ASSERT(net::split_authority(url->authority()).has_value());
  const std::string text = url->scheme + "://" + url->authority() + url->target();
  const auto again = net::parse_url(text);
  OUT_ASSERT(again && again->host == url->host && again->port == url->port);
  OUT_ASSERT(again->target() == url->target() && again->query == url->query);
  return 0;
}
