#include "runtime/state/json_value.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/json.h"

namespace outrigger::runtime::state {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Digits that a double keeps whatever they are (DBL_DIG).
constexpr std::size_t kSafeDigits = 15;

/// Rewrites one value from left to right. Members of an object are put in order when it closes, in
/// the text written so far.
class Rewriter {
 public:
  Rewriter(std::string& out, std::string_view raw) noexcept
      : out_(out), text_(raw), moves_left_(kMovesPerByte * (raw.size() + 1)) {}

  bool run(std::string_view& bad_number) {
    while (at_ < text_.size()) {
      switch (const char c = text_[at_]) {
        case ' ':
        case '\t':
        case '\r':
        case '\n':
        case ':': ++at_; break;  // A colon is written with its key.
        case ',':
          ++at_;
          end_member();
          out_ += ',';
          begin_member();
          break;
        case '{':
        case '[': open(c); break;
        case '}':
        case ']': close(c); break;
        case '"': string(); break;
        default:
          if (c == '-' || is_digit(c)) {
            if (!number(bad_number)) return false;
          } else {
            word();
          }
      }
    }
    return true;
  }

 private:
  /// Sorting moves text, and objects in objects are moved again with each level. Past so many bytes
  /// per byte of input members stay in the order they came in: only hostile nesting gets there.
  static constexpr std::size_t kMovesPerByte = 64;

  struct Member {
    std::size_t begin;      // Of its text in out_.
    std::size_t end;        // Behind it.
    std::size_t key_begin;  // Of its decoded key in keys_.
    std::size_t key_end;
  };
  struct Container {
    bool object;
    bool sorted = true;
    std::size_t first_member;
    std::size_t first_byte;
    std::size_t first_key_byte;
  };

  void open(char bracket) {
    ++at_;
    out_ += bracket;
    containers_.push_back({bracket == '{', true, members_.size(), out_.size(), keys_.size()});
    begin_member();
  }

  void close(char bracket) {
    ++at_;
    end_member();
    const Container container = containers_.back();
    containers_.pop_back();
    if (!container.sorted) sort_members(container);
    members_.resize(container.first_member);
    keys_.resize(container.first_key_byte);
    out_ += bracket;
  }

  void begin_member() noexcept { expects_key_ = containers_.back().object; }
  void end_member() {
    const Container& container = containers_.back();
    if (container.object && members_.size() > container.first_member) {
      members_.back().end = out_.size();
    }
  }

  std::string_view key_of(const Member& member) const noexcept {
    return std::string_view(keys_).substr(member.key_begin, member.key_end - member.key_begin);
  }

  void string() {
    const std::size_t begin = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    const auto decoded = json::string_view_value(text_.substr(begin, at_ - begin), scratch_);
    const std::string_view value = decoded.value_or(std::string_view());
    if (!expects_key_) {
      json::append_string(out_, value);
      return;
    }
    expects_key_ = false;
    Container& container = containers_.back();
    const Member member{out_.size(), 0, keys_.size(), keys_.size() + value.size()};
    keys_ += value;
    if (members_.size() > container.first_member && key_of(members_.back()) >= value) {
      container.sorted = false;
    }
    members_.push_back(member);
    json::append_string(out_, value);
    out_ += ':';
  }

  void word() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] >= 'a' && text_[at_] <= 'z') ++at_;
    out_ += text_.substr(begin, at_ - begin);
  }

  bool number(std::string_view& bad_number) {
    const std::size_t begin = at_;
    bool whole = true;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool part = c == '.' || c == 'e' || c == 'E';
      if (!part && c != '-' && c != '+' && !is_digit(c)) break;
      whole = whole && !part;
      ++at_;
    }
    const std::string_view token = text_.substr(begin, at_ - begin);
    if (whole) {
      out_ += token;
      return true;
    }
    const auto value = json::double_value(token);
    if (!value || !std::isfinite(*value)) {
      bad_number = token;
      return false;
    }
    if (significant_digits(token) <= kSafeDigits) {
      json::append_double(out_, *value);
    } else {
      out_ += token;
    }
    return true;
  }

  static std::size_t significant_digits(std::string_view token) noexcept {
    std::size_t digits = 0;
    std::size_t zeros = 0;
    for (const char c : token) {
      if (c == 'e' || c == 'E') break;
      if (!is_digit(c)) continue;
      if (c != '0') {
        digits += zeros + 1;
        zeros = 0;
      } else if (digits > 0) {
        ++zeros;
      }
    }
    return digits;
  }

  void sort_members(const Container& container) {
    const std::size_t bytes = out_.size() - container.first_byte;
    if (bytes > moves_left_) return;
    moves_left_ -= bytes;
    const auto first = members_.begin() + static_cast<std::ptrdiff_t>(container.first_member);
    std::sort(first, members_.end(), [this](const Member& a, const Member& b) {
      const int order = key_of(a).compare(key_of(b));
      return order != 0 ? order < 0 : a.begin < b.begin;
    });
    sorted_.clear();
    for (auto member = first; member != members_.end(); ++member) {
      const auto next = std::next(member);
      if (next != members_.end() && key_of(*next) == key_of(*member)) continue;
      if (!sorted_.empty()) sorted_ += ',';
      sorted_.append(out_, member->begin, member->end - member->begin);
    }
    out_.replace(container.first_byte, bytes, sorted_);
  }

  std::string& out_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t moves_left_;
  bool expects_key_ = false;
  std::vector<Container> containers_;
  std::vector<Member> members_;
  std::string keys_;
  std::string sorted_;
  std::string scratch_;
};

}  // namespace

bool append_value(std::string& out, std::string_view raw, std::string_view& number) {
  const std::size_t before = out.size();
  out.reserve(before + raw.size());
  if (Rewriter(out, raw).run(number)) return true;
  out.resize(before);
  return false;
}

}  // namespace outrigger::runtime::state
