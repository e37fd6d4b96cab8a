#include "net/http1/response_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http1/splits_testing.h"

namespace outrigger::net::http1 {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(ResponseParser, ReadsABodyOfKnownLength) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello"),
            "head 200 OK 1.1 length:5 keep\n  Content-Length=5\n  A=b\nbody hello\nend\n"
            "error 502 the server closed the connection before it answered\n");
}

TEST(ResponseParser, ReadsAChunkedBodyWithTrailers) {
  EXPECT_THAT(responses("HTTP/1.1 404 Not  Found\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n1\r\nd\r\n0\r\nSum: 4\r\n\r\n"),
              testing::StartsWith("head 404 Not  Found 1.1 chunked keep\n"
                                  "  Transfer-Encoding=chunked\nbody abcd\nend\n  Sum=4\n"));
}

TEST(ResponseParser, ReadsABodyThatEndsWithTheConnection) {
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\n\r\nall of it"),
            "head 200 OK 1.1 until_close close\nbody all of it\nend at close\n");
  EXPECT_EQ(responses("HTTP/1.0 200\r\n\r\n"), "head 200  1.0 until_close close\nend at close\n");
}

TEST(ResponseParser, KnowsWhichResponsesHaveNoBody) {
  const std::string next = "HTTP/1.1 500 Next\r\nContent-Length: 0\r\n\r\n";
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"HEAD", "200 OK\r\nContent-Length: 5\r\n\r\n", "head 200 OK 1.1 none keep"},
      {"HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "head 200 OK 1.1 none keep"},
      {"HEAD", "200 OK\r\n\r\n", "head 200 OK 1.1 none keep"},
      {"GET", "204 No Content\r\n\r\n", "head 204 No Content 1.1 none keep"},
      {"GET", "204 No Content\r\nContent-Length: 5\r\n\r\n", "head 204 No Content 1.1 none keep"},
      {"GET", "304 Not Modified\r\nContent-Length: 5\r\n\r\n",
       "head 304 Not Modified 1.1 none keep"},
      {"GET", "204 No Content\r\nConnection: close\r\n\r\n", "head 204 No Content 1.1 none close"}};
  for (const auto& [method, response, head] : cases) {
    const std::string log = responses(std::string("HTTP/1.1 ") + response + next, {method, "GET"});
    EXPECT_THAT(log, HasSubstr(head)) << response;
    EXPECT_THAT(log, HasSubstr("body \nend\nhead 500 Next 1.1 length:0 keep\n")) << response;
  }
}

TEST(ResponseParser, ShowsInformationalResponsesBeforeTheFinalOne) {
  EXPECT_THAT(
      responses("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\ny"),
      testing::StartsWith("informational\nhead 100 Continue 1.1 none keep\n"
                          "informational\nhead 103 Early Hints 1.1 none keep\n  Link=x\n"
                          "head 201 Created 1.1 length:1 keep\n  Content-Length=1\nbody y\nend\n"));
}

