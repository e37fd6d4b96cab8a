#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/headers.h"
#include "net/http1/fields.h"
#include "net/http1/message.h"

namespace outrigger::net::http1 {

/// Takes the framing off one body after another. Private to this room: RequestParser and
/// ResponseParser hand it what follows a head.
class BodyDecoder {
 public:
  BodyDecoder(Side side, const Limits& limits) : limits_(limits), side_(side) {}

  /// Begins the body of the next message. `length` counts for Framing::length only.
  void begin(Framing framing, std::uint64_t length);
  /// need_more, body or end. Nothing is consumed after `end`. An error is final.
  Result<Event> next(std::string_view& input);
  /// True if the end of the connection is the end of the body.
  [[nodiscard]] bool ends_at_close() const noexcept { return state_ == State::until_close; }
  [[nodiscard]] Headers& trailers() noexcept { return trailers_; }

 private:
  enum class State : std::uint8_t {
    length,
    until_close,
    size_start,  ///< The first digit of a chunk size.
    size,
    size_blank,  ///< White space after the size: only an extension may follow.
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers,
    done,
  };

  Result<void> step_framing(char c);
  Result<void> begin_chunk();
  Result<void> check_total(std::uint64_t bytes);
  Event take(std::string_view& input);
  Result<Event> take_checked(std::string_view& input, std::uint64_t expected);
  Result<Event> read_trailers(std::string_view& input);

  Limits limits_;
  Side side_;
  State state_ = State::done;
  std::uint8_t size_digits_ = 0;
  std::uint64_t remaining_ = 0;  ///< Of the chunk or the body of known length.
  std::uint64_t total_ = 0;
  std::uint64_t extension_excess_ = 0;
  BlockScanner scanner_;
  Headers trailers_;
};

}  // namespace outrigger::net::http1
