#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "components/clients/wasm/testing.h"
#include "components/middleware/rig_testing.h"

namespace outrigger::components::middleware {
namespace {

using testing::HasSubstr;
using wasm::Binary;
using wasm::leb;
using wasm::sized;
using wasm::sleb;
using wasm::vec;

/// A guest, put together by hand.
class Code {
 public:
  /// Calls a function of the host; `arguments` have been pushed by then.
  std::string call(const std::string& name, unsigned parameters, const std::string& results = "") {
    for (std::size_t i = 0; i < imports_.size(); ++i) {
      if (imports_[i].name == name) return '\x10' + leb(static_cast<std::uint32_t>(i));
    }
    imports_.push_back(
        {name, '\x60' + vec(std::vector<std::string>(parameters, "\x7f")) + sized(results)});
    return '\x10' + leb(static_cast<std::uint32_t>(imports_.size() - 1));
  }
  /// Pushes where a text is, and how long.
  std::string text(const std::string& words) {
    const auto at = static_cast<std::int64_t>(data_.size());
    data_ += words;
    return number(at) + number(static_cast<std::int64_t>(words.size()));
  }
  static std::string number(std::int64_t value) { return '\x41' + sleb(value); }
  std::string set_header(int kind, const std::string& name, const std::string& value) {
    return number(kind) + text(name) + text(value) + call("set_header_value", 5);
  }
  static std::string next(bool goes_on) { return '\x42' + sleb(goes_on ? 1 : 0); }

  std::string on_start, on_request = next(true), on_response;

  [[nodiscard]] std::string bytes() const {
    const auto first = static_cast<std::uint32_t>(imports_.size());
    std::vector<std::string> types{std::string("\x60\x00\x01\x7e", 4),
                                   std::string("\x60\x02\x7f\x7f\x00", 5),
                                   std::string("\x60\x00\x00", 3)};
    std::vector<std::string> imports;
    for (const Import& import : imports_) {
      imports.push_back(sized("http_handler") + sized(import.name) + '\0' +
                        leb(static_cast<std::uint32_t>(types.size())));
      types.push_back(import.type);
    }
    Binary binary;
    binary.section(1, vec(types));
    binary.section(2, vec(imports));
    binary.section(3, vec({leb(0), leb(1), leb(2)}));
    binary.section(5, vec({std::string("\x00\x01", 2)}));
    binary.section(
        7, vec({sized("handle_request") + '\0' + leb(first),
                sized("handle_response") + '\0' + leb(first + 1),
                sized("_start") + '\0' + leb(first + 2), sized("memory") + '\x02' + leb(0)}));
    const std::string none(1, '\0');
    // One local of i32 for what is read.
    const std::string one = leb(1) + leb(1) + '\x7f';
    binary.section(10, vec({sized(one + on_request + '\x0b'), sized(none + on_response + '\x0b'),
                            sized(none + on_start + '\x0b')}));
    binary.section(11, vec({std::string("\x00\x41\x00\x0b", 4) + sized(data_)}));
    return binary.bytes;
  }

 private:
  struct Import {
    std::string name, type;
  };
  std::vector<Import> imports_;
  std::string data_;
};

class WasmTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "wasmXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Properties guest(const std::string& bytes, Properties more = {}) const {
    const std::string path = folder_ / "guest.wasm";
    std::ofstream(path, std::ios::binary) << bytes;
    more.insert({"url", "file://" + path});
    return more;
  }
  Properties guest(const Code& code, Properties more = {}) const {
    return guest(code.bytes(), std::move(more));
  }
  std::filesystem::path folder_;
};

TEST_F(WasmTest, AGuestChangesTheRequest) {
  Code code;
  code.on_request = code.set_header(0, "X-Guest", "was here") + Code::number(0) +
                    code.text("x-secret") + code.call("remove_header", 3) + code.text("PUT") +
                    code.call("set_method", 2) + code.text("/other?x=1") + code.call("set_uri", 2) +
                    code.set_header(1, "X-Answer", "guest") + Code::next(true);
  Rig rig("middleware.http.wasm", guest(code));
  ASSERT_EQ(rig.error(), "");
  const auto response = rig.send("/a", {{"X-SECRET", "s"}, {"x-guest", "forged"}}, "body");
  EXPECT_EQ(response.body.whole, "/other?x=1");
  EXPECT_EQ(response.headers.value("x-answer"), "guest");
  EXPECT_EQ(rig.seen->method, "PUT");
  EXPECT_EQ(rig.seen->headers.joined("x-guest"), "was here");
  EXPECT_FALSE(rig.seen->headers.contains("x-secret"));
  EXPECT_EQ(rig.seen->body.whole, "body");
  for (const auto& one : rig.send_many("/a", 100)) EXPECT_EQ(one.status, 200);
}

