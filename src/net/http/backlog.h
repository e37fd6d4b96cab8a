#pragma once

#include <cstddef>
#include <memory>

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
  /// From so much on in all connections of a loop, those that are full and whose clients take
  /// nothing are given nothing more,
  static constexpr std::size_t kLoopFullBytes = 128 << 20;
  /// and from so much on none that is full.
  static constexpr std::size_t kLoopBytesMax = 256 << 20;
  /// Who has taken nothing for so long takes nothing.
  static constexpr Duration kPatience = std::chrono::seconds(2);
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
  /// The client has taken something.
  void taken() noexcept { taken_at_ = loop_->now(); }
  /// Full, and there is no room for more of this client's: what asks for it may be refused, and its
  /// answers dropped.
  [[nodiscard]] bool hopeless() const noexcept;
  /// So for this long.
  [[nodiscard]] bool hopeless_for(Duration time) const noexcept;
  /// How many more requests may be answered now although it is full.
  [[nodiscard]] int allowance() const noexcept;

 private:
  void count(std::size_t before, std::size_t now) noexcept;
  static std::shared_ptr<std::size_t> of_this_loop();
  const Loop* loop_ = &Loop::current();
  /// Of all that were made on this loop. A connection may outlive its loop.
  std::shared_ptr<std::size_t> loop_bytes_ = of_this_loop();
  std::size_t bytes_ = 0;
  std::size_t answers_ = 0;
  TimePoint taken_at_{};
};

}  // namespace outrigger::net::http
