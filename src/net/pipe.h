#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/sync.h"
#include "net/headers.h"

namespace outrigger::net {

/// A one-way stream of bytes between a producer and a consumer on one loop, with trailers at its
/// end: every message body that does not fit in memory at once is one. A connection at either end
/// uses the callbacks, a coroutine the awaitables; a proxy hands the pipe of one connection to
/// another and touches no byte. The producer is told to stop above the high-water mark and to go on
/// once half of it is taken.
class Pipe {
 public:
  /// 256 KiB: a few reads of a connection; what one stalled stream may hold in memory.
  static constexpr std::size_t kHighWaterBytes = 256 * 1024;

  explicit Pipe(std::size_t high_water_bytes = kHighWaterBytes) : high_water_(high_water_bytes) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  /// @name The producer's end
  /// @{
  /// Appends; false if the pipe is above its mark (the bytes are taken all the same). Bytes that
  /// come after the end or after the consumer left are dropped.
  bool push(std::string_view bytes);
  bool push(std::string&& bytes);
  /// The orderly end.
  void finish(Headers trailers = {});
  /// The end by an error: the consumer sees it after the bytes before it.
  void abort(Error error);
  /// Waits until there is room. An error if the consumer has left.
  Task<Result<>> wait_writable();
  /// Waits for room, then appends.
  Task<Result<>> write(std::string bytes);
  [[nodiscard]] bool full() const noexcept { return bytes_ >= high_water_; }
  /// Called when the pipe has fallen below half its mark after having been full, and (with the
  /// number of bytes) whenever the consumer takes some: for giving back flow-control windows.
  class ProducerEvents {
   public:
    virtual void on_taken(std::size_t bytes) = 0;
    /// The consumer wants no more; nothing will be read.
    virtual void on_consumer_closed() = 0;
    /// Somebody waits for bytes, for the first time or again.
    virtual void on_wanted() {}

   protected:
    ~ProducerEvents() = default;
  };
  void set_producer(ProducerEvents* events) noexcept { producer_ = events; }
  /// @}

  /// Stands in the middle of a pipe that passes from one connection to another.
  class Filter {
   public:
    virtual ~Filter() = default;
    /// Sees bytes before they are taken in; how many of them may be. If not all, `error` must say
    /// why: the stream ends with it, and the producer hears that nobody reads any more.
    virtual std::size_t on_bytes(std::string_view bytes, std::optional<Error>& error) = 0;
    /// The stream is about to end in an error: trailers to end it with in good order, or nothing.
    virtual std::optional<Headers> on_error(const Error& error) = 0;
  };
  /// Sees also what is in the pipe already; call it before the consumer takes anything.
  void set_filter(std::unique_ptr<Filter> filter);

  /// For whoever stands at neither end: called once when the stream is over, with the trailers if
  /// its end was orderly, with the error if the producer aborted, with neither if the consumer
  /// left first. Called at once if the producer has ended it already.
  using Watcher = std::move_only_function<void(const Headers* trailers, const Error* error)>;
  void watch_end(Watcher watcher);

  /// For whoever stands at neither end, too: the stream ends here and now, for the consumer with
  /// this error in place of what it has not taken yet, while the producer hears that nobody reads.
  /// Nothing if it has ended already, or the consumer has left.
  void cut(Error error);

  /// @name The consumer's end
  /// @{
  /// The next bytes as they came; an empty string at the end (trailers() is then valid); the
  /// producer's error if it aborted.
  Task<Result<std::string>> read();
  /// All that is left, as one string. Code::resource_exhausted above `limit_bytes`.
  Task<Result<std::string>> read_all(std::size_t limit_bytes);
  /// Takes what is there, without waiting, up to `limit` bytes; may be empty.
  std::string take(std::size_t limit = static_cast<std::size_t>(-1));
  /// Copies up to `limit` bytes to `out`; the number copied.
  std::size_t take_into(char* out, std::size_t limit);
  /// True when all bytes are taken and the orderly end is reached.
  [[nodiscard]] bool at_end() const noexcept { return finished_ && bytes_ == 0; }
  /// The producer's error, once all bytes before it are taken; nullptr otherwise.
  [[nodiscard]] const Error* error() const noexcept {
    return error_ && bytes_ == 0 ? &*error_ : nullptr;
  }
  [[nodiscard]] std::size_t available() const noexcept { return bytes_; }
  /// All bytes so far: those that were taken, and those that are there.
  [[nodiscard]] std::uint64_t passed() const noexcept { return taken_bytes_ + bytes_; }
  [[nodiscard]] bool ended() const noexcept { return finished_ || error_.has_value(); }
  /// The producer has finished; bytes may still be there.
  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] const Headers& trailers() const noexcept { return trailers_; }
  /// No more will be read: drops what is there and tells the producer.
  void close() noexcept;
  /// Called (not re-entrantly protected: only note it) when bytes, the end or an error came.
  class ConsumerEvents {
   public:
    virtual void on_readable() = 0;

   protected:
    ~ConsumerEvents() = default;
  };
  void set_consumer(ConsumerEvents* events) noexcept {
    consumer_ = events;
    if (events != nullptr && bytes_ == 0 && !ended()) want();
  }
  /// @}

 private:
  void notify_consumer();
  void want() noexcept {
    if (producer_ != nullptr) producer_->on_wanted();
  }
  void tell_watcher();
  void append(std::string_view bytes);
  void filter_held();
  void taken(std::size_t bytes);
  std::deque<std::string> chunks_;
  std::size_t head_offset_ = 0;  // Bytes of the first chunk already taken.
  std::size_t bytes_ = 0;
  std::uint64_t taken_bytes_ = 0;
  std::size_t high_water_;
  bool finished_ = false;
  bool closed_ = false;
  std::optional<Error> error_;
  Headers trailers_;
  ProducerEvents* producer_ = nullptr;
  ConsumerEvents* consumer_ = nullptr;
  std::unique_ptr<Filter> filter_;
  Watcher watcher_;
  Signal readable_;
  Signal writable_;
};

}  // namespace outrigger::net