TEST_F(WasmTest, AGuestAnswersItself) {
  Code code;
  code.on_request = Code::number(401) + code.call("set_status_code", 1) +
                    code.set_header(1, "www-authenticate", "Basic") + Code::number(1) +
                    code.text("go ") + code.call("write_body", 3) + Code::number(1) +
                    code.text("away") + code.call("write_body", 3) + Code::next(false);
  Rig rig("middleware.http.wasm", guest(code));
  const auto response = rig.send("/a");
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.body.whole, "go away");
  EXPECT_EQ(response.headers.value("WWW-Authenticate"), "Basic");
  EXPECT_EQ(rig.seen, std::nullopt);
}

/// Reads the request's body to 1024 and on, and answers with it.
std::string echo(Code& code) {
  return Code::number(0) + Code::number(1024) + Code::number(1000) +
         code.call("read_body", 3, "\x7e") + std::string("\xa7\x21\x00", 3) + Code::number(1) +
         Code::number(1024) + std::string("\x20\x00", 2) + code.call("write_body", 3);
}

TEST_F(WasmTest, AGuestReadsABody) {
  Code code;
  code.on_request = echo(code) + Code::next(false);
  Rig rig("middleware.http.wasm", guest(code));
  EXPECT_EQ(rig.send("/a", {}, "what it says").body.whole, "what it says");
  EXPECT_EQ(rig.send("/a", {}, std::string(5000, 'x')).body.whole, std::string(1000, 'x'));
  // What it read is gone for those behind it, unless it asked for a copy.
  for (const bool buffers : {false, true}) {
    Code passes;
    if (buffers) {
      passes.on_start = Code::number(1) + passes.call("enable_features", 1, "\x7f") + '\x1a';
    }
    passes.on_request = echo(passes) + Code::next(true);
    Rig other("middleware.http.wasm", guest(passes));
    other.send("/a", {}, std::string(1000, 'x') + "rest");
    EXPECT_EQ(other.seen->body.whole, (buffers ? std::string(1000, 'x') : "") + "rest");
  }
}

TEST_F(WasmTest, AGuestChangesTheAnswerIfItAskedForIt) {
  for (const bool buffers : {true, false}) {
    const LogCapture quiet;
    Code code;
    if (buffers) {
      code.on_start = Code::number(2) + code.call("enable_features", 1, "\x7f") + '\x1a';
    }
    code.on_response = Code::number(202) + code.call("set_status_code", 1) +
                       code.set_header(1, "x-after", "yes") + Code::number(1) +
                       code.text("changed") + code.call("write_body", 3);
    Rig rig("middleware.http.wasm", guest(code));
    ASSERT_EQ(rig.error(), "");
    const auto response = rig.send("/a");
    EXPECT_EQ(response.status, buffers ? 202 : 500);
    EXPECT_EQ(response.body.whole, buffers ? "changed" : "Internal Server Error");
    EXPECT_EQ(response.headers.value("x-after"), buffers ? "yes" : "");
  }
}

TEST_F(WasmTest, WhatAGuestWritesFirstStandsFirst) {
  Code code;
  code.on_request = Code::number(203) + code.call("set_status_code", 1) + Code::number(1) +
                    code.text("first ") + code.call("write_body", 3) + Code::next(true);
  Rig rig("middleware.http.wasm", guest(code));
  const auto response = rig.send("/a");
  EXPECT_EQ(response.status, 203);
  EXPECT_EQ(response.body.whole, "first /a");
}

