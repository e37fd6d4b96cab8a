#pragma once

#include <string_view>

namespace outrigger::runtime::invoke {

/// What Go's server puts into Content-Type when a handler has not: judged by the first 512 bytes,
/// by the signatures that applications' answers have (WHATWG MIME Sniffing, in part).
[[nodiscard]] std::string_view sniff_content_type(std::string_view body) noexcept;

}  // namespace outrigger::runtime::invoke
