#include <array>
#include <cerrno>
#include <deque>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/transport.h"

namespace outrigger::net {
namespace {

// What one read may bring: a loop's connections share the buffer, for the bytes are only lent.
constexpr std::size_t kReadBytes = 64 * 1024;
// Reads of one connection in a turn, so that a fast sender cannot starve the others.
constexpr int kReadsPerTurn = 4;
// Small sends are gathered into one piece up to this size.
constexpr std::size_t kGatherBytes = 16 * 1024;
constexpr std::size_t kPiecesPerCall = 16;
// An owner that has so much unsent may be holding back: it is told when all of it has left.
constexpr std::size_t kNotifyBytes = 64 * 1024;

char* read_buffer() {
  thread_local const std::unique_ptr<char[]> buffer(new char[kReadBytes]);
  return buffer.get();
}

Error broken(const Peer& peer, const char* doing, int error) {
  return {Code::unavailable,
          std::string(doing) + " " + peer.address + ": " + std::system_category().message(error)};
}

class SocketTransport final : public Transport, FdWatch::Handler, Loop::TurnEnd {
 public:
  SocketTransport(int fd, Peer peer) : fd_(fd), peer_(std::move(peer)), loop_(Loop::current()) {}
  ~SocketTransport() override {
    close();
    if (gone_ != nullptr) *gone_ = true;
  }

  void start(Events& events) override {
    if (std::exchange(events_, &events) != nullptr) return pause_reading(false);
    auto opened = watch_.open(fd_, *this, true, false);
    OUT_ASSERT(opened.has_value());
  }

  void pause_reading(bool paused) override {
    paused_ = paused;
    update_watch();
  }

  void acknowledge() noexcept override {
    const int at_once = 1;  // Of no meaning on a Unix socket, which refuses it.
    if (fd_ >= 0) ::setsockopt(fd_, IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
  }

  bool peer_ended() const noexcept override {
    pollfd question{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return fd_ < 0 || ::poll(&question, 1, 0) == 1;
  }

  void send(std::string bytes) override {
    if (fd_ < 0 || finishing_ || bytes.empty()) return;
    unsent_ += bytes.size();
    if (!out_.empty() && out_.back().size() + bytes.size() <= kGatherBytes) {
      out_.back() += bytes;
    } else {
      out_.push_back(std::move(bytes));
    }
    if (unsent_ >= kNotifyBytes) drain_owed_ = true;
    if (!blocked_) loop_.at_turn_end(*this);
  }

  std::size_t unsent() const noexcept override { return unsent_; }

  void finish_sending() override {
    finishing_ = true;
    if (fd_ >= 0 && !blocked_) loop_.at_turn_end(*this);
  }

  void close() noexcept override {
    loop_.withdraw(*this);
    watch_.close();
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    out_.clear();
    unsent_ = 0;
  }

  void close_behind_last_word() noexcept override {
    if (fd_ >= 0 && !blocked_ && !out_.empty()) {
      const std::string_view word = std::string_view(out_.front()).substr(sent_of_first_);
      [[maybe_unused]] const auto sent = ::send(fd_, word.data(), word.size(), MSG_NOSIGNAL);
    }
    close();
  }

  void reset() noexcept override {
    // Behind what a peer that does not read has not taken, an orderly end would wait for ever.
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  const Peer& peer() const noexcept override { return peer_; }

 private:
  void on_ready(bool readable, bool writable) override {
    bool gone = false;
    gone_ = &gone;
    if (writable && blocked_) {
      blocked_ = false;
      flush();
    }
    if (!gone && fd_ >= 0 && readable) read();
    if (gone) return;
    gone_ = nullptr;
    if (fd_ >= 0) update_watch();
  }

  void read() {
    bool& gone = *gone_;
    for (int i = 0; i < kReadsPerTurn && !paused_ && !ended_; ++i) {
      const ssize_t count = ::recv(fd_, read_buffer(), kReadBytes, 0);
      if (count > 0) {
        events_->on_bytes({read_buffer(), static_cast<std::size_t>(count)});
        if (gone || fd_ < 0 || static_cast<std::size_t>(count) < kReadBytes) return;
        continue;
      }
      if (count == 0) {
        ended_ = true;
        events_->on_end();
      } else if (errno != EAGAIN && errno != EINTR) {
        fail_with(broken(peer_, "reading from", errno));
      }
      return;
    }
    // A hang-up while paused or after the end: level-triggered, it would be told again and again.
    if (paused_ || ended_) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        fail_with(broken(peer_, "reading from", error));
      } else if (!blocked_) {
        watch_.close();
      }
    }
  }

  void on_turn_end() override {
    bool gone = false;
    bool* const outer = std::exchange(gone_, &gone);
    flush();
    if (gone) return;
    gone_ = outer;
    if (fd_ >= 0) update_watch();
  }

  void flush() {
    while (!out_.empty()) {
      std::array<iovec, kPiecesPerCall> pieces;
      std::size_t count = 0;
      for (const std::string& piece : out_) {
        const std::size_t skip = count == 0 ? sent_of_first_ : 0;
        pieces[count++] = {const_cast<char*>(piece.data()) + skip, piece.size() - skip};
        if (count == kPiecesPerCall) break;
      }
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = count;
      const ssize_t sent = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return fail_with(broken(peer_, "writing to", errno));
        blocked_ = drain_owed_ = true;
        return;
      }
      drop_sent(static_cast<std::size_t>(sent));
    }
    const bool drained = std::exchange(drain_owed_, false);
    if (finishing_ && !shut_) {
      shut_ = true;
      ::shutdown(fd_, SHUT_WR);
    }
    if (drained && events_ != nullptr) events_->on_drained();
  }

  void drop_sent(std::size_t bytes) {
    unsent_ -= bytes;
    while (bytes > 0) {
      const std::size_t left = out_.front().size() - sent_of_first_;
      if (bytes < left) {
        sent_of_first_ += bytes;
        return;
      }
      bytes -= left;
      sent_of_first_ = 0;
      out_.pop_front();
    }
  }

  void update_watch() {
    if (events_ == nullptr || fd_ < 0) return;
    const bool readable = !paused_ && !ended_;
    if (!watch_.is_open()) {
      if (!readable && !blocked_) return;
      auto opened = watch_.open(fd_, *this, readable, blocked_);
      if (!opened) fail_with(opened.error());
      return;
    }
    watch_.want(readable, blocked_);
  }

  void fail_with(const Error& error) {
    Events* events = events_;
    const std::size_t left = unsent_;
    close();
    unsent_ = left;
    if (events != nullptr) events->on_error(error);
  }

  int fd_;
  Peer peer_;
  Loop& loop_;
  Events* events_ = nullptr;
  FdWatch watch_;
  std::deque<std::string> out_;
  std::size_t sent_of_first_ = 0;
  std::size_t unsent_ = 0;
  bool blocked_ = false;     // The kernel's buffer is full: waiting for it.
  bool drain_owed_ = false;  // on_drained() is.
  bool paused_ = false;
  bool ended_ = false;
  bool finishing_ = false;
  bool shut_ = false;
  bool* gone_ = nullptr;  // Set to true by the destructor while a callback is running.
};

}  // namespace

std::unique_ptr<Transport> make_socket_transport(int fd, Peer peer) {
  return std::make_unique<SocketTransport>(fd, std::move(peer));
}

}  // namespace outrigger::net