TEST_F(WasmTest, AGuestThatFailsAnswersWithAnErrorAndTheNextOneIsNew) {
  const LogCapture quiet;
  const std::string unreachable(1, '\0');
  const std::string endless("\x03\x40\x0c\x00\x0b", 5);
  Code splits;
  splits.on_request = splits.set_header(0, "x", "a\r\nX-Admin: 1") + Code::next(true);
  Code empty;
  empty.on_request = empty.set_header(0, "", "a") + Code::next(true);
  Code far;
  far.on_request = Code::number(0) + Code::number(-1) + Code::number(10) + Code::number(-1) +
                   Code::number(-1) + far.call("set_header_value", 5) + Code::next(true);
  Code elsewhere;
  elsewhere.on_request =
      elsewhere.text("http://evil.test/") + elsewhere.call("set_uri", 2) + Code::next(true);
  Code traps;
  traps.on_request = unreachable + Code::next(true);
  Code loops;
  loops.on_request = endless + Code::next(true);
  Code later;
  later.on_response = unreachable;
  // For ever: it ends because of what it writes.
  Code writes;
  writes.on_request = std::string("\x03\x40", 2) + Code::number(0) + writes.text("x") +
                      writes.text("y") + writes.call("add_header_value", 5) +
                      std::string("\x0c\x00\x0b", 3) + Code::next(true);
  {
    Rig rig("middleware.http.wasm", guest(writes, {{"timeout", "1m"}}));
    EXPECT_EQ(rig.send("/a").status, 500);
    EXPECT_TRUE(quiet.contains("more than 1000 header fields"));
  }
  Code wide;
  wide.on_request = std::string("\x03\x40", 2) + Code::number(0) + wide.text("x") +
                    wide.text(std::string(3000, 'y')) + wide.call("add_header_value", 5) +
                    std::string("\x0c\x00\x0b", 3) + Code::next(true);
  {
    Rig rig("middleware.http.wasm", guest(wide, {{"timeout", "1m"}}));
    EXPECT_EQ(rig.send("/a").status, 500);
    EXPECT_TRUE(quiet.contains("more than 1 MiB of header fields"));
  }
  for (const Code* code : {&splits, &empty, &far, &elsewhere, &traps, &loops, &later}) {
    Rig rig("middleware.http.wasm", guest(*code, {{"timeout", "10ms"}}));
    ASSERT_EQ(rig.error(), "");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.send("/a").status, 500);
    EXPECT_EQ(rig.seen.has_value(), code == &later);
  }
}

/// An application that answers nobody before so many are with it, or have been refused.
struct Crowd {
  explicit Crowd(std::size_t wanted) : wanted(wanted) {}
  void arrived() {
    if (++there >= wanted) all_there.notify_all();
  }
  static Task<net::Response> wait(Crowd* crowd) {
    crowd->arrived();
    while (crowd->there < crowd->wanted) {
      if (const auto woken = co_await crowd->all_there.wait(); !woken) co_return refusal(504);
    }
    co_return net::Response();
  }
  static Task<Result<int>> enter(Crowd* crowd, Middleware* guests, net::Request request) {
    Next next = [crowd](net::Request) { return wait(crowd); };
    auto response = co_await guests->handle(std::move(request), std::move(next));
    if (response.status == 503) crowd->arrived();
    co_return response.status;
  }
  static Task<void> enter_in_time(Crowd* crowd, Middleware* guests, net::Request request,
                                  std::map<int, int>* statuses) {
    auto entering = enter(crowd, guests, std::move(request));
    const auto status = co_await with_timeout(std::move(entering), std::chrono::minutes(1));
    ++(*statuses)[status ? *status : 0];
  }
  const std::size_t wanted;
  std::size_t there = 0;
  Signal all_there;
};

std::map<int, int> crowd_of(Rig& rig, int requests) {
  std::map<int, int> statuses;
  EXPECT_TRUE(run_on(rig.loop(), rig.get()->init()));
  Crowd crowd(static_cast<std::size_t>(requests));
  std::vector<Task<void>> tasks;
  for (int i = 0; i < requests; ++i) {
    tasks.push_back(Crowd::enter_in_time(&crowd, rig.get(), rig.request("/a"), &statuses));
  }
  run_on(rig.loop(), run_all(std::move(tasks)));
  run_on(rig.loop(), rig.get()->close());
  return statuses;
}

TEST_F(WasmTest, AGuestThatWaitsForWhatIsBehindItHoldsNobodyUp) {
  Code code;
  Rig rig("middleware.http.wasm", guest(code));
  // More than may compute at once: the application answers the first when the last is there.
  EXPECT_EQ(crowd_of(rig, 200), (std::map<int, int>{{200, 200}}));
}

