#include "components/clients/redis/reply_parser.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace outrigger::components::redis {
namespace {

// A declared size is trusted so far only: the bytes must come before more memory is taken.
constexpr std::size_t kReserveBytesMax = std::size_t{1024} * 1024;
constexpr std::size_t kReserveItemsMax = 256;

std::unexpected<Error> broken(std::string what) {
  return fail(Code::internal, "redis protocol: " + std::move(what));
}

std::optional<double> parse_real(std::string_view text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
  return parse_double(text);
}

}  // namespace

Result<std::optional<Reply>> ReplyParser::next() {
  for (;;) {
    Step step = Step::more;
    if (in_string_) {
      OUT_TRY(step, read_bytes());
    } else {
      std::string_view line;
      const bool whole = take_line(line);
      if (line.size() > kLineBytesMax) return broken("a line is too long");
      if (!whole) return std::nullopt;
      OUT_TRY(step, read_line(line));
      line_.clear();
    }
    if (step == Step::more) {
      if (in_string_ && !rest_.empty()) continue;
      return std::nullopt;
    }
    if (step == Step::opened) continue;
    if (place()) {
      values_ = bytes_ = 0;
      return std::exchange(value_, Reply());
    }
  }
}

// On false, `line` is what there is of it; it has been put aside.
bool ReplyParser::take_line(std::string_view& line) {
  const std::size_t end = rest_.find('\n');
  if (end == std::string_view::npos) {
    // One byte too many is enough to see that it is too long.
    line_ += rest_.substr(0, kLineBytesMax + 1 - line_.size());
    line = line_;
    rest_ = {};
    return false;
  }
  line = rest_.substr(0, end + 1);
  rest_.remove_prefix(end + 1);
  if (!line_.empty()) {
    line_ += line;
    line = line_;
  }
  return true;
}

Result<ReplyParser::Step> ReplyParser::read_line(std::string_view line) {
  if (line.size() < 3 || line[line.size() - 2] != '\r') return broken("a line has no end");
  bytes_ += line.size();
  if (++values_ > kValuesMax || bytes_ > kReplyBytesMax) return broken("a reply is too large");
  const char type = line[0];
  const std::string_view rest = line.substr(1, line.size() - 3);
  value_ = Reply();
  switch (type) {
    case '+':
    case '(': {
      value_.type = Reply::Type::text;
      value_.text = rest;
      return Step::value;
    }
    case '-': {
      value_.type = Reply::Type::error;
      value_.text = rest;
      return Step::value;
    }
    case ':': {
      const auto number = parse_int<std::int64_t>(rest);
      if (!number) return broken("not an integer: " + quoted(rest));
      value_.type = Reply::Type::integer;
      value_.integer = *number;
      return Step::value;
    }
    case '_': return Step::value;
    case '#': {
      if (rest != "t" && rest != "f") return broken("not a boolean: " + quoted(rest));
      value_.type = Reply::Type::integer;
      value_.integer = rest == "t" ? 1 : 0;
      return Step::value;
    }
    case ',': {
      const auto number = parse_real(rest);
      if (!number) return broken("not a number: " + quoted(rest));
      value_.type = Reply::Type::real;
      value_.real = *number;
      return Step::value;
    }
    case '$':
    case '=':
    case '!': {
      value_.type = type == '!' ? Reply::Type::error : Reply::Type::text;
      verbatim_ = type == '=';
      return read_string(rest);
    }
    case '*':
    case '~': return open(Reply::Type::array, rest, 1);
    case '>': return open(Reply::Type::push, rest, 1);
    case '%': return open(Reply::Type::map, rest, 2);
    case '|': {
      OUT_TRY(const Step step, open(Reply::Type::map, rest, 2));
      if (step == Step::opened) {
        open_.back().attribute = true;
        return step;
      }
      // An empty attribute: as if nothing had come, and the real value follows.
      return Step::opened;
    }
    default: return broken("unknown type " + quoted(line.substr(0, 1)));
  }
}

Result<ReplyParser::Step> ReplyParser::read_string(std::string_view length) {
  if (length == "-1") {
    value_ = Reply();
    return Step::value;
  }
  const auto size = parse_int<std::uint64_t>(length);
  if (!size || *size > kStringBytesMax) return broken("not a length: " + quoted(length));
  bytes_ += *size;
  if (bytes_ > kReplyBytesMax) return broken("a reply is too large");
  value_.text.reserve(std::min<std::size_t>(*size, kReserveBytesMax));
  string_missing_ = *size + 2;
  in_string_ = true;
  return Step::more;
}

Result<ReplyParser::Step> ReplyParser::read_bytes() {
  if (string_missing_ > 2) {
    const std::size_t count = std::min(string_missing_ - 2, rest_.size());
    value_.text.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
    string_missing_ -= count;
  }
  while (string_missing_ <= 2 && string_missing_ > 0 && !rest_.empty()) {
    if (rest_.front() != (string_missing_ == 2 ? '\r' : '\n')) return broken("a string has no end");
    rest_.remove_prefix(1);
    --string_missing_;
  }
  if (string_missing_ > 0) return Step::more;
  in_string_ = false;
  // "txt:..." of a verbatim string: the kind of text is of no use here.
  if (std::exchange(verbatim_, false) && value_.text.size() >= 4) value_.text.erase(0, 4);
  return Step::value;
}

Result<ReplyParser::Step> ReplyParser::open(Reply::Type type, std::string_view count,
                                            std::size_t factor) {
  if (count == "-1") return Step::value;
  const auto number = parse_int<std::uint64_t>(count);
  if (!number || *number > kValuesMax) return broken("not a count: " + quoted(count));
  value_.type = type;
  if (*number == 0) return Step::value;
  if (open_.size() >= kDepthMax) return broken("a reply is nested too deeply");
  value_.items.reserve(std::min<std::size_t>(*number * factor, kReserveItemsMax));
  open_.push_back({.value = std::move(value_), .missing = *number * factor});
  return Step::opened;
}

bool ReplyParser::place() {
  while (!open_.empty()) {
    Open& parent = open_.back();
    parent.value.items.push_back(std::move(value_));
    if (--parent.missing > 0) return false;
    const bool attribute = parent.attribute;
    value_ = std::move(parent.value);
    open_.pop_back();
    if (attribute) return false;
  }
  return true;
}

}  // namespace outrigger::components::redis
