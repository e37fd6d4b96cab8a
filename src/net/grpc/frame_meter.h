#pragma once

#include <array>
#include <memory>

#include "net/grpc/frame.h"

namespace outrigger::net::grpc {

/// Watches the messages of one direction of a call pass by: what Deframer and message_of() refuse
/// for its size, it refuses, but it holds none of it. All else is left to whom it concerns:
/// encodings it does not know, damaged data, a message that is cut short.
class FrameMeter {
 public:
  /// `encoding` as in the call's `grpc-encoding`.
  FrameMeter(std::size_t message_bytes_max, std::string_view encoding);
  FrameMeter(FrameMeter&&) noexcept;
  ~FrameMeter();

  /// The next bytes, of any chunking. Code::resource_exhausted or Code::internal, as grpc-go says
  /// it; final.
  Result<> feed(std::string_view bytes);
  /// After an error: how many bytes of that feed() belong to the messages before.
  [[nodiscard]] std::size_t sound_bytes() const noexcept { return sound_bytes_; }

 private:
  class Inflater;
  Result<> begin_frame();

  std::size_t message_bytes_max_;
  bool gzip_;
  std::array<char, kFrameHeadBytes> head_{};
  std::size_t head_bytes_ = 0;
  std::size_t payload_left_ = 0;
  std::size_t sound_bytes_ = 0;
  /// Of a message that is compressed and not yet known to be broken.
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace outrigger::net::grpc
