#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/frames.h"
#include "net/http2/session.h"

namespace {

using outrigger::net::Headers;
using namespace outrigger::net::http2;

// Answers complete requests, and resets or answers early what its path asks for.
class App : public Handler {
 public:
  void on_head(Stream& stream, RequestHead&& head, bool) override {
    ++open;
    stream.owner = this;
    if (head.path == "/r") session->reset(stream, ErrorCode::cancel);
    if (head.path != "/e") return;
    (void)session->respond(stream, 413, {}, Body::of("early"));
    stream.owner = &answered;
  }
  void on_data(Stream& stream, std::string_view bytes) override {
    OUT_ASSERT(stream.owner == this || stream.owner == &answered);
    session->consume(stream, bytes.size());
  }
  void on_end(Stream& stream, Headers&& trailers) override {
    if (stream.owner == &answered) return;
    (void)session->respond(stream, 200, {{"a", "b"}}, Body::of("body", std::move(trailers)));
  }
  void on_closed(Stream& stream, ErrorCode) override {
    OUT_ASSERT(stream.owner == this || stream.owner == &answered);
    OUT_ASSERT(open > 0);
    --open;
  }

  Session* session = nullptr;
  std::size_t open = 0;
  int answered = 0;  // What the owner of a stream points to that has its response.
};

}  // namespace

// The first byte is the size of the pieces, and chooses between frames as they are and in short
// form (frames.h); the preface and SETTINGS need not be found.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  App app;
  Session session = Session::server(app, {.concurrent_streams_max = 20});
  app.session = &session;
  const std::size_t piece = (data[0] & 127) + std::size_t{1};
  std::string bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  bytes += (data[0] & 128) != 0 ? outrigger::fuzz::frames_of(input) : std::string(input);
  std::string out;
  for (std::string_view rest = bytes; !rest.empty() && !session.done();) {
    const std::string part(rest.substr(0, piece));
    rest.remove_prefix(part.size());
    const bool good = session.feed(part).has_value();
    out.clear();
    session.pull(out, 1000);
    OUT_ASSERT(app.open == session.open_streams());
    if (!good) break;
  }
  session.abandon(ErrorCode::cancel);
  OUT_ASSERT(app.open == 0);
  return 0;
}
