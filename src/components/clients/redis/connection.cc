#include "components/clients/redis/connection.h"

#include "base/duration.h"
#include "components/clients/redis/command.h"

namespace outrigger::components::redis {
namespace {

// A turn's commands beyond this leave at once: the buffer should not grow with a bulk write.
constexpr std::size_t kFlushBytes = std::size_t{256} * 1024;

}  // namespace

Call::~Call() {
  if (owner_ != nullptr) owner_->withdraw(*this);
}

Connection::Connection(std::unique_ptr<net::Transport> transport, Limits limits)
    : transport_(std::move(transport)),
      limits_(limits),
      answer_timer_([this] { check_time(); }),
      idle_timer_([this] { check_idle(); }) {
  transport_->start(*this);
  if (alive() && limits_.idle_check > Duration::zero()) idle_timer_.start(limits_.idle_check);
}

Connection::~Connection() {
  close(Error(Code::unavailable, "redis: the connection was closed"));
  on_push_ = nullptr;
}

void Connection::submit(Call& call, std::string_view command) {
  if (error_) return call.done_.set(std::unexpected(*error_));
  if (entries_.size() >= kOutstandingMax) {
    return call.done_.set(
        fail(Code::resource_exhausted, "redis: too many commands wait for " + peer().address));
  }
  call.owner_ = this;
  call.number_ = first_number_ + entries_.size();
  submit(command);
  if (call.owner_ == this) entries_.back().call = &call;
}

void Connection::submit(std::string_view command) {
  if (error_) return;
  Loop& loop = Loop::current();
  if (!messages_) entries_.push_back({.call = nullptr, .since = loop.now()});
  used_ = true;
  out_ += command;
  loop.at_turn_end(*this);
  if (!messages_ && limits_.answer > Duration::zero() && !answer_timer_.running()) {
    answer_timer_.start_at(loop.now() + limits_.answer);
  }
  if (out_.size() >= kFlushBytes) transport_->send(std::exchange(out_, {}));
}

Task<Result<>> Connection::wait_broken() {
  while (!error_) {
    auto woken = co_await broken_.wait();
    if (!woken) co_return fail(std::move(woken).error());
  }
  co_return Result<>();
}

void Connection::close(Error error) {
  if (error_) return;
  error_ = std::move(error);
  Loop::current().withdraw(*this);
  answer_timer_.stop();
  idle_timer_.stop();
  transport_->close();
  out_.clear();
  for (const Entry& entry : entries_) {
    if (entry.call == nullptr) continue;
    entry.call->owner_ = nullptr;
    entry.call->lost_ = true;
    entry.call->done_.set(std::unexpected(*error_));
  }
  first_number_ += entries_.size();
  entries_.clear();
  broken_.notify_all();
}

void Connection::on_bytes(std::string_view bytes) {
  parser_.feed(bytes);
  while (!error_) {
    auto reply = parser_.next();
    if (!reply) return close(std::move(reply).error());
    if (!*reply) return;
    deliver(std::move(**reply));
  }
}

void Connection::on_end() {
  close(Error(Code::unavailable, "redis: " + peer().address + " closed the connection: EOF"));
}

void Connection::on_turn_end() {
  if (!out_.empty()) transport_->send(std::exchange(out_, {}));
}

void Connection::deliver(Reply reply) {
  if (reply.type == Reply::Type::push || messages_) {
    if (on_push_) on_push_(std::move(reply));
    return;
  }
  if (entries_.empty()) {
    // Servers that refuse a client say so before any command, and hang up.
    if (reply.is_error()) return close(error_of(reply));
    return close(Error(Code::internal, "redis: a reply that nobody asked for"));
  }
  Call* call = entries_.front().call;
  entries_.pop_front();
  ++first_number_;
  if (call == nullptr) return;
  call->owner_ = nullptr;
  call->done_.set(std::move(reply));
}

void Connection::check_time() {
  if (entries_.empty()) return;
  const TimePoint due = entries_.front().since + limits_.answer;
  if (due > Loop::current().now()) return answer_timer_.start_at(due);
  close(Error(Code::unavailable, "redis: " + peer().address + " did not answer within " +
                                     format_duration(limits_.answer) + ": i/o timeout"));
}

void Connection::check_idle() {
  if (!std::exchange(used_, false) && entries_.empty() && !messages_) {
    static const Command ping = Command::keyless({"PING"});
    submit(ping.bytes());
    used_ = false;
  }
  if (alive()) idle_timer_.start(limits_.idle_check);
}

void Connection::withdraw(Call& call) noexcept {
  entries_[call.number_ - first_number_].call = nullptr;
}

}  // namespace outrigger::components::redis
