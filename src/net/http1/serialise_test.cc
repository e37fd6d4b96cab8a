#include "net/http1/serialise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http1/splits_testing.h"

namespace outrigger::net::http1 {
namespace {

using testing::HasSubstr;
using testing::Not;
using std::string_literals::operator""s;

std::string request(const RequestLine& line, const Headers& headers = {}) {
  std::string out;
  const auto done = append_request_head(out, line, headers);
  return done ? out : done.error().message();
}

std::string response(const StatusLine& line, const Headers& headers = {}) {
  std::string out;
  append_response_head(out, line, headers);
  return out;
}

TEST(Serialise, WritesARequestHead) {
  EXPECT_EQ(request({.method = "POST",
                     .target = "/a?b",
                     .authority = "h:80",
                     .framing = Framing::length,
                     .content_length = 5,
                     .connection = "close"},
                    {{"Accept", "*/*"}, {"x", ""}}),
            "POST /a?b HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\nx: \r\nContent-Length: 5\r\n"
            "Connection: close\r\n\r\n");
  EXPECT_EQ(request({.method = "GET", .target = "/", .authority = ""}),
            "GET / HTTP/1.1\r\nHost: \r\n\r\n");
}

TEST(Serialise, WritesAResponseHead) {
  EXPECT_EQ(response({.status = 404, .framing = Framing::length}, {{"A", "b"}}),
            "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(response({.status = 200, .reason = "Fine", .framing = Framing::chunked}),
            "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(response({.status = 599}), "HTTP/1.1 599 \r\n\r\n");
  EXPECT_EQ(response({.status = 200, .framing = Framing::until_close, .connection = "close"}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST(Serialise, WritesNoFramingWhereNoneIsAllowed) {
  EXPECT_EQ(response({.status = 204, .framing = Framing::length}),
            "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(response({.status = 103, .framing = Framing::chunked}),
            "HTTP/1.1 103 Early Hints\r\n\r\n");
  EXPECT_THAT(response({.status = 304, .framing = Framing::length, .content_length = 9}),
              HasSubstr("Content-Length: 9"));
}

TEST(Serialise, DropsTheFieldsOfTheOtherConnection) {
  const Headers headers{{"CONNECTION", "x-drop"},  {"keep-alive", "timeout=5"},
                        {"content-length", "99"},  {"transfer-encoding", "chunked"},
                        {"Proxy-Connection", "x"}, {"Kept", "1"}};
  EXPECT_EQ(response({.status = 200, .framing = Framing::length, .content_length = 1}, headers),
            "HTTP/1.1 200 OK\r\nKept: 1\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(request({.method = "GET", .target = "/", .authority = "new"},
                    {{"host", "old"}, {"Content-Length", "5"}, {"Kept", "1"}}),
            "GET / HTTP/1.1\r\nHost: new\r\nKept: 1\r\n\r\n");
}

TEST(Serialise, RefusesARequestThatWouldInject) {
  const Headers none;
  const RequestLine good{.method = "GET", .target = "/", .authority = "h"};
  const auto refused = [&](RequestLine line, const Headers& headers) {
    std::string out = "before";
    const auto done = append_request_head(out, line, headers);
    EXPECT_EQ(out, "before");
    return !done && done.error().code() == Code::invalid_argument;
  };
  for (const std::string_view value : {"a\r\nB: c", "a\nb", "a\rb", "\x01", "\x7f"}) {
    EXPECT_TRUE(refused(good, {{"A", value}})) << value;
  }
  EXPECT_TRUE(refused(good, {{"A", "a\0b"s}}));
  for (const std::string_view name : {"", "A ", "A:", "A\r\nB", "A\n", "(", "\xc3\xa9"}) {
    EXPECT_TRUE(refused(good, {{name, "v"}})) << name;
  }
  for (const std::string_view method : {"", "GE T", "GET\r\n", "G\x01"}) {
    RequestLine line = good;
    line.method = method;
    EXPECT_TRUE(refused(line, none)) << method;
  }
  for (const std::string_view target : {"", "/ x", "/\r\n", "/\t", "/a#b", "/\x7f"}) {
    RequestLine line = good;
    line.target = target;
    EXPECT_TRUE(refused(line, none)) << target;
  }
  for (const std::string_view authority : {"h\r\nA: b", "a b", "u@h", "h/x"}) {
    RequestLine line = good;
    line.authority = authority;
    EXPECT_TRUE(refused(line, none)) << authority;
  }
  RequestLine line = good;
  line.connection = "close\r\nA: b";
  EXPECT_TRUE(refused(line, none));
  line = good;
  line.framing = Framing::until_close;
  EXPECT_TRUE(refused(line, none));
}

TEST(Serialise, NeutralisesAResponseThatWouldInject) {
  const std::string out =
      response({.status = 200, .reason = "OK\r\nEvil: 1"}, {{"A", "b\r\nEvil: 1\r\n\r\n<html>"},
                                                            {"Evil\r\nX", "1"},
                                                            {"", "1"},
                                                            {"B", "\r\n"},
                                                            {"C", "x\0y\tz"s},
                                                            {"D ", "1"}});
  EXPECT_EQ(out, "HTTP/1.1 200 \r\nA: b  Evil: 1    <html>\r\nB: \r\nC: x y\tz\r\n\r\n");
}

TEST(Serialise, WritesChunks) {
  std::string out;
  append_chunk(out, "hello");
  append_chunk(out, "");
  append_chunk_begin(out, 0x1f0);
  out += std::string(0x1f0, 'x');
  out += kChunkEnd;
  append_last_chunk(out, {{"Sum", "1\r\nEvil: 2"}, {"Content-Length", "5"}, {"bad name", "x"}});
  EXPECT_EQ(out,
            "5\r\nhello\r\n1f0\r\n" + std::string(0x1f0, 'x') + "\r\n0\r\nSum: 1  Evil: 2\r\n\r\n");
  std::string plain;
  append_last_chunk(plain, {});
  EXPECT_EQ(plain, kLastChunk);
}

TEST(Serialise, WritesWhatTheParsersRead) {
  std::string out = request(
      {.method = "PUT", .target = "/k?v=%20", .authority = "[::1]:80", .framing = Framing::chunked},
      {{"A", "b"}});
  append_chunk(out, "hello");
  append_last_chunk(out, {{"T", "u"}});
  EXPECT_EQ(requests(out),
            "head PUT /k?v=%20 1.1 [|[::1]:80] chunked keep\n  Host=[::1]:80\n  A=b\n"
            "  Transfer-Encoding=chunked\nbody hello\nend\n  T=u\nidle\n");
  std::string answer(kContinue);
  append_response_head(answer, {.status = 500, .framing = Framing::length, .content_length = 2},
                       {});
  EXPECT_THAT(responses(answer + "no"),
              HasSubstr("informational\nhead 100 Continue 1.1 none keep\n"
                        "head 500 Internal Server Error 1.1 length:2 keep\n"
                        "  Content-Length=2\nbody no\nend\n"));
}

TEST(Serialise, KnowsTheUsualPhrases) {
  EXPECT_EQ(reason_phrase(200), "OK");
  EXPECT_EQ(reason_phrase(100), "Continue");
  EXPECT_EQ(reason_phrase(511), "Network Authentication Required");
  EXPECT_EQ(reason_phrase(99), "");
  EXPECT_EQ(reason_phrase(299), "");
  EXPECT_EQ(reason_phrase(1000), "");
}

}  // namespace
}  // namespace outrigger::net::http1
