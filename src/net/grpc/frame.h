#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

/// Length-prefixed messages in the DATA of a call: one byte of flags, four of length, the payload.
namespace outrigger::net::grpc {

/// What both grpc-go and upstream allow unless told otherwise.
inline constexpr std::size_t kDefaultMessageBytesMax = std::size_t{4} << 20;
inline constexpr std::size_t kFrameHeadBytes = 5;

struct Frame {
  bool compressed = false;
  std::string_view payload;
};

/// The bytes of the frame that begins with `bytes` (at least kFrameHeadBytes of them), its head
/// included. Code::resource_exhausted for a message above the limit, Code::internal for unknown
/// flags, as grpc-go says it.
Result<std::size_t> frame_bytes_of(std::string_view bytes, std::size_t message_bytes_max);

/// Splits DATA of any chunking into frames: feed() a chunk, then next() until it gives nullopt. The
/// chunk must live until then. A frame that lies within one chunk is not copied; at most one frame
/// is held otherwise. An error is final.
class Deframer {
 public:
  explicit Deframer(std::size_t message_bytes_max = kDefaultMessageBytesMax)
      : message_bytes_max_(message_bytes_max) {}

  void feed(std::string_view chunk);
  /// The payload lives until the next call of next() or the end of the chunk. The errors of
  /// frame_bytes_of().
  Result<std::optional<Frame>> next();
  /// A frame has begun and is not complete: the stream must not end here.
  [[nodiscard]] bool partial() const noexcept { return !held_.empty() || !chunk_.empty(); }

 private:
  std::size_t message_bytes_max_;
  std::string_view chunk_;
  /// The beginning of a frame whose end is still to come.
  std::string held_;
  bool held_done_ = false;
};

/// Appends a frame with this payload, which is at most 4 GiB - 1.
void append_frame(std::string& out, std::string_view payload, bool compressed = false);

/// Room for the head of a frame whose payload is appended next; `seal_frame(out, mark, ...)` then
/// fills it in. Saves a copy of the payload.
std::size_t open_frame(std::string& out);
void seal_frame(std::string& out, std::size_t mark, bool compressed = false);

enum class Side : std::uint8_t { client, server };

/// The message of a frame under the call's `grpc-encoding` ("" and "identity" mean none): the
/// payload itself, or what it decompresses to, which is then in `scratch`. On a server an unknown
/// encoding is Code::unimplemented, on a client Code::internal. Never holds more than
/// `message_bytes_max` + 1 decompressed bytes.
Result<std::string_view> message_of(const Frame& frame, std::string_view encoding, Side side,
                                    std::size_t message_bytes_max, std::string& scratch);

/// True for the encodings that message_of() knows: "", "identity", "gzip".
bool knows_encoding(std::string_view encoding) noexcept;

std::string gzip(std::string_view bytes);
/// All members of a gzip stream. Code::internal if it is damaged; Code::resource_exhausted above
/// `bytes_max`, before more than that is held.
Result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max);

}  // namespace outrigger::net::grpc
