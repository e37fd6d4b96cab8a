#include "components/clients/redis/reply.h"

#include "base/strings.h"

namespace outrigger::components::redis {

std::optional<std::int64_t> Reply::as_integer() const noexcept {
  if (type == Type::integer) return integer;
  if (type == Type::text) return parse_int<std::int64_t>(text);
  return std::nullopt;
}

const Reply* Reply::find(std::string_view name) const noexcept {
  if (!is_list()) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    if (items[i].is_text() && items[i].text == name) return &items[i + 1];
  }
  return nullptr;
}

Error error_of(const Reply& reply) {
  Code code = Code::unknown;
  for (const auto* word : {"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN",
                           "NOREPLICAS", "MOVED", "ASK", "BUSY", "OOM"}) {
    if (reply.is_error(word)) code = Code::unavailable;
  }
  if (reply.text.starts_with("ERR max number of clients")) code = Code::unavailable;
  if (reply.is_error("NOAUTH") || reply.is_error("WRONGPASS")) code = Code::unauthenticated;
  if (reply.is_error("NOPERM")) code = Code::permission_denied;
  return Error(code, reply.text);
}

Result<Reply> checked(Result<Reply> reply) {
  if (reply && reply->is_error()) return fail(error_of(*reply));
  return reply;
}

}  // namespace outrigger::components::redis
