#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "net/transport.h"

namespace outrigger::fuzz {

/// A transport without a kernel: what is sent is dropped, at once or (a slow reader) when drain()
/// is called; what arrives is given by the fuzz target.
class MemoryTransport final : public net::Transport {
 public:
  enum class Reader : std::uint8_t { fast, slow };
  explicit MemoryTransport(Reader reader) : reader_(reader) {}

  void start(Events& events) override { events_ = &events; }
  void pause_reading(bool paused) override { paused_ = paused; }
  void send(std::string bytes) override {
    if (reader_ == Reader::slow) unsent_ += bytes.size();
    sent_ += bytes.size();
  }
  [[nodiscard]] std::size_t unsent() const noexcept override { return unsent_; }
  void finish_sending() override {}
  void close() noexcept override { closed_ = true; }
  [[nodiscard]] const net::Peer& peer() const noexcept override { return peer_; }

  [[nodiscard]] bool paused() const noexcept { return paused_; }
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// All that was ever sent.
  [[nodiscard]] std::size_t sent() const noexcept { return sent_; }
  /// The owner that was given to start().
  [[nodiscard]] Events& events() const noexcept { return *events_; }
  /// The peer takes what is there.
  void drain() {
    if (!closed_ && std::exchange(unsent_, 0) != 0 && events_ != nullptr) events_->on_drained();
  }

 private:
  const Reader reader_;
  Events* events_ = nullptr;
  net::Peer peer_{.address = "127.0.0.1:4711"};
  std::size_t unsent_ = 0;
  std::size_t sent_ = 0;
  bool paused_ = false;
  bool closed_ = false;
};

}  // namespace outrigger::fuzz
