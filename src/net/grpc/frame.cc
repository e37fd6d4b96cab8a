#include "net/grpc/frame.h"

#include "base/strings.h"

namespace outrigger::net::grpc {
namespace {

constexpr char kPlain = 0;
constexpr char kCompressed = 1;

std::size_t length_of(std::string_view head) noexcept {
  std::size_t length = 0;
  for (const char c : head.substr(1, 4)) length = length << 8 | static_cast<std::uint8_t>(c);
  return length;
}

Frame frame_of(std::string_view whole) noexcept {
  return {.compressed = whole[0] == kCompressed, .payload = whole.substr(kFrameHeadBytes)};
}

}  // namespace

Result<std::size_t> frame_bytes_of(std::string_view bytes, std::size_t message_bytes_max) {
  const std::size_t length = length_of(bytes);
  if (length > message_bytes_max) {
    return fail(Code::resource_exhausted, "grpc: received message larger than max (" +
                                              std::to_string(length) + " vs. " +
                                              std::to_string(message_bytes_max) + ")");
  }
  if (bytes[0] != kPlain && bytes[0] != kCompressed) {
    return fail(Code::internal, "grpc: received unexpected payload format " +
                                    std::to_string(static_cast<std::uint8_t>(bytes[0])));
  }
  return kFrameHeadBytes + length;
}

void Deframer::feed(std::string_view chunk) {
  OUT_ASSERT(chunk_.empty());
  chunk_ = chunk;
}

Result<std::optional<Frame>> Deframer::next() {
  if (held_done_) {
    // Keeps the room for the next frame, unless this one was large.
    constexpr std::size_t kRoomKept = 64U << 10;
    if (held_.capacity() > kRoomKept) held_ = std::string();
    held_.clear();
    held_done_ = false;
  }
  if (held_.empty() && chunk_.size() >= kFrameHeadBytes) {
    OUT_TRY(const std::size_t whole, frame_bytes_of(chunk_, message_bytes_max_));
    if (chunk_.size() >= whole) {
      const Frame frame = frame_of(chunk_.substr(0, whole));
      chunk_.remove_prefix(whole);
      return frame;
    }
  }
  if (held_.size() < kFrameHeadBytes) {
    const std::size_t take = std::min(kFrameHeadBytes - held_.size(), chunk_.size());
    held_.append(chunk_.substr(0, take));
    chunk_.remove_prefix(take);
    if (held_.size() < kFrameHeadBytes) return std::nullopt;
  }
  OUT_TRY(const std::size_t whole, frame_bytes_of(held_, message_bytes_max_));
  const std::size_t take = std::min(whole - held_.size(), chunk_.size());
  held_.append(chunk_.substr(0, take));
  chunk_.remove_prefix(take);
  if (held_.size() < whole) return std::nullopt;
  held_done_ = true;
  return frame_of(held_);
}

void append_frame(std::string& out, std::string_view payload, bool compressed) {
  const std::size_t mark = open_frame(out);
  out.append(payload);
  seal_frame(out, mark, compressed);
}

std::size_t open_frame(std::string& out) {
  const std::size_t mark = out.size();
  out.append(kFrameHeadBytes, '\0');
  return mark;
}

void seal_frame(std::string& out, std::size_t mark, bool compressed) {
  OUT_ASSERT(out.size() >= mark + kFrameHeadBytes);
  const std::size_t length = out.size() - mark - kFrameHeadBytes;
  OUT_ASSERT(length <= 0xffffffffU);
  out[mark] = compressed ? kCompressed : kPlain;
  for (std::size_t i = 0; i < 4; ++i) {
    out[mark + 1 + i] = static_cast<char>((length >> (24 - 8 * i)) & 0xff);
  }
}

bool knows_encoding(std::string_view encoding) noexcept {
  return encoding.empty() || encoding == "identity" || encoding == "gzip";
}

Result<std::string_view> message_of(const Frame& frame, std::string_view encoding, Side side,
                                    std::size_t message_bytes_max, std::string& scratch) {
  if (!frame.compressed) return frame.payload;
  if (encoding.empty() || encoding == "identity") {
    return fail(Code::internal, "grpc: compressed flag set with identity or empty encoding");
  }
  if (!knows_encoding(encoding)) {
    return fail(side == Side::server ? Code::unimplemented : Code::internal,
                "grpc: Decompressor is not installed for grpc-encoding " + quoted(encoding));
  }
  OUT_TRY(scratch, gunzip(frame.payload, message_bytes_max));
  return scratch;
}

}  // namespace outrigger::net::grpc
