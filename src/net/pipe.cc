#include "net/pipe.h"

#include <algorithm>
#include <cstring>

namespace outrigger::net {
namespace {
// Small pushes are gathered into chunks of about this size, so that a trickle of tiny frames does
// not become a trickle of tiny strings.
constexpr std::size_t kGatherBytes = 16 * 1024;
}  // namespace

bool Pipe::push(std::string_view bytes) {
  if (finished_ || closed_ || error_ || bytes.empty()) return !full();
  std::optional<Error> refusal;
  if (filter_) bytes = bytes.substr(0, filter_->on_bytes(bytes, refusal));
  append(bytes);
  if (refusal) {
    cut(*std::move(refusal));
    return true;
  }
  notify_consumer();
  return !full();
}

void Pipe::append(std::string_view bytes) {
  if (bytes.empty()) return;
  if (!chunks_.empty() && chunks_.back().size() + bytes.size() <= kGatherBytes) {
    chunks_.back().append(bytes);
  } else {
    chunks_.emplace_back(bytes);
  }
  bytes_ += bytes.size();
}

bool Pipe::push(std::string&& bytes) {
  if (bytes.size() < kGatherBytes || filter_) return push(std::string_view(bytes));
  if (finished_ || closed_ || error_) return !full();
  bytes_ += bytes.size();
  chunks_.push_back(std::move(bytes));
  notify_consumer();
  return !full();
}

void Pipe::finish(Headers trailers) {
  if (finished_ || error_) return;
  finished_ = true;
  trailers_ = std::move(trailers);
  tell_watcher();
  notify_consumer();
}

void Pipe::abort(Error error) {
  if (finished_ || error_) return;
  if (filter_) {
    if (auto trailers = filter_->on_error(error)) return finish(*std::move(trailers));
  }
  error_ = std::move(error);
  tell_watcher();
  notify_consumer();
  writable_.notify_all();
}

void Pipe::set_filter(std::unique_ptr<Filter> filter) {
  filter_ = std::move(filter);
  filter_held();
  if (!error_) return;
  if (auto trailers = filter_->on_error(*error_)) {
    error_.reset();
    finish(*std::move(trailers));
  }
}

void Pipe::filter_held() {
  std::size_t offset = head_offset_;
  for (std::size_t i = 0; i < chunks_.size(); ++i, offset = 0) {
    const std::string_view chunk = std::string_view(chunks_[i]).substr(offset);
    std::optional<Error> refusal;
    const std::size_t passed = filter_->on_bytes(chunk, refusal);
    if (!refusal) continue;
    for (; chunks_.size() > i + 1; chunks_.pop_back()) bytes_ -= chunks_.back().size();
    bytes_ -= chunk.size() - passed;
    chunks_[i].resize(offset + passed);
    if (passed == 0) chunks_.pop_back();
    if (chunks_.empty()) head_offset_ = 0;
    finished_ = false;
    error_.reset();
    return cut(*std::move(refusal));
  }
}

void Pipe::cut(Error error) {
  if (finished_ || error_ || closed_) return;
  abort(std::move(error));
  if (error_) {
    // Who would still be given these bytes is about to break off.
    chunks_.clear();
    head_offset_ = 0;
    bytes_ = 0;
    notify_consumer();
  }
  if (producer_ != nullptr) producer_->on_consumer_closed();
}

void Pipe::watch_end(Watcher watcher) {
  watcher_ = std::move(watcher);
  if (finished_ || error_ || closed_) tell_watcher();
}

void Pipe::tell_watcher() {
  if (!watcher_) return;
  Watcher watcher = std::move(watcher_);
  watcher_ = nullptr;
  watcher(finished_ ? &trailers_ : nullptr, error_ ? &*error_ : nullptr);
}

void Pipe::notify_consumer() {
  readable_.notify_all();
  if (consumer_ != nullptr) consumer_->on_readable();
}

Task<Result<>> Pipe::wait_writable() {
  while (!closed_ && !error_ && full()) {
    auto woken = co_await writable_.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
  }
  if (error_) co_return std::unexpected(*error_);
  if (closed_) co_return fail(Code::cancelled, "the reader of the stream has gone away");
  co_return Result<>();
}

Task<Result<>> Pipe::write(std::string bytes) {
  auto room = co_await wait_writable();
  if (room) push(std::move(bytes));
  co_return room;
}

std::string Pipe::take(std::size_t limit) {
  std::string out;
  if (bytes_ == 0 || limit == 0) return out;
  if (head_offset_ == 0 && chunks_.front().size() <= limit) {
    out = std::move(chunks_.front());
    chunks_.pop_front();
    taken(out.size());
    return out;
  }
  out.resize(std::min(limit, chunks_.front().size() - head_offset_));
  take_into(out.data(), out.size());
  return out;
}

std::size_t Pipe::take_into(char* out, std::size_t limit) {
  std::size_t copied = 0;
  while (copied < limit && !chunks_.empty()) {
    std::string& chunk = chunks_.front();
    const std::size_t part = std::min(limit - copied, chunk.size() - head_offset_);
    std::memcpy(out + copied, chunk.data() + head_offset_, part);
    copied += part;
    head_offset_ += part;
    if (head_offset_ == chunk.size()) {
      chunks_.pop_front();
      head_offset_ = 0;
    }
  }
  if (copied != 0) taken(copied);
  return copied;
}

void Pipe::taken(std::size_t bytes) {
  bytes_ -= bytes;
  taken_bytes_ += bytes;
  if (bytes_ <= high_water_ / 2) writable_.notify_all();
  if (producer_ != nullptr) producer_->on_taken(bytes);
}

Task<Result<std::string>> Pipe::read() {
  while (bytes_ == 0 && !ended()) {
    want();
    auto woken = co_await readable_.wait();
    if (!woken) co_return std::unexpected(std::move(woken).error());
  }
  if (bytes_ == 0 && error_) co_return std::unexpected(*error_);
  co_return take();
}

Task<Result<std::string>> Pipe::read_all(std::size_t limit_bytes) {
  std::string all;
  for (;;) {
    auto part = co_await read();
    if (!part) co_return part;
    if (part->empty()) co_return all;
    if (all.size() + part->size() > limit_bytes) {
      close();
      co_return fail(Code::resource_exhausted, "message body is larger than the limit of " +
                                                   std::to_string(limit_bytes) + " bytes");
    }
    if (all.empty()) {
      all = *std::move(part);
    } else {
      all += *part;
    }
  }
}

void Pipe::close() noexcept {
  if (closed_) return;
  closed_ = true;
  chunks_.clear();
  head_offset_ = 0;
  bytes_ = 0;
  tell_watcher();
  writable_.notify_all();
  if (producer_ != nullptr) producer_->on_consumer_closed();
}

}  // namespace outrigger::net
