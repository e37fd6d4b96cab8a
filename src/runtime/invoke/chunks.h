#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/scope.h"
#include "net/grpc/frame.h"
#include "net/message.h"
#include "runtime/invoke/envelope.h"

/// Bodies as the chunks of CallLocalStream, in both directions and with constant memory: what is
/// not taken at one end stops the other.
namespace outrigger::runtime::invoke {

/// The body bytes that one message of ours carries at most: few enough for a receiver whose
/// message limit is set low, many enough to cost little. Upstream's are 2048 bytes long.
inline constexpr std::size_t kChunkBytes = 32 * 1024;

/// Upstream's word for a request's body above --max-body-size.
inline constexpr std::string_view kTooLarge = "stream too large";

/// Appends one framed message with the request or reply, and as much of `data` as one chunk takes,
/// and more messages for the rest. Gives the number of the next chunk.
std::uint64_t append_request(std::string& out, const RequestView& request, std::string_view data);
std::uint64_t append_reply(std::string& out, const Reply& reply, std::string_view data);
/// Appends messages that follow others; counts `seq` up.
void append_chunks(std::string& out, std::string_view data, std::uint64_t& seq);

/// What was sent of a body that comes as a stream, so that another attempt can send it again. Lost
/// once it is more than a pipe may hold: the body then cannot be repeated.
struct Replay {
  std::string bytes;
  bool wanted = true;
  bool lost = false;
  void add(std::string_view more);
  /// The attempt went well: nothing need be kept.
  void release();
};

/// Reads a body and writes it as chunks. Ends with `source`; ends too, and closes it, when nobody
/// reads `out` any more.
class ChunkWriter final : net::Pipe::ProducerEvents {
 public:
  struct Settings {
    std::shared_ptr<net::Pipe> source;
    std::shared_ptr<net::Pipe> out;
    std::uint64_t next_seq = 0;
    std::shared_ptr<Replay> replay;  ///< nullptr: nothing is kept.
    std::size_t body_bytes_max = 0;  ///< 0: no limit.
    bool framed = true;              ///< Otherwise the bytes go out as they came.
  };
  /// `parent` must outlive this object.
  ChunkWriter(Settings settings, Cancellation& parent);
  ~ChunkWriter();

  /// `done` is to finish or abort `out`. Its error is the source's, or says who left.
  using Done = std::move_only_function<void(Result<> result)>;
  static void start(Scope& scope, std::shared_ptr<ChunkWriter> writer, Done done);
  /// The body was longer than it may be, which is why it was broken off.
  [[nodiscard]] bool too_large() const noexcept { return too_large_; }
  /// Ends without `done` and without closing the source; returns when it has ended.
  Task<void> stop();

 private:
  static Task<void> run(std::shared_ptr<ChunkWriter> self, Done done);
  Task<Result<>> pump();
  void on_taken(std::size_t) override {}
  void on_consumer_closed() override { cancellation_.request(); }

  Settings settings_;
  Cancellation cancellation_;
  Completion<> ended_;
  std::size_t body_bytes_ = 0;
  bool stopped_ = false;
  bool too_large_ = false;
};

/// Reads chunks and gives the body that they carry: whole if it has come, else as a stream that
/// is written by a task.
class ChunkReader final : net::Pipe::ProducerEvents,
                          public std::enable_shared_from_this<ChunkReader> {
 public:
  /// Which messages the chunks are.
  enum class Kind : std::uint8_t { request, reply };
  struct Settings {
    Kind kind = Kind::request;
    std::string encoding;  ///< grpc-encoding.
    std::size_t message_bytes_max = net::grpc::kDefaultMessageBytesMax;
    /// Called at the orderly end with the trailers: an error is the body's.
    std::function<Result<>(const net::Headers& trailers)> check_end;
  };
  /// `parent` must outlive this object.
  ChunkReader(Settings settings, net::Body source, Cancellation& parent);
  ~ChunkReader();

  /// The next message, without waiting; nullopt if there is none yet, or no more if at_end(). Lives
  /// until the next call. Errors are those of framing and compression.
  Result<std::optional<std::string_view>> message();
  [[nodiscard]] bool at_end() const noexcept { return source_ended_; }
  /// Valid at the end.
  [[nodiscard]] const net::Headers& trailers() const noexcept;
  /// Waits for more bytes, or for the end.
  Task<Result<>> fill();

  /// The body, from the first chunk's payload on. Called once, with `this` in a shared_ptr.
  Result<net::Body> body(const std::optional<Payload>& first, Scope& scope);

 private:
  static Task<void> run(std::shared_ptr<ChunkReader> self);
  Task<Result<>> pump();
  bool fill_now();
  Result<> drain(std::string& out);
  Result<> take(const std::optional<Payload>& payload, std::string& out);
  Result<> take_message(std::string_view bytes, std::string& out);
  void on_taken(std::size_t) override {}
  void on_consumer_closed() override { cancellation_.request(); }

  Settings settings_;
  net::Body source_;
  Cancellation cancellation_;
  net::grpc::Deframer deframer_;
  std::shared_ptr<net::Pipe> out_;
  std::string chunk_;
  std::string scratch_;
  std::uint64_t next_seq_ = 0;
  bool source_ended_ = false;
};

/// Waits for a body that is declared to be short (16 KiB), so that it is whole and needs no task on
/// its way. If its connection ends in order before its declared length, its bytes count as the
/// whole body: upstream has it so, for applications whose Content-Length is wrong. One that breaks
/// off otherwise, or is longer, stays what it is: its bytes, and then the error.
Task<void> gather(net::Body& body, std::optional<std::uint64_t> declared_length);

/// Breaks a body of unknown length off, as an error of upstream's words, once it is longer than
/// `bytes_max`.
void limit(Scope& scope, net::Body& body, std::size_t bytes_max);

/// Puts bytes that were read back before the rest of the body, which is a stream.
void prepend(Scope& scope, net::Body& body, std::string bytes);

}  // namespace outrigger::runtime::invoke
