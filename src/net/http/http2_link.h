#pragma once

#include <memory>

#include "base/loop.h"
#include "net/http/backlog.h"
#include "net/http2/session.h"
#include "net/pipe.h"
#include "net/transport.h"

/// What HTTP/2 connections of servers and clients share. Private to this room.
namespace outrigger::net::http {

/// Gives one stream of a session the bytes of a pipe. Lives in the owner of the stream; reset()
/// before the pipe or the session goes.
class PipeSource final : public http2::DataSource, Pipe::ConsumerEvents {
 public:
  /// Told when the pipe has something for a stream that may be waiting for it, or has broken off.
  class Owner {
   public:
    virtual void on_source_ready() = 0;
    virtual void on_source_broken() = 0;

   protected:
    ~Owner() = default;
  };
  ~PipeSource() override { reset(); }

  /// What waits in the pipe counts in `backlog`, if there is one, which must outlive this.
  void start(std::shared_ptr<Pipe> pipe, Owner& owner, Backlog* backlog = nullptr);
  void reset() noexcept;
  /// reset(), and the producer is told that nobody reads.
  void close() noexcept;
  [[nodiscard]] bool active() const noexcept { return pipe_ != nullptr; }
  /// Bytes of the pipe have been taken: they cannot be sent once more.
  [[nodiscard]] bool used() const noexcept { return used_; }

  Next next(std::size_t bytes_max) override;
  void take(std::string& out, std::size_t bytes) override;
  Headers trailers() override;

 private:
  void on_readable() override;
  void count() noexcept;
  std::shared_ptr<Pipe> pipe_;
  Owner* owner_ = nullptr;
  Backlog::Part waiting_;
  bool used_ = false;
};

/// Writes a session's frames to a transport, once a turn, as long as the transport takes them.
class SessionWriter final : public Loop::TurnEnd {
 public:
  SessionWriter(Transport& transport, std::function<void()> after)
      : transport_(transport), after_(std::move(after)) {}
  ~SessionWriter() { loop_.withdraw(*this); }

  void attach(http2::Session& session) noexcept { session_ = &session; }
  /// Writes at the end of this turn.
  void request() { loop_.at_turn_end(*this); }
  void stop() noexcept {
    loop_.withdraw(*this);
    session_ = nullptr;
  }

 private:
  void on_turn_end() override;
  Transport& transport_;
  Loop& loop_ = Loop::current();
  http2::Session* session_ = nullptr;
  std::function<void()> after_;
};

}  // namespace outrigger::net::http
