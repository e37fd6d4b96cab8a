#include "runtime/api/http_call.h"

#include "net/uri.h"

namespace outrigger::runtime::api {

std::string_view HttpCall::param(std::string_view name) const noexcept {
  for (const Param& each : params) {
    if (each.name == name) return each.value;
  }
  return {};
}

std::map<std::string, std::string, std::less<>> HttpCall::metadata() const {
  constexpr std::string_view kPrefix = "metadata.";
  std::map<std::string, std::string, std::less<>> found;
  std::string_view rest = query;
  while (!rest.empty()) {
    auto parameter = net::next_query_param(rest);
    if (!parameter) break;
    if (!parameter->key.starts_with(kPrefix)) continue;
    // Of equal keys the first counts, as in Go.
    found.try_emplace(parameter->key.substr(kPrefix.size()), std::move(parameter->value));
  }
  return found;
}

Task<Result<std::string>> HttpCall::body() {
  const std::size_t limit = body_bytes_max == 0 ? SIZE_MAX : body_bytes_max;
  auto bytes = co_await request.body.read_all(limit);
  if (bytes) co_return bytes;
  // Upstream's words for a body above the limit.
  const bool large = bytes.error().code() == Code::resource_exhausted;
  const std::string why = large ? "stream too large" : bytes.error().message();
  co_return fail(Code::invalid_argument, "ERR_BODY_READ", "failed to read request body: " + why);
}

}  // namespace outrigger::runtime::api