TEST(ResponseParser, RefusesEndlessInformationalResponses) {
  std::string flood;
  for (int i = 0; i < 4; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_THAT(responses(flood, {"GET"}, {.informational_max = 3}),
              HasSubstr("error 502 malformed HTTP response: too many 1xx responses"));
}

TEST(ResponseParser, LeavesWhatFollowsAnUpgradeToTheCaller) {
  EXPECT_EQ(responses("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\n\r\n\x81\x05hello"),
            "head 101 Switching Protocols 1.1 none close upgrade\n  Upgrade=websocket\n"
            "  Connection=Upgrade\nbody \nend\nupgraded \x81\x05hello\n");
  EXPECT_EQ(responses("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nraw", {"CONNECT"}),
            "head 200 OK 1.1 none close upgrade\n  Content-Length=9\nbody \nend\nupgraded raw\n");
  EXPECT_THAT(responses("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", {"CONNECT"}),
              HasSubstr("head 403 No 1.1 length:2 keep\n"));
  EXPECT_EQ(error_status(responses("HTTP/1.1 101 Switching Protocols\r\n\r\n")), 502);
}

TEST(ResponseParser, KnowsWhetherTheConnectionStays) {
  EXPECT_THAT(responses("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
              HasSubstr("length:0 close"));
  EXPECT_THAT(responses("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
              HasSubstr("length:0 close"));
  EXPECT_THAT(responses("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"),
              HasSubstr("length:0 keep"));
}

TEST(ResponseParser, ForgivesWhatRealServersDo) {
  EXPECT_THAT(
      responses("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab"),
      testing::StartsWith("head 200 OK 1.1 length:2 keep\n  Content-Length=2\nbody ab\nend\n"));
  EXPECT_THAT(responses("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "2\r\nab\r\n0\r\n\r\n"),
              testing::StartsWith("head 200 OK 1.1 chunked close\n  Transfer-Encoding=chunked\n"
                                  "body ab\nend\n"));
}

TEST(ResponseParser, ReadsHeadsWhoseLinesEndInABareLineFeed) {
  const std::string expected =
      "head 200 OK 1.1 length:2 keep\n  A=b\n  Content-Length=2\nbody hi\nend\n";
  const char* cases[] = {"HTTP/1.1 200 OK\nA: b\nContent-Length: 2\n\nhi",
                         "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 2\r\n\nhi",
                         "HTTP/1.1 200 OK\nA: b\r\nContent-Length: 2\n\r\nhi"};
  for (const char* text : cases) EXPECT_THAT(responses(text), testing::StartsWith(expected));
  EXPECT_EQ(responses("HTTP/1.0 200 OK\n\n\nhi\n"),
            "head 200 OK 1.0 until_close close\nbody \nhi\n\nend at close\n");
  EXPECT_THAT(responses("HTTP/1.1 100 Continue\n\nHTTP/1.1 204 No\n\n"),
              HasSubstr("informational\nhead 100 Continue 1.1 none keep\nhead 204 No 1.1 none"));
}

TEST(ResponseParser, JoinsFoldedLinesWithOneSpace) {
  EXPECT_THAT(
      responses("HTTP/1.1 200 OK\r\nA: b  \r\n \t c \r\n\td\r\nContent-Length:\r\n 2\r\n\r\nhi"),
      testing::StartsWith("head 200 OK 1.1 length:2 keep\n  A=b c d\n  Content-Length=2\n"
                          "body hi\nend\n"));
  EXPECT_THAT(responses("HTTP/1.1 204 No\r\nA: b\r\n \r\nC: d\r\n\r\n"),
              HasSubstr("  A=b\n  C=d\nbody \nend\n"));
}

TEST(ResponseParser, ReadsLaterVersionsAs11) {
  for (const char* version : {"HTTP/1.2", "HTTP/2.0", "HTTP/3.7"}) {
    EXPECT_THAT(responses(std::string(version) + " 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
                testing::StartsWith("head 200 OK 1.1 length:2 keep\n"));
  }
  EXPECT_THAT(responses("HTTP/1.1   200 OK\r\nContent-Length: 0\r\n\r\n"),
              testing::StartsWith("head 200 OK 1.1 length:0 keep\n"));
}

TEST(ResponseParser, RefusesMalformedHeads) {
  const char* cases[] = {
      "\r\n",
      "\x16\x03",
      "ICY 200 OK\r\n\r\n",
      "HTTP/0.9 200 OK\r\n\r\n",
      "HTTP/10.0 200 OK\r\n\r\n",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1\r\n\r\n",
      "HTTP/1.1 \r\n\r\n",
      "HTTP/1.1 20\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1 200OK\r\n\r\n",
      "HTTP/1.1 099 Low\r\n\r\n",
      "HTTP/1.1 +20 OK\r\n\r\n",
      "HTTP/1.1 2x0 OK\r\n\r\n",
      "HTTP/1.1 200 O\rK\r\n\r\n",
      "HTTP/1.1 200 O\x01K\r\n\r\n",
      "HTTP/1.1    \r\n\r\n",
      "HTTP/1.1 200 OK\r\r\n\r\n",
      "HTTP/1.1 200 OK\nA: b\r\r\n\n",
      "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
      "HTTP/1.1 200 OK\n\tA: b\n\n",
      "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: a\r\nTransfer-Encoding: chunked\r\n\r\n"};
  for (const char* text : cases) {
    const std::string log = responses(text);
    EXPECT_EQ(error_status(log), 502) << text << log;
    EXPECT_THAT(log, HasSubstr("malformed HTTP response: ")) << text;
  }
}

TEST(ResponseParser, ReportsABodyThatIsCutOff) {
  const char* cases[] = {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n"};
  for (const char* text : cases) {
    EXPECT_THAT(responses(text), EndsWith("error 502 the server closed the connection in the "
                                          "middle of a response body\n"))
        << text;
  }
  EXPECT_THAT(responses("HTTP/1.1 200 OK\r\nA: b\r\n"),
              EndsWith("closed the connection in the middle of a response head\n"));
  EXPECT_THAT(responses("HTTP/1.1 100 Continue\r\n\r\n"),
              EndsWith("closed the connection before it answered\n"));
}

TEST(ResponseParser, SaysThatACutIsUnavailableSoThatItCanBeRetried) {
  ResponseParser parser;
  parser.start("GET");
  EXPECT_TRUE(parser.awaiting_head());
  const auto end = parser.finish("");
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), Code::unavailable);
  EXPECT_EQ(end.error().http_status(), 502);
}

TEST(ResponseParser, RefusesBytesNobodyAskedFor) {
  ResponseParser parser;
  std::string_view input;
  EXPECT_EQ(parser.next(input)->kind, Event::Kind::need_more);
  EXPECT_EQ(parser.finish("")->kind, Event::Kind::need_more);
  input = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(parser.next(input).error().http_status(), 502);
  parser.start("GET");
  EXPECT_FALSE(parser.next(input)) << "an error is final";
}

TEST(ResponseParser, KeepsToItsLimits) {
  const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
  EXPECT_EQ(error_status(responses(head, {"GET"}, {.head_bytes_max = head.size()})), 0);
  EXPECT_EQ(error_status(responses(head, {"GET"}, {.head_bytes_max = head.size() - 1})), 502);
  EXPECT_EQ(error_status(responses(head, {"GET"}, {.fields_max = 1})), 502);
  EXPECT_THAT(responses(head + "hello", {"GET"}, {.body_bytes_max = 5}),
              HasSubstr("body hello\nend at close\n"));
  EXPECT_THAT(responses(head + "hello!", {"GET"}, {.body_bytes_max = 5}),
              HasSubstr("body hello\nerror 502"));
}

}  // namespace
}  // namespace outrigger::net::http1
