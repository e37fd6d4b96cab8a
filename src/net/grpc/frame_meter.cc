#include "net/grpc/frame_meter.h"

#include <algorithm>

#include <zlib.h>

namespace outrigger::net::grpc {
namespace {

constexpr int kGzipFormat = 15 + 16;  // The largest window, with a gzip head and tail.
constexpr std::size_t kPiece = 16U << 10;

}  // namespace

/// Counts what a gzip stream decompresses to.
class FrameMeter::Inflater {
 public:
  Inflater() { sound_ = inflateInit2(&stream_, kGzipFormat) == Z_OK; }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// How much it is so far, or somewhat more than `bytes_max`.
  std::size_t feed(std::string_view bytes, std::size_t bytes_max) {
    // zlib is not const-correct; it only reads here.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    Bytef piece[kPiece];
    while (sound_ && total_ <= bytes_max) {
      stream_.next_out = piece;
      stream_.avail_out = sizeof piece;
      const int state = inflate(&stream_, Z_NO_FLUSH);
      total_ += sizeof piece - stream_.avail_out;
      if (state == Z_BUF_ERROR) break;
      sound_ = state == Z_OK || state == Z_STREAM_END;
      if (state == Z_STREAM_END) {
        if (stream_.avail_in == 0) break;
        sound_ = inflateReset(&stream_) == Z_OK;
      }
    }
    return total_;
  }

 private:
  z_stream stream_{};
  std::size_t total_ = 0;
  bool sound_ = false;
};

FrameMeter::FrameMeter(std::size_t message_bytes_max, std::string_view encoding)
    : message_bytes_max_(message_bytes_max), gzip_(encoding == "gzip") {}
FrameMeter::FrameMeter(FrameMeter&&) noexcept = default;
FrameMeter::~FrameMeter() = default;

Result<> FrameMeter::begin_frame() {
  const std::string_view head(head_.data(), head_.size());
  OUT_TRY(const std::size_t whole, frame_bytes_of(head, message_bytes_max_));
  payload_left_ = whole - kFrameHeadBytes;
  inflater_ = gzip_ && head[0] != 0 ? std::make_unique<Inflater>() : nullptr;
  return {};
}

Result<> FrameMeter::feed(std::string_view bytes) {
  const std::size_t all = bytes.size();
  sound_bytes_ = 0;
  while (!bytes.empty()) {
    if (payload_left_ == 0) {
      if (head_bytes_ == 0) sound_bytes_ = all - bytes.size();
      const std::size_t take = std::min(kFrameHeadBytes - head_bytes_, bytes.size());
      std::copy_n(bytes.data(), take, head_.data() + head_bytes_);
      bytes.remove_prefix(take);
      head_bytes_ += take;
      if (head_bytes_ < kFrameHeadBytes) break;
      head_bytes_ = 0;
      OUT_CHECK(begin_frame());
      continue;
    }
    const std::string_view part = bytes.substr(0, payload_left_);
    bytes.remove_prefix(part.size());
    payload_left_ -= part.size();
    if (inflater_ && inflater_->feed(part, message_bytes_max_) > message_bytes_max_) {
      return fail(Code::resource_exhausted,
                  "grpc: received message after decompression larger than max " +
                      std::to_string(message_bytes_max_));
    }
    if (payload_left_ == 0) inflater_.reset();
  }
  return {};
}

}  // namespace outrigger::net::grpc
