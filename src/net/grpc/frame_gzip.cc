#include <zlib.h>

#include "net/grpc/frame.h"

namespace outrigger::net::grpc {
namespace {

constexpr int kGzipFormat = 15 + 16;  // The largest window, with a gzip head and tail.
constexpr std::size_t kPiece = 16U << 10;

Bytef* raw(std::string_view bytes) noexcept {
  // zlib is not const-correct; it only reads here.
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

struct Inflate {
  Inflate() { ready = inflateInit2(&stream, kGzipFormat) == Z_OK; }
  ~Inflate() { inflateEnd(&stream); }
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;

  z_stream stream{};
  bool ready = false;
};

std::unexpected<Error> damaged(std::string why) {
  return fail(Code::internal, "grpc: failed to read decompressed data: " + std::move(why));
}

}  // namespace

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  OUT_ASSERT(bytes.size() <= 0xffffffffU);
  OUT_ASSERT(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipFormat, 8,
                          Z_DEFAULT_STRATEGY) == Z_OK);
  // The bound leaves room for all, so one call finishes.
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = raw(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = raw(out);
  stream.avail_out = static_cast<uInt>(out.size());
  OUT_ASSERT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max) {
  Inflate inflater;
  if (!inflater.ready) return damaged("out of memory");
  z_stream& stream = inflater.stream;
  stream.next_in = raw(bytes);
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 0xffffffffU));
  std::string out;
  char piece[kPiece];
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    const int state = inflate(&stream, Z_NO_FLUSH);
    if (state == Z_BUF_ERROR) return damaged("unexpected EOF");
    if (state != Z_OK && state != Z_STREAM_END) return damaged("gzip: invalid data");
    out.append(piece, sizeof piece - stream.avail_out);
    if (out.size() > bytes_max) {
      return fail(Code::resource_exhausted,
                  "grpc: received message after decompression larger than max " +
                      std::to_string(bytes_max));
    }
    if (state != Z_STREAM_END) continue;
    if (stream.avail_in == 0) return out;
    if (inflateReset(&stream) != Z_OK) return damaged("gzip: invalid data");
  }
}

}  // namespace outrigger::net::grpc
