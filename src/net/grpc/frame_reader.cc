#include "net/grpc/frame_reader.h"

namespace outrigger::net::grpc {

Task<Result<std::string>> read_frame(Body* body, std::size_t message_bytes_max, FrameEnd until) {
  if (!body->is_stream()) co_return std::move(body->whole);
  std::string all;
  std::optional<std::size_t> frame_bytes;
  for (;;) {
    auto part = co_await body->stream->read();
    if (!part) co_return part;
    if (part->empty()) break;
    if (all.empty()) {
      all = *std::move(part);
    } else {
      all += *part;
    }
    if (!frame_bytes && all.size() >= kFrameHeadBytes) {
      auto bytes = frame_bytes_of(all, message_bytes_max);
      if (!bytes) {
        body->stream->close();
        co_return std::unexpected(std::move(bytes).error());
      }
      frame_bytes = *bytes;
    }
    if (!frame_bytes || all.size() < *frame_bytes) continue;
    if (until == FrameEnd::message) co_return all;
    if (all.size() == *frame_bytes) continue;
    body->stream->close();
    co_return fail(Code::internal, "the server sent more than one message");
  }
  body->trailers = body->stream->trailers();
  co_return all;
}

}  // namespace outrigger::net::grpc
