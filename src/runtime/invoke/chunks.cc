#include "runtime/invoke/chunks.h"

#include "runtime/invoke/status.h"

namespace outrigger::runtime::invoke {
namespace {

template <class Head>
std::uint64_t append_with_head(std::string& out, std::string_view data, Head&& encode) {
  std::uint64_t seq = 0;
  std::optional<Payload> payload;
  if (!data.empty()) payload = Payload{.data = data.substr(0, kChunkBytes), .seq = seq++};
  const std::size_t mark = net::grpc::open_frame(out);
  encode(payload);
  net::grpc::seal_frame(out, mark);
  if (data.size() > kChunkBytes) append_chunks(out, data.substr(kChunkBytes), seq);
  return seq;
}

}  // namespace

std::uint64_t append_request(std::string& out, const RequestView& request, std::string_view data) {
  return append_with_head(out, data, [&](const std::optional<Payload>& payload) {
    encode_request_chunk(out, &request, payload);
  });
}

std::uint64_t append_reply(std::string& out, const Reply& reply, std::string_view data) {
  return append_with_head(out, data, [&](const std::optional<Payload>& payload) {
    encode_reply_chunk(out, &reply, payload);
  });
}

void append_chunks(std::string& out, std::string_view data, std::uint64_t& seq) {
  while (!data.empty()) {
    const std::string_view part = data.substr(0, kChunkBytes);
    data.remove_prefix(part.size());
    const std::size_t mark = net::grpc::open_frame(out);
    // A payload alone is the same bytes in a request and in a reply.
    encode_request_chunk(out, nullptr, Payload{.data = part, .seq = seq++});
    net::grpc::seal_frame(out, mark);
  }
}

void Replay::add(std::string_view more) {
  if (!wanted || lost) return;
  if (bytes.size() + more.size() > 2 * net::Pipe::kHighWaterBytes) {
    lost = true;
    bytes = std::string();
    return;
  }
  bytes += more;
}

void Replay::release() {
  wanted = false;
  bytes = std::string();
}

ChunkWriter::ChunkWriter(Settings settings, Cancellation& parent)
    : settings_(std::move(settings)), cancellation_(&parent) {
  settings_.out->set_producer(this);
}

ChunkWriter::~ChunkWriter() { settings_.out->set_producer(nullptr); }

void ChunkWriter::start(Scope& scope, std::shared_ptr<ChunkWriter> writer, Done done) {
  scope.spawn(run(std::move(writer), std::move(done)));
}

Task<void> ChunkWriter::stop() {
  stopped_ = true;
  cancellation_.request();
  // Not cancelled itself: what it waits for is under way.
  Cancellation none;
  const auto wait = [](ChunkWriter* self) -> Task<void> { (void)co_await self->ended_.wait(); };
  co_await wait(this).under(none);
}

Task<void> ChunkWriter::run(std::shared_ptr<ChunkWriter> self, Done done) {
  auto result = co_await self->pump().under(self->cancellation_);
  self->settings_.out->set_producer(nullptr);
  if (!self->stopped_) {
    if (!result) self->settings_.source->close();
    done(std::move(result));
  }
  self->ended_.set({});
}

Task<Result<>> ChunkWriter::pump() {
  net::Pipe& source = *settings_.source;
  for (;;) {
    auto bytes = co_await source.read();
    if (!bytes) co_return std::unexpected(std::move(bytes).error());
    if (bytes->empty()) co_return Result<>();
    while (bytes->size() < kChunkBytes && source.available() != 0) {
      *bytes += source.take(kChunkBytes - bytes->size());
    }
    body_bytes_ += bytes->size();
    if (settings_.body_bytes_max != 0 && body_bytes_ > settings_.body_bytes_max) {
      too_large_ = true;
      co_return fail(Code::resource_exhausted, std::string(kTooLarge));
    }
    if (settings_.replay) settings_.replay->add(*bytes);
    std::string out;
    if (settings_.framed) {
      append_chunks(out, *bytes, settings_.next_seq);
    } else {
      out = *std::move(bytes);
    }
    auto written = co_await settings_.out->write(std::move(out));
    if (!written) co_return written;
  }
}

ChunkReader::ChunkReader(Settings settings, net::Body source, Cancellation& parent)
    : settings_(std::move(settings)),
      source_(std::move(source)),
      cancellation_(&parent),
      deframer_(settings_.message_bytes_max) {
  if (source_.is_stream()) return;
  chunk_ = std::move(source_.whole);
  deframer_.feed(chunk_);
  source_ended_ = true;
}

ChunkReader::~ChunkReader() {
  if (out_) out_->set_producer(nullptr);
  if (source_.is_stream() && !source_ended_) source_.stream->close();
}

const net::Headers& ChunkReader::trailers() const noexcept {
  return source_.is_stream() ? source_.stream->trailers() : source_.trailers;
}

Result<std::optional<std::string_view>> ChunkReader::message() {
  OUT_TRY(const auto frame, deframer_.next());
  if (!frame) {
    if (source_ended_ && deframer_.partial()) return fail(Code::internal, "unexpected EOF");
    return std::optional<std::string_view>();
  }
  const auto side =
      settings_.kind == Kind::request ? net::grpc::Side::server : net::grpc::Side::client;
  OUT_TRY(const auto bytes,
          message_of(*frame, settings_.encoding, side, settings_.message_bytes_max, scratch_));
  return std::optional<std::string_view>(bytes);
}

Task<Result<>> ChunkReader::fill() {
  auto bytes = co_await source_.stream->read();
  if (!bytes) co_return std::unexpected(std::move(bytes).error());
  chunk_ = *std::move(bytes);
  source_ended_ = chunk_.empty();
  deframer_.feed(chunk_);
  co_return Result<>();
}

bool ChunkReader::fill_now() {
  if (source_ended_) return false;
  if (source_.stream->available() != 0) {
    chunk_ = source_.stream->take();
    deframer_.feed(chunk_);
    return true;
  }
  source_ended_ = source_.stream->at_end();
  return source_ended_;
}

Result<> ChunkReader::take(const std::optional<Payload>& payload, std::string& out) {
  if (!payload) return {};
  if (payload->seq != next_seq_) {
    return fail(Code::unknown, "invalid sequence number received: " + std::to_string(payload->seq) +
                                   " (expected: " + std::to_string(next_seq_) + ")");
  }
  ++next_seq_;
  out.append(payload->data);
  return {};
}

Result<> ChunkReader::take_message(std::string_view bytes, std::string& out) {
  if (settings_.kind == Kind::request) {
    OUT_TRY(const auto chunk, decode_request_chunk(bytes));
    if (!chunk.has_request) return take(chunk.payload, out);
    return fail(Code::unknown, "request metadata found in non-leading chunk");
  }
  OUT_TRY(const auto chunk, decode_reply_chunk(bytes));
  if (!chunk.has_reply) return take(chunk.payload, out);
  return fail(Code::unknown, "response metadata found in non-leading chunk");
}

/// All messages that are there; then, at the end, what the trailers say.
Result<> ChunkReader::drain(std::string& out) {
  for (;;) {
    OUT_TRY(const auto bytes, message());
    if (!bytes) break;
    OUT_CHECK(take_message(*bytes, out));
  }
  if (source_ended_ && settings_.check_end) return settings_.check_end(trailers());
  return {};
}

Result<net::Body> ChunkReader::body(const std::optional<Payload>& first, Scope& scope) {
  std::string bytes;
  OUT_CHECK(take(first, bytes));
  OUT_CHECK(drain(bytes));
  // What has come by now needs no task, unless it is a lot.
  while (!source_ended_ && bytes.size() < net::Pipe::kHighWaterBytes && fill_now()) {
    OUT_CHECK(drain(bytes));
  }
  if (source_ended_) return net::Body(std::move(bytes));
  out_ = std::make_shared<net::Pipe>();
  out_->set_producer(this);
  if (!bytes.empty()) out_->push(std::move(bytes));
  scope.spawn(run(shared_from_this()));
  return net::Body(out_);
}

Task<void> ChunkReader::run(std::shared_ptr<ChunkReader> self) {
  auto result = co_await self->pump().under(self->cancellation_);
  self->out_->set_producer(nullptr);
  if (!result) {
    if (!self->source_ended_) self->source_.stream->close();
    self->source_ended_ = true;
    self->out_->abort(std::move(result).error());
    co_return;
  }
  self->out_->finish();
}

Task<Result<>> ChunkReader::pump() {
  while (!source_ended_) {
    auto room = co_await out_->wait_writable();
    if (!room) co_return room;
    auto filled = co_await fill();
    if (!filled) {
      Error error = std::move(filled).error();
      const Code code = error.code();
      co_return fail(rpc_error(code, error.message()).context("error receiving message"));
    }
    std::string bytes;
    auto drained = drain(bytes);
    if (!bytes.empty()) out_->push(std::move(bytes));
    if (!drained) co_return drained;
  }
  co_return Result<>();
}

Task<void> gather(net::Body& body, std::optional<std::uint64_t> declared_length) {
  // Short enough for the rest to be on its way already.
  constexpr std::uint64_t kShortBytes = 16 * 1024;
  if (!body.is_stream() || !declared_length || *declared_length > kShortBytes) co_return;
  net::Pipe& stream = *body.stream;
  std::string bytes;
  for (;;) {
    auto part = co_await stream.read();
    if (!part && part.error().message().ends_with("EOF")) break;
    if (!part) {
      auto broken = std::make_shared<net::Pipe>();
      broken->push(std::move(bytes));
      broken->abort(std::move(part).error());
      body.stream = std::move(broken);
      co_return;
    }
    if (part->empty()) break;
    bytes += *part;
  }
  body.trailers = stream.trailers();
  body.whole = std::move(bytes);
  body.stream.reset();
}

namespace {

/// Gives the body a pipe of its own, which begins with `first`.
void relay(Scope& scope, net::Body& body, std::string first, std::size_t bytes_max) {
  auto pipe = std::make_shared<net::Pipe>();
  if (!first.empty()) pipe->push(std::move(first));
  ChunkWriter::Settings settings;
  settings.body_bytes_max = bytes_max;
  settings.source = std::move(body.stream);
  settings.out = pipe;
  settings.framed = false;
  body.stream = pipe;
  auto writer = std::make_shared<ChunkWriter>(std::move(settings), scope.cancellation());
  ChunkWriter::start(scope, std::move(writer), [pipe](Result<> result) {
    if (result) {
      pipe->finish();
    } else {
      pipe->abort(std::move(result).error());
    }
  });
}

}  // namespace

void limit(Scope& scope, net::Body& body, std::size_t bytes_max) {
  if (body.is_stream()) relay(scope, body, {}, bytes_max);
}

void prepend(Scope& scope, net::Body& body, std::string bytes) {
  if (body.stream->finished() && body.stream->available() == 0) {
    body.whole = std::move(bytes);
    body.stream.reset();
    return;
  }
  relay(scope, body, std::move(bytes), 0);
}

}  // namespace outrigger::runtime::invoke
