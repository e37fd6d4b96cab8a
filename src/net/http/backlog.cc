#include "net/http/backlog.h"

#include "base/error.h"

namespace outrigger::net::http {

std::shared_ptr<std::size_t> Backlog::of_this_loop() {
  // A thread runs one loop.
  thread_local const auto bytes = std::make_shared<std::size_t>(0);
  return bytes;
}

Backlog::~Backlog() { OUT_ASSERT(bytes_ == 0 && answers_ == 0); }

void Backlog::count(std::size_t before, std::size_t now) noexcept {
  if (bytes_ == 0) taken();
  if (before == 0) ++answers_;
  if (now == 0) --answers_;
  bytes_ += now - before;
  *loop_bytes_ += now - before;
}

void Backlog::Part::set(std::size_t bytes) noexcept {
  if (backlog_ == nullptr || bytes == bytes_) return;
  backlog_->count(bytes_, bytes);
  bytes_ = bytes;
}

bool Backlog::hopeless() const noexcept {
  if (!full() || *loop_bytes_ < kLoopFullBytes) return false;
  return *loop_bytes_ >= kLoopBytesMax || loop_->now() - taken_at_ >= kPatience;
}

bool Backlog::hopeless_for(Duration time) const noexcept {
  return hopeless() && loop_->now() - taken_at_ >= time;
}

int Backlog::allowance() const noexcept {
  constexpr int kMany = 16;
  if (*loop_bytes_ < kLoopFullBytes / 4) return kMany;
  return *loop_bytes_ < kLoopFullBytes ? 1 : 0;
}

}  // namespace outrigger::net::http
