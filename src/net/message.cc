#include "net/message.h"

namespace outrigger::net {

Task<Result<std::string>> Body::read_all(std::size_t limit_bytes) {
  if (stream == nullptr) {
    if (whole.size() > limit_bytes) {
      co_return fail(Code::resource_exhausted, "message body is larger than the limit of " +
                                                   std::to_string(limit_bytes) + " bytes");
    }
    co_return std::move(whole);
  }
  auto all = co_await stream->read_all(limit_bytes);
  if (all) trailers = stream->trailers();
  co_return all;
}

}  // namespace outrigger::net
