#pragma once

#include <cstddef>

#include "base/loop.h"

/// Private to this room.
namespace outrigger::net::http {

/// What a server's HTTP/2 connection keeps of answers that its client has not taken yet. HTTP/2
/// lets a client ask on many streams and open no window for the answers: it must not fill memory by
/// that. One object per connection; its loop also knows the sum over all its connections. Used on
/// the loop it was made on.
class Backlog {
 public:
  /// From so much on, in so many answers at least, further requests of the connection wait: a link
  /// that is read at all is busy with that, and one large answer that is read slowly holds nobody
  /// up.
  static constexpr std::size_t kFullBytes = 8 << 20;
  static constexpr std::size_t kFullAnswers = 8;
  /// From so much on in all connections of a loop, those that are full are given nothing more.
  static constexpr std::size_t kLoopFullBytes = 128 << 20;
  /// What a stream costs beside its answer's body (measured).
  static constexpr std::size_t kStreamBytes = 12 * 1024;

  Backlog() = default;
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;
  ~Backlog();

  /// One answer's part. Must go before the backlog does.
  class Part {
   public:
    Part() = default;
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;
    ~Part() { set(0); }
    /// Once, before the first set(); without one nothing is counted.
    void belongs_to(Backlog& backlog) noexcept { backlog_ = &backlog; }
    void set(std::size_t bytes) noexcept;

   private:
    Backlog* backlog_ = nullptr;
    std::size_t bytes_ = 0;
  };

  [[nodiscard]] bool full() const noexcept {
    return bytes_ >= kFullBytes && answers_ >= kFullAnswers;
  }
  [[nodiscard]] static bool loop_full() noexcept;
  /// Below a quarter of that.
  [[nodiscard]] static bool loop_at_ease() noexcept;

 private:
  void count(std::size_t before, std::size_t now) noexcept;
  const Loop* loop_ = &Loop::current();
  std::size_t bytes_ = 0;
  std::size_t answers_ = 0;
};

}  // namespace outrigger::net::http
