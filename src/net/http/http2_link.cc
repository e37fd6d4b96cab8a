#include "net/http/http2_link.h"

#include "net/http/connection.h"

namespace outrigger::net::http {
namespace {
// What one pull makes at most: a few frames, so that a piece is large but not a burden.
constexpr std::size_t kPullBytes = 64 * 1024;
}  // namespace

void PipeSource::start(std::shared_ptr<Pipe> pipe, Owner& owner, Backlog* backlog) {
  pipe_ = std::move(pipe);
  owner_ = &owner;
  if (backlog != nullptr) waiting_.belongs_to(*backlog);
  pipe_->set_consumer(this);
  count();
}

void PipeSource::count() noexcept {
  const std::size_t bytes = pipe_ ? pipe_->available() : 0;
  waiting_.set(bytes == 0 ? 0 : bytes + Backlog::kStreamBytes);
}

void PipeSource::reset() noexcept {
  if (pipe_) pipe_->set_consumer(nullptr);
  pipe_.reset();
  count();
}

void PipeSource::close() noexcept {
  if (!pipe_) return;
  const std::shared_ptr<Pipe> pipe = std::move(pipe_);
  pipe_.reset();
  count();
  pipe->set_consumer(nullptr);
  pipe->close();
}

http2::DataSource::Next PipeSource::next(std::size_t bytes_max) {
  if (!pipe_) return {0, false};
  const std::size_t bytes = std::min(bytes_max, pipe_->available());
  if (bytes == 0 && pipe_->error() != nullptr) owner_->on_source_broken();
  return {bytes, pipe_->finished() && bytes == pipe_->available()};
}

void PipeSource::take(std::string& out, std::size_t bytes) {
  used_ = true;
  const std::size_t before = out.size();
  out.resize(before + bytes);
  pipe_->take_into(out.data() + before, bytes);
  count();
}

Headers PipeSource::trailers() { return pipe_ ? pipe_->trailers() : Headers(); }

void PipeSource::on_readable() {
  count();
  if (pipe_->error() != nullptr) return owner_->on_source_broken();
  owner_->on_source_ready();
}

void SessionWriter::on_turn_end() {
  if (session_ == nullptr) return;
  while (transport_.unsent() < kSendHighWaterBytes && session_->wants_write()) {
    std::string out;
    if (session_->pull(out, kPullBytes) == 0) break;
    transport_.send(std::move(out));
  }
  after_();
}

}  // namespace outrigger::net::http
