#include "net/http1/body_decoder.h"

#include <algorithm>

#include "net/http1/chars.h"

namespace outrigger::net::http1 {
namespace {

// 15 hex digits stay below 2^60, so neither a size nor a sum of sizes up to the limit overflows.
constexpr std::uint8_t kSizeDigitsMax = 15;

// -1 if it is not a hex digit.
int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

}  // namespace

void BodyDecoder::begin(Framing framing, std::uint64_t length) {
  trailers_.clear();
  scanner_.reset();
  remaining_ = framing == Framing::length ? length : 0;
  total_ = 0;
  extension_excess_ = 0;
  switch (framing) {
    case Framing::none: state_ = State::done; break;
    case Framing::length: state_ = State::length; break;
    case Framing::chunked: state_ = State::size_start; break;
    case Framing::until_close: state_ = State::until_close; break;
  }
}

Result<void> BodyDecoder::check_total(std::uint64_t bytes) {
  if (bytes <= limits_.body_bytes_max - total_) return {};
  return bad_message(
      side_, 413, "the body is larger than " + std::to_string(limits_.body_bytes_max) + " bytes");
}

Event BodyDecoder::take(std::string_view& input) {
  const std::size_t bytes = std::min<std::uint64_t>(remaining_, input.size());
  const Event event{Event::Kind::body, input.substr(0, bytes)};
  input.remove_prefix(bytes);
  remaining_ -= bytes;
  total_ += bytes;
  return event;
}

Result<Event> BodyDecoder::take_checked(std::string_view& input, std::uint64_t expected) {
  OUT_CHECK(check_total(expected));
  if (input.empty()) return Event{};
  return take(input);
}

Result<Event> BodyDecoder::next(std::string_view& input) {
  for (;;) {
    switch (state_) {
      case State::done: return Event{Event::Kind::end, {}};
      case State::length:
        if (remaining_ == 0) {
          state_ = State::done;
          continue;
        }
        return take_checked(input, remaining_);
      case State::until_close:
        if (input.empty()) return Event{};
        remaining_ = std::min<std::uint64_t>(input.size(), limits_.body_bytes_max - total_);
        return take_checked(input, std::max<std::uint64_t>(remaining_, 1));
      case State::data:
        if (remaining_ == 0) {
          state_ = State::data_cr;
          continue;
        }
        if (input.empty()) return Event{};
        return take(input);
      case State::trailers: return read_trailers(input);
      default: {
        if (input.empty()) return Event{};
        const char c = input.front();
        input.remove_prefix(1);
        OUT_CHECK(step_framing(c));
      }
    }
  }
}

Result<void> BodyDecoder::step_framing(char c) {
  switch (state_) {
    case State::size_start:
    case State::size: {
      const int digit = hex_digit(c);
      if (digit >= 0) {
        if (state_ == State::size_start) size_digits_ = 0;
        if (++size_digits_ > kSizeDigitsMax) return bad_message(side_, 400, "chunk size too large");
        remaining_ = remaining_ << 4 | static_cast<std::uint64_t>(digit);
        state_ = State::size;
        return {};
      }
      if (state_ == State::size && c == '\r') {
        state_ = State::size_lf;
        return {};
      }
      if (state_ == State::size && (c == ';' || is_blank(c))) {
        state_ = c == ';' ? State::extension : State::size_blank;
        ++extension_excess_;
        return {};
      }
      return bad_message(side_, 400, "invalid character in chunk size " + quoted({&c, 1}));
    }
    case State::size_blank:
    case State::extension:
      if (++extension_excess_ > limits_.chunk_extension_bytes_max) {
        return bad_message(side_, 400, "too many bytes of chunk extensions");
      }
      if (state_ == State::size_blank) {
        if (c == ';') {
          state_ = State::extension;
        } else if (!is_blank(c)) {
          return bad_message(side_, 400, "space after the chunk size");
        }
      } else if (c == '\r') {
        state_ = State::size_lf;
      } else if (!is_text({&c, 1})) {
        return bad_message(side_, 400, "a control character in a chunk extension");
      }
      return {};
    case State::size_lf:
      if (c != '\n') return bad_message(side_, 400, "a chunk size without CRLF");
      return begin_chunk();
    case State::data_cr:
      if (c != '\r') return bad_message(side_, 400, "chunk data not followed by CRLF");
      state_ = State::data_lf;
      return {};
    default:
      if (c != '\n') return bad_message(side_, 400, "chunk data not followed by CRLF");
      state_ = State::size_start;
      return {};
  }
}

Result<void> BodyDecoder::begin_chunk() {
  if (remaining_ == 0) {
    state_ = State::trailers;
    return {};
  }
  OUT_CHECK(check_total(remaining_));
  extension_excess_ -= std::min(extension_excess_, remaining_);
  state_ = State::data;
  return {};
}

Result<Event> BodyDecoder::read_trailers(std::string_view& input) {
  switch (scanner_.scan(input, limits_.trailer_bytes_max)) {
    case BlockScanner::State::incomplete: return Event{};
    case BlockScanner::State::too_large:
      return bad_message(
          side_, 431,
          "trailers larger than " + std::to_string(limits_.trailer_bytes_max) + " bytes");
    case BlockScanner::State::bare_line_feed:
      return bad_message(side_, 400, "a bare LF in the trailers");
    case BlockScanner::State::complete: break;
  }
  const std::string_view block = input.substr(0, scanner_.size());
  trailers_.reserve(scanner_.lines(), block.size());
  OUT_CHECK(parse_fields(block, side_, Section::trailers, limits_.fields_max, trailers_));
  input.remove_prefix(block.size());
  state_ = State::done;
  return Event{Event::Kind::end, {}};
}

}  // namespace outrigger::net::http1
