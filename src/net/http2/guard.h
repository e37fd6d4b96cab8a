#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// Private to this folder.
namespace outrigger::net::http2 {

/// Sees the offences of a client that nghttp2 forgives, because it does not remember closed
/// streams: frames on a stream that the client itself has ended or reset, and new streams with an
/// id below an older one (RFC 9113, sections 5.1 and 5.1.1). It remembers the latest few streams
/// only, and none that we have reset: frames on those may have been under way.
class StreamGuard {
 public:
  enum class Ending : std::uint8_t { none, ended, reset, skipped };

  /// A HEADERS frame has opened a stream, or an upgrade the first.
  void opened(std::int32_t id) noexcept;
  /// The client ended or reset this stream, and it is closed.
  void closed(std::int32_t id, Ending how) noexcept;
  /// Ending::none: not known.
  [[nodiscard]] Ending ending_of(std::int32_t id) const noexcept;

  /// A DATA or HEADERS frame that may be on a stream closed before. `offset` is where it begins in
  /// the bytes scanned (or 0, if it began in earlier ones).
  struct Suspect {
    bool found = false;
    std::size_t offset = 0;
    std::int32_t id = 0;
  };
  /// Follows the frame boundaries from `position` on, which moves behind the suspect's head, or to
  /// the end.
  Suspect scan(std::string_view bytes, std::size_t& position) noexcept;
  /// All that was scanned has been processed, but for the latest frame perhaps: what has ended is
  /// known through closed().
  void processed() noexcept { ending_ = latest_ending_; }

 private:
  bool suspicious() noexcept;

  struct Closed {
    std::int32_t id;
    Ending how;
  };
  struct Skipped {
    std::int32_t first, last;
  };
  std::array<Closed, 64> closed_{};
  std::array<Skipped, 8> skipped_{};
  std::size_t closed_next_ = 0;
  std::size_t skipped_next_ = 0;
  std::int32_t highest_ = 0;
  /// A set (by hash) of the streams that frames scanned but not processed yet will end.
  std::uint64_t ending_ = 0;
  std::uint64_t latest_ending_ = 0;
  std::size_t payload_left_ = 24;  ///< First the client's preface (RFC 9113, section 3.4).
  std::array<std::uint8_t, 9> head_{};
  std::size_t head_bytes_ = 0;
};

}  // namespace outrigger::net::http2
