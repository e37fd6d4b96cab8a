#include "net/http2/guard.h"

#include <algorithm>

namespace outrigger::net::http2 {
namespace {

constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kHeaders = 1;
constexpr std::uint8_t kRstStream = 3;
constexpr std::uint8_t kEndStream = 1;

std::uint64_t bit_of(std::int32_t id) noexcept {
  return std::uint64_t{1} << ((static_cast<std::uint32_t>(id) >> 1) & 63);
}

}  // namespace

void StreamGuard::closed(std::int32_t id, Ending how) noexcept {
  closed_[closed_next_] = {id, how};
  closed_next_ = (closed_next_ + 1) % closed_.size();
}

StreamGuard::Ending StreamGuard::ending_of(std::int32_t id) const noexcept {
  for (const Closed& stream : closed_) {
    if (stream.id == id) return stream.how;
  }
  for (const Skipped& range : skipped_) {
    if (id >= range.first && id <= range.last) return Ending::skipped;
  }
  return Ending::none;
}

void StreamGuard::opened(std::int32_t id) noexcept {
  // Ids a client passes over are closed with that; clients that count by two never do.
  const std::int32_t expected = highest_ == 0 ? 1 : highest_ + 2;
  if (id > expected) {
    skipped_[skipped_next_] = {expected, id - 2};
    skipped_next_ = (skipped_next_ + 1) % skipped_.size();
  }
  highest_ = id;
}

bool StreamGuard::suspicious() noexcept {
  latest_ending_ = 0;
  const std::uint8_t type = head_[3];
  const std::int32_t id = (head_[5] & 0x7f) << 24 | head_[6] << 16 | head_[7] << 8 | head_[8];
  if (type != kData && type != kHeaders && type != kRstStream) return false;
  if ((id & 1) == 0) return false;
  const bool known = id <= highest_;
  if (type == kHeaders && !known) opened(id);
  const bool may_have_ended = (ending_ & bit_of(id)) != 0 || ending_of(id) != Ending::none;
  if (type == kRstStream || (head_[4] & kEndStream) != 0) latest_ending_ = bit_of(id);
  ending_ |= latest_ending_;
  return type != kRstStream && known && may_have_ended;
}

StreamGuard::Suspect StreamGuard::scan(std::string_view bytes, std::size_t& position) noexcept {
  while (position < bytes.size()) {
    if (payload_left_ > 0) {
      const std::size_t skip = std::min(payload_left_, bytes.size() - position);
      position += skip;
      payload_left_ -= skip;
      continue;
    }
    const std::size_t take = std::min(head_.size() - head_bytes_, bytes.size() - position);
    std::copy_n(bytes.data() + position, take, head_.data() + head_bytes_);
    head_bytes_ += take;
    position += take;
    if (head_bytes_ < head_.size()) break;
    head_bytes_ = 0;
    payload_left_ = static_cast<std::size_t>(head_[0] << 16 | head_[1] << 8 | head_[2]);
    if (!suspicious()) continue;
    const std::int32_t id = (head_[5] & 0x7f) << 24 | head_[6] << 16 | head_[7] << 8 | head_[8];
    return {.found = true, .offset = position - take, .id = id};
  }
  return {};
}

}  // namespace outrigger::net::http2
