#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/frames.h"
#include "net/http2/session.h"

namespace {

using outrigger::net::Headers;
using namespace outrigger::net::http2;

class App : public Handler {
 public:
  void on_head(Stream&, ResponseHead&& head, bool) override { OUT_ASSERT(head.status >= 200); }
  void on_informational(Stream&, ResponseHead&& head) override { OUT_ASSERT(head.status < 200); }
  void on_data(Stream& stream, std::string_view bytes) override {
    session->consume(stream, bytes.size());
  }
  void on_end(Stream&, Headers&&) override {}
  void on_closed(Stream&, ErrorCode) override { ++closed; }

  Session* session = nullptr;
  std::size_t closed = 0;
};

}  // namespace

// Three requests wait; the input is what the server says, in pieces of the size of its first
// byte, whose highest bit chooses frames in short form (frames.h).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  App app;
  Session session = Session::client(app, {});
  app.session = &session;
  for (const char* path : {"/a", "/b", "/c"}) {
    RequestHead head{.method = "POST", .scheme = "http", .authority = "x", .path = path};
    OUT_ASSERT(session.request(std::move(head), Body::of(std::string(100'000, 'x'))));
  }
  std::string out;
  session.pull(out, 1 << 20);
  const std::size_t piece = (data[0] & 127) + std::size_t{1};
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string bytes =
      (data[0] & 128) != 0 ? outrigger::fuzz::frames_of(input) : std::string(input);
  std::string_view rest = bytes;
  while (!rest.empty() && !session.done()) {
    const std::string part(rest.substr(0, piece));
    rest.remove_prefix(part.size());
    const bool good = session.feed(part).has_value();
    out.clear();
    session.pull(out, 1000);
    if (!good) break;
  }
  session.abandon(ErrorCode::cancel);
  OUT_ASSERT(app.closed == 3);
  return 0;
}
