#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "components/clients/redis/reply.h"

namespace outrigger::components::redis {

/// Splits a byte stream into RESP2 or RESP3 replies: feed() what was read, then call next() until
/// it gives nullopt (more bytes are needed). An error is final: close the connection.
/// Attributes are read over. Streamed strings and aggregates, which no server sends, are errors.
class ReplyParser {
 public:
  /// Redis's own limit of one string (proto-max-bulk-len).
  static constexpr std::size_t kStringBytesMax = std::size_t{512} * 1024 * 1024;
  /// Of one whole reply.
  static constexpr std::size_t kReplyBytesMax = kStringBytesMax + std::size_t{1024} * 1024;
  /// Values in one reply, nested ones included.
  static constexpr std::size_t kValuesMax = std::size_t{1024} * 1024;
  /// Deepest reply of a command is COMMAND DOCS with less than 16.
  static constexpr std::size_t kDepthMax = 32;
  /// A line: a type, a number, an error text.
  static constexpr std::size_t kLineBytesMax = std::size_t{64} * 1024;

  /// The bytes are read in place: they must live until next() has given nullopt or an error.
  void feed(std::string_view bytes) noexcept { rest_ = bytes; }
  Result<std::optional<Reply>> next();

 private:
  struct Open {
    Reply value;
    std::size_t missing = 0;
    bool attribute = false;
  };
  enum class Step : std::uint8_t { more, value, opened };

  bool take_line(std::string_view& line);
  Result<Step> read_line(std::string_view line);
  Result<Step> read_string(std::string_view length);
  Result<Step> open(Reply::Type type, std::string_view count, std::size_t factor);
  Result<Step> read_bytes();
  /// Puts the finished value where it belongs; true if it is a whole reply (in value_).
  bool place();

  std::string_view rest_;
  std::string line_;  // The first part of a line whose end has not come yet.
  Reply value_;
  std::vector<Open> open_;
  std::size_t string_missing_ = 0;  // Bytes of value_.text that have not come, with the line end.
  bool in_string_ = false;
  bool verbatim_ = false;
  std::size_t values_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace outrigger::components::redis