TEST_F(WasmTest, MoreThanTheMemoryForWaitingGuestsHoldsIsRefusedAndNotKeptWaiting) {
  Code code;
  Rig rig("middleware.http.wasm", guest(code, {{"waitingMemoryLimit", "1Mi"}, {"timeout", "5s"}}));
  // A page each, and as much for the call: eight, who go when the others have been refused.
  EXPECT_EQ(crowd_of(rig, 12), (std::map<int, int>{{200, 8}, {503, 4}}));
}

TEST_F(WasmTest, AGuestThatIsAloneMayGrowAboveTheMemoryForWaitingGuests) {
  const LogCapture quiet;
  Code code;
  const std::string grow("\x40\x00\x1a", 3);
  code.on_request = Code::number(32) + grow + Code::next(true);
  Rig rig("middleware.http.wasm", guest(code, {{"waitingMemoryLimit", "1Mi"}, {"timeout", "1m"}}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.send("/a").status, 200);
}

TEST_F(WasmTest, WhoFindsNoThreadInTimeIsRefused) {
  const LogCapture quiet;
  Code code;
  code.on_request = std::string("\x03\x40\x0c\x00\x0b", 5) + Code::next(true);
  Rig rig("middleware.http.wasm", guest(code, {{"timeout", "500ms"}}));
  // Many that never end: four a turn, each for its time, at the end of which others have waited.
  auto statuses = crowd_of(rig, 100);
  EXPECT_GE(statuses[500], 1);
  EXPECT_GE(statuses[503], 1);
  EXPECT_EQ(statuses[500] + statuses[503], 100);
}

TEST_F(WasmTest, ALoopIsNotHeldUpByAGuest) {
  const LogCapture quiet;
  Code code;
  code.on_request = std::string("\x03\x40\x0c\x00\x0b", 5) + Code::next(true);
  Rig rig("middleware.http.wasm", guest(code, {{"timeout", "1s"}}));
  int turns = 0;
  std::function<void()> tick = [&] {
    if (++turns < 100) rig.loop().post([&] { tick(); });
  };
  rig.loop().post([&] { tick(); });
  EXPECT_EQ(rig.send("/a").status, 500);
  EXPECT_EQ(turns, 100);
}

TEST_F(WasmTest, SaysWhatIsWrong) {
  const auto error = [](Properties properties) {
    return Rig("middleware.http.wasm", std::move(properties)).error();
  };
  EXPECT_THAT(error({}), HasSubstr("missing url"));
  EXPECT_THAT(error({{"url", "guest.wasm"}}), HasSubstr("invalid URL: guest.wasm"));
  EXPECT_THAT(error({{"url", "oci://image"}}), HasSubstr("unsupported URL scheme: oci"));
  EXPECT_THAT(error({{"url", "file://x"}, {"memoryLimit", "1"}}), HasSubstr("memoryLimit"));
  EXPECT_THAT(error({{"url", "file://x"}, {"timeout", "0"}}), HasSubstr("timeout"));
  const auto opened = [](Properties properties) {
    Rig rig("middleware.http.wasm", std::move(properties));
    const auto result = run_on(rig.loop(), rig.get()->init());
    run_on(rig.loop(), rig.get()->close());
    return result ? "opened" : result.error().message();
  };
  EXPECT_NE(opened({{"url", "file:///no/such.wasm"}}), "opened");
  EXPECT_THAT(opened(guest("nonsense")), HasSubstr("magic header not detected"));
  EXPECT_THAT(opened(guest(Binary().bytes)),
              HasSubstr("guest doesn't export func[handle_request]"));
  Code unknown;
  unknown.on_request = unknown.call("open_file", 0) + Code::next(true);
  EXPECT_THAT(opened(guest(unknown)), HasSubstr("unknown import http_handler.open_file"));
  Code traps;
  traps.on_start = std::string(1, '\0');
  EXPECT_THAT(opened(guest(traps)), HasSubstr("unreachable"));
  CannedServer server([&](const std::string& request) {
    const bool there = request.starts_with("GET /guest.wasm ");
    return CannedServer::reply(there ? 200 : 404, "application/wasm", Code().bytes());
  });
  EXPECT_EQ(opened({{"url", server.url() + "/guest.wasm"}}), "opened");
  EXPECT_THAT(opened({{"url", server.url() + "/none"}}), HasSubstr("received 404 status code"));
}

}  // namespace
}  // namespace outrigger::components::middleware
