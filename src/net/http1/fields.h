#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/headers.h"
#include "net/http1/message.h"

/// What requests, responses and trailers share. Private to this room.
namespace outrigger::net::http1 {

/// Whose bytes are being read, which decides what an error says and its HTTP status: the client's
/// are answered with 4xx or 5xx as RFC 9110 has it, a server's are a bad gateway.
enum class Side : std::uint8_t { request, response };

/// "malformed HTTP request: <what>" with `status` (502 if it is a response).
[[nodiscard]] std::unexpected<Error> bad_message(Side side, int status, std::string_view what);

/// `text` in quotes for an error message: printable ASCII, the rest as \xNN, cut at 40 bytes.
std::string quoted(std::string_view text);

/// Finds the empty line that ends a head or a trailer section, whatever pieces it comes in: each
/// byte is looked at once.
class BlockScanner {
 public:
  enum class State : std::uint8_t { incomplete, complete, too_large, bare_line_feed };
  /// What ends a line. In requests a bare LF is State::bare_line_feed as soon as it is seen, for
  /// what one hop takes for an end and another does not hides requests in requests.
  enum class Ends : std::uint8_t { crlf, crlf_or_lf };
  explicit BlockScanner(Ends ends = Ends::crlf) noexcept : ends_(ends) {}
  /// `input` is what the last call got and perhaps more. `bytes_max` counts the empty line too.
  State scan(std::string_view input, std::size_t bytes_max) noexcept;
  /// Of the whole block with its empty line, once complete.
  [[nodiscard]] std::size_t size() const noexcept { return scanned_; }
  /// Full lines seen, without the empty one.
  [[nodiscard]] std::size_t lines() const noexcept { return lines_; }
  /// A line ends in a bare LF or begins with a blank: regular_lines() makes it fit for
  /// parse_fields(). Only of Ends::crlf_or_lf.
  [[nodiscard]] bool irregular() const noexcept { return irregular_; }
  void reset() noexcept { *this = BlockScanner(ends_); }

 private:
  Ends ends_;
  bool irregular_ = false;
  std::size_t scanned_ = 0;
  std::size_t line_start_ = 0;
  std::size_t lines_ = 0;
};

/// `block`, which a scanner has found complete, with each line ended by CRLF and each folded line
/// (obs-fold) joined to the one before by one space.
std::string regular_lines(std::string_view block);

/// The fields that decide framing and the connection's fate. Views into the parsed block.
struct Controls {
  std::uint64_t content_length = 0;
  std::string_view transfer_encoding;
  std::string_view host;
  std::string_view expect;
  std::uint32_t content_lengths = 0;  ///< How many fields of that name; they agree.
  std::uint32_t transfer_encodings = 0;
  std::uint32_t hosts = 0;
  std::uint32_t expects = 0;
  bool close = false;
  bool keep_alive = false;
  bool upgrade_option = false;
  bool upgrade_field = false;
};

enum class Section : std::uint8_t { head, trailers };

/// Parses the field lines of `block`, which is complete (ends with CRLF CRLF, or is one CRLF), into
/// `headers`. Trailers may not hold fields that belong in a head.
Result<Controls> parse_fields(std::string_view block, Side side, Section section,
                              std::size_t fields_max, Headers& headers);

/// True for the fields that decide framing or routing and so must not be trailers.
bool is_forbidden_trailer(std::string_view name) noexcept;

}  // namespace outrigger::net::http1
