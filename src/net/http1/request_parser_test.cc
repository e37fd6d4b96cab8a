#include "net/http1/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http1/splits_testing.h"

namespace outrigger::net::http1 {
namespace {

using testing::HasSubstr;

std::string with_fields(std::string_view fields, std::string_view line = "POST / HTTP/1.1\r\n") {
  return std::string(line) + "Host: h\r\n" + std::string(fields) + "\r\n";
}

TEST(RequestParser, ReadsAPlainGet) {
  EXPECT_EQ(requests("GET /v1.0/state/s/k?metadata.a=b HTTP/1.1\r\nHost: localhost:3500\r\n"
                     "Accept:\t */* \t\r\nEmpty:\r\n\r\n"),
            "head GET /v1.0/state/s/k?metadata.a=b 1.1 [|localhost:3500] none keep\n"
            "  Host=localhost:3500\n  Accept=*/*\n  Empty=\nbody \nend\nidle\n");
}

TEST(RequestParser, ReadsABodyOfKnownLength) {
  EXPECT_EQ(
      requests(with_fields("Content-Length: 5\r\n") + "hello"),
      "head POST / 1.1 [|h] length:5 keep\n  Host=h\n  Content-Length=5\nbody hello\nend\nidle\n");
  EXPECT_THAT(requests(with_fields("content-length: 0\r\n")), HasSubstr("length:0 keep"));
  EXPECT_THAT(requests(with_fields("Content-Length: 6\r\n") + "hello"),
              HasSubstr("body hello\nopen\n"));
}

TEST(RequestParser, ReadsAChunkedBodyWithExtensionsAndTrailers) {
  EXPECT_EQ(requests(with_fields("Transfer-Encoding: Chunked\r\n") +
                     "5\r\nhello\r\n1 ;a=\"b\" ; c\r\n,\r\n00A;x\r\n0123456789\r\n0\r\n"
                     "Checksum: 7\r\nX: y\r\n\r\n"),
            "head POST / 1.1 [|h] chunked keep\n  Host=h\n  Transfer-Encoding=Chunked\n"
            "body hello,0123456789\nend\n  Checksum=7\n  X=y\nidle\n");
}

TEST(RequestParser, SplitsPipelinedRequests) {
  const std::string log = requests(
      "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
      "PUT /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n"
      "\r\nGET /4 HTTP/1.0\r\n\r\n");
  EXPECT_EQ(
      log,
      "head GET /1 1.1 [|h] none keep\n  Host=h\nbody \nend\n"
      "head POST /2 1.1 [|h] length:3 keep\n  Host=h\n  Content-Length=3\nbody abc\nend\n"
      "head PUT /3 1.1 [|h] chunked keep\n  Host=h\n  Transfer-Encoding=chunked\nbody z\nend\n"
      "head GET /4 1.0 [|] none close\nbody \nend\nidle\n");
}

TEST(RequestParser, GivesBodyViewsIntoTheCallersInput) {
  RequestParser parser;
  const std::string text = with_fields("Content-Length: 5\r\n") + "helloGET";
  std::string_view input = text;
  ASSERT_EQ(parser.next(input)->kind, Event::Kind::head);
  const auto body = parser.next(input);
  EXPECT_EQ(body->body, "hello");
  EXPECT_EQ(body->body.data(), text.data() + text.size() - 8);
  EXPECT_EQ(parser.next(input)->kind, Event::Kind::end);
  EXPECT_EQ(input, "GET");
  EXPECT_TRUE(parser.idle());
}

TEST(RequestParser, LetsTheCallerTakeTheHeadAway) {
  RequestParser parser;
  const std::string text = with_fields("A: b\r\n") + with_fields("C: d\r\n");
  std::string_view input = text;
  ASSERT_TRUE(parser.next(input));
  const RequestHead first = std::move(parser.head());
  ASSERT_TRUE(parser.next(input));
  ASSERT_TRUE(parser.next(input));
  EXPECT_EQ(first.headers.value("a"), "b");
  EXPECT_EQ(parser.head().headers.value("c"), "d");
  EXPECT_EQ(parser.head().headers.size(), 2U);
}

TEST(RequestParser, KnowsWhetherTheConnectionStays) {
  struct Case {
    const char* version;
    const char* fields;
    bool keep;
  };
  const Case cases[] = {{"1.1", "", true},
                        {"1.1", "Connection: close\r\n", false},
                        {"1.1", "connection: Keep-Alive\r\n", true},
                        {"1.1", "Connection: te, CLOSE\r\n", false},
                        {"1.1", "Connection: te\r\nConnection: ,close ,\r\n", false},
                        {"1.1", "Connection: closed\r\n", true},
                        {"1.0", "", false},
                        {"1.0", "Connection: keep-alive\r\n", true},
                        {"1.0", "Connection: keep-alive, close\r\n", false}};
  for (const Case& expected : cases) {
    const std::string log = requests(
        with_fields(expected.fields, std::string("GET / HTTP/") + expected.version + "\r\n"));
    EXPECT_THAT(log, HasSubstr(expected.keep ? " none keep\n" : " none close\n"))
        << expected.version << expected.fields;
  }
}

TEST(RequestParser, SeesExpectationsAndUpgrades) {
  EXPECT_THAT(requests(with_fields("Expect: 100-Continue\r\nContent-Length: 1\r\n")),
              HasSubstr(" expect\n"));
  EXPECT_THAT(requests(with_fields("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n")),
              HasSubstr(" expect\n"));
  EXPECT_THAT(requests(with_fields("Expect: 100-continue\r\n")), HasSubstr(" none keep\n"));
  EXPECT_THAT(
      requests(with_fields("Expect: 100-continue\r\nContent-Length: 1\r\n", "POST / HTTP/1.0\r\n")),
      HasSubstr(" close\n"));
  EXPECT_EQ(requests("GET / HTTP/1.0\r\nExpect: x\r\n\r\n"),
            "head GET / 1.0 [|] none close\nbody \nend\nidle\n");
  EXPECT_EQ(error_status(requests(with_fields("Expect: the-unexpected\r\n"))), 417);
  EXPECT_THAT(requests(with_fields("Connection: Upgrade\r\nUpgrade: websocket\r\n")),
              HasSubstr(" upgrade\n"));
  EXPECT_THAT(requests(with_fields("Upgrade: websocket\r\n")), HasSubstr(" none keep\n"));
}

TEST(RequestParser, ReadsEveryFormOfTarget) {
  const std::pair<const char*, const char*> cases[] = {
      {"GET /a%20b?c HTTP/1.1", "head GET /a%20b?c 1.1 [|h]"},
      {"GET //a/../b HTTP/1.1", "head GET //a/../b 1.1 [|h]"},
      {"GET /\xc3\xa9|{} HTTP/1.1", "head GET /\xc3\xa9|{} 1.1 [|h]"},
      {"GET http://h/x?y HTTP/1.1", "head GET /x?y 1.1 [http|h]"},
      {"GET HTTPS://other:8443 HTTP/1.1", "head GET / 1.1 [https|other:8443]"},
      {"GET http://[::1]?q HTTP/1.1", "head GET /?q 1.1 [http|[::1]]"},
      {"OPTIONS http://o HTTP/1.1", "head OPTIONS * 1.1 [http|o]"},
      {"OPTIONS * HTTP/1.1", "head OPTIONS * 1.1 [|h]"},
      {"CONNECT db:5432 HTTP/1.1", "head CONNECT db:5432 1.1 [|db:5432]"},
      {"M-SEARCH /x HTTP/1.1", "head M-SEARCH /x 1.1 [|h]"}};
  for (const auto& [line, head] : cases) {
    EXPECT_THAT(requests(with_fields("", std::string(line) + "\r\n")), HasSubstr(head));
  }
}

TEST(RequestParser, PutsTheHostOfAnAbsoluteTargetInPlaceOfTheHostField) {
  EXPECT_EQ(requests("GET http://real/ HTTP/1.1\r\nHost: fake\r\nA: b\r\n\r\n"),
            "head GET / 1.1 [http|real] none keep\n  A=b\n  Host=real\nbody \nend\nidle\n");
}

TEST(RequestParser, RefusesABadRequestLine) {
  const std::pair<const char*, int> cases[] = {{"GET  / HTTP/1.1", 400},
                                               {"GET /  HTTP/1.1", 400},
                                               {" GET / HTTP/1.1", 400},
                                               {"GET / HTTP/1.1 ", 400},
                                               {"GET\t/ HTTP/1.1", 400},
                                               {"GET /\tHTTP/1.1", 400},
                                               {"GET /a b HTTP/1.1", 400},
                                               {"GET /", 400},
                                               {"GET", 400},
                                               {"GET ", 400},
                                               {"G(T / HTTP/1.1", 400},
                                               {"G\xc3\xa9T / HTTP/1.1", 400},
                                               {"GET a HTTP/1.1", 400},
                                               {"GET * HTTP/1.1", 400},
                                               {"GET ?x HTTP/1.1", 400},
                                               {"GET h:80 HTTP/1.1", 400},
                                               {"GET /a#b HTTP/1.1", 400},
                                               {"GET ftp://h/ HTTP/1.1", 400},
                                               {"GET http:///a HTTP/1.1", 400},
                                               {"GET http://u@h/ HTTP/1.1", 400},
                                               {"GET http://h:x/ HTTP/1.1", 400},
                                               {"GET https:/h HTTP/1.1", 400},
                                               {"CONNECT /x HTTP/1.1", 400},
                                               {"CONNECT h HTTP/1.1", 400},
                                               {"CONNECT :80 HTTP/1.1", 400},
                                               {"CONNECT http://h:80 HTTP/1.1", 400},
                                               {"GET /\x7f HTTP/1.1", 400},
                                               {"GET /\x01 HTTP/1.1", 400},
                                               {"GET / http/1.1", 400},
                                               {"GET / HTTP/1.1x", 400},
                                               {"GET / HTTP/11", 400},
                                               {"GET / HTTP/1,1", 400},
                                               {"GET / HTTP/01.1", 400},
                                               {"GET / HTTP/+1.1", 400},
                                               {"GET / HTTPS/1.1", 400},
                                               {"GET / HTTP/2.0", 505},
                                               {"PRI * HTTP/2.0", 505},
                                               {"OPTIONS * HTTP/2.0", 505},
                                               {"GET / HTTP/1.2", 505},
                                               {"GET / HTTP/0.9", 505},
                                               {"\x16\x03\x01", 400},
                                               {"{\"a\": 1}", 400}};
  for (const auto& [line, status] : cases) {
    const std::string log = requests(with_fields("", std::string(line) + "\r\n"));
    EXPECT_EQ(error_status(log), status) << line << log;
  }
}

TEST(RequestParser, RefusesAStrangerAtTheFirstByte) {
  RequestParser parser;
  std::string_view input = "\x16";
  const auto event = parser.next(input);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(),
            "malformed HTTP request: a request cannot begin with \"\\x16\"");
  EXPECT_EQ(event.error().http_status(), 400);
  input = "GET / HTTP/1.0\r\n\r\n";
  EXPECT_FALSE(parser.next(input)) << "an error is final";
}

TEST(RequestParser, RefusesBadHeaderLines) {
  using std::string_literals::operator""s;
  const std::string cases[] = {
      "A : b\r\n",    " A: b\r\n",      "\tA: b\r\n",  "A: b\r\n c\r\n", "A: b\r\n\tc\r\n",
      ": b\r\n",      "A\r\n",          "A B: c\r\n",  "A\x01: b\r\n",   "A: b\x01\r\n",
      "A: b\x7f\r\n", "A: b\0c\r\n"s,   "A\0: b\r\n"s, "A: b\rc\r\n",    "A: b\r\r\n",
      "\rA: b\r\n",   "A: b\nC: d\r\n", "A: b\n",      "A(): b\r\n",     "A\xc3\xa9: b\r\n",
      "\"A\": b\r\n", "A: b\x0b\r\n",   "A\r: b\r\n",  "A@b: c\r\n",     "A: b\r\n\n",
      "[A]: b\r\n"};
  for (const std::string& fields : cases) {
    EXPECT_EQ(error_status(requests(with_fields(fields))), 400) << fields;
  }
}

TEST(RequestParser, AllowsTabsAndBytesAbove127InValues) {
  EXPECT_THAT(requests(with_fields("A: b\tc \xc3\xa9\r\n")), HasSubstr("  A=b\tc \xc3\xa9\n"));
}

TEST(RequestParser, RefusesMissingRepeatedOrMalformedHosts) {
  const char* cases[] = {"GET / HTTP/1.1\r\n\r\n",
                         "GET http://h/ HTTP/1.1\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
                         "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: http://a\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
                         "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"};
  for (const char* text : cases) EXPECT_EQ(error_status(requests(text)), 400) << text;
  EXPECT_THAT(requests("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HasSubstr("idle"));
}

// What two hops could read differently must be refused by the first.
TEST(RequestParser, RefusesEverySmugglingForm) {
  const std::string smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: h\r\n\r\n";
  const std::pair<const char*, int> cases[] = {
      // CL.TE and TE.CL
      {"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", 400},
      {"Content-Length: 0\r\nTransfer-Encoding: identity\r\n", 400},
      // CL.CL
      {"Content-Length: 4\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5\r\nContent-Length: 5\r\n", 400},
      {"Content-Length: 5, 5\r\n", 400},
      {"Content-Length: 5,\r\n", 400},
      {"Content-Length: +5\r\n", 400},
      {"Content-Length: -5\r\n", 400},
      {"Content-Length: 0x5\r\n", 400},
      {"Content-Length: 5 5\r\n", 400},
      {"Content-Length: 5.0\r\n", 400},
      {"Content-Length: 1e3\r\n", 400},
      {"Content-Length: \"5\"\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Content-Length: 5\x0b\r\n", 400},
      {"Content-Length : 5\r\n", 400},
      {"Content-Length: 9223372036854775808\r\n", 400},
      {"Content-Length: 18446744073709551621\r\n", 400},
      {"Content-Length: 99999999999999999999999999\r\n", 400},
      // TE.TE
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400},
      {"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\ntransfer-encoding: x\r\n", 400},
      {"Transfer-Encoding: xchunked\r\n", 501},
      {"Transfer-Encoding: chunkedx\r\n", 501},
      {"Transfer-Encoding: \"chunked\"\r\n", 501},
      {"Transfer-Encoding: chunked;q=1\r\n", 501},
      {"Transfer-Encoding: identity\r\n", 501},
      {"Transfer-Encoding:\r\n", 501},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: chunked, chunked\r\n", 501},
      {"Transfer-Encoding: chunked, identity\r\n", 400},
      {"Transfer-Encoding: chunked, gzip\r\n", 400},
      {"Transfer-Encoding: chunked,\r\n", 400},
      {"Transfer-Encoding : chunked\r\n", 400},
      {" Transfer-Encoding: chunked\r\n", 400},
      {"X: y\r\n Transfer-Encoding: chunked\r\n", 400},
      {"X: y\rTransfer-Encoding: chunked\r\n", 400},
      {"X: y\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding:\x0b"
       "chunked\r\n",
       400},
      {"Transfer-Encoding: chunked\x7f\r\n", 400},
      {"Transfer-Encoding:\r\n chunked\r\n", 400},
      {"Transfer\x01-Encoding: chunked\r\n", 400}};
  for (const auto& [fields, status] : cases) {
    EXPECT_EQ(error_status(requests(with_fields(fields) + smuggled)), status) << fields;
  }
  EXPECT_EQ(error_status(requests(
                with_fields("Transfer-Encoding: chunked\r\n", "POST / HTTP/1.0\r\n") + smuggled)),
            400);
}

TEST(RequestParser, TakesTheLargestContentLength) {
  EXPECT_THAT(requests(with_fields("Content-Length: 9223372036854775807\r\n")),
              HasSubstr("length:9223372036854775807"));
  EXPECT_THAT(requests(with_fields("Content-Length: 000000000000000000000005\r\n") + "hello"),
              HasSubstr("body hello\nend"));
}

TEST(RequestParser, RefusesBadChunks) {
  const char* cases[] = {"\r\n",
                         " 5\r\nhello\r\n",
                         "5 \r\nhello\r\n",
                         "5\t\r\nhello\r\n",
                         "5 x\r\nhello\r\n",
                         "+5\r\nhello\r\n",
                         "-5\r\nhello\r\n",
                         "0x5\r\nhello\r\n",
                         "5g\r\nhello\r\n",
                         "g\r\n",
                         ";a\r\n",
                         "5\nhello\r\n",
                         "5\rhello\r\n",
                         "5\r\nhello\n",
                         "5\r\nhello0\r\n\r\n",
                         "5\r\nhello\r0\r\n\r\n",
                         "5;a\nhello\r\n",
                         "5;a\rb\r\nhello\r\n",
                         "5;a\x01\r\nhello\r\n",
                         "5;\x7f\r\nhello\r\n",
                         "1000000000000000\r\n",
                         "fffffffffffffffff\r\n",
                         "ffffffffffffffff\r\n",
                         "00000000000000005\r\nhello\r\n",
                         "0\r\n\n",
                         "0\r\nA: b\n\r\n",
                         "0\r\nA : b\r\n\r\n",
                         "0\r\n A: b\r\n\r\n",
                         "0\r\nA: b\r\n c\r\n\r\n",
                         "0\r\nContent-Length: 5\r\n\r\n",
                         "0\r\ntransfer-encoding: chunked\r\n\r\n",
                         "0\r\nHost: x\r\n\r\n",
                         "0\r\n\rX: y\r\n\r\n"};
  for (const char* chunks : cases) {
    const std::string log = requests(with_fields("Transfer-Encoding: chunked\r\n") + chunks);
    EXPECT_EQ(error_status(log), 400) << chunks << log;
  }
}

TEST(RequestParser, RefusesAHeadBeyondTheLimitAndTakesOneAtIt) {
  const std::string head = with_fields("A: 0123456789\r\n", "GET / HTTP/1.1\r\n");
  Limits limits{.head_bytes_max = head.size()};
  EXPECT_THAT(requests(head, limits), HasSubstr("idle"));
  limits.head_bytes_max = head.size() - 1;
  const std::string log = requests(head, limits);
  EXPECT_EQ(log, "body \nerror 431 malformed HTTP request: the head is larger than " +
                     std::to_string(head.size() - 1) + " bytes\n");
}

TEST(RequestParser, DoesNotWaitForTheEndOfAHeadThatIsTooLarge) {
  RequestParser parser({.head_bytes_max = 64});
  const std::string text = "GET / HTTP/1.1\r\nA: " + std::string(64, 'a');
  std::string_view input = text;
  EXPECT_EQ(parser.next(input).error().http_status(), 431);
}

TEST(RequestParser, Answers414ToALongTarget) {
  const std::string text = "GET /" + std::string(100, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(error_status(requests(text, {.target_bytes_max = 100})), 414);
  EXPECT_EQ(error_status(requests(text, {.target_bytes_max = 101})), 0);
  EXPECT_EQ(error_status(requests(text, {.head_bytes_max = 90})), 414);
}

TEST(RequestParser, LimitsTheNumberOfFields) {
  const std::string text = with_fields("A: b\r\nC: d\r\n");
  EXPECT_EQ(error_status(requests(text, {.fields_max = 2})), 431);
  EXPECT_EQ(error_status(requests(text, {.fields_max = 3})), 0);
}

TEST(RequestParser, ShowsTheHeadBeforeItRefusesALargeBody) {
  const Limits limits{.body_bytes_max = 5};
  EXPECT_THAT(requests(with_fields("Content-Length: 5\r\n") + "hello", limits), HasSubstr("idle"));
  EXPECT_EQ(requests(with_fields("Content-Length: 6\r\n") + "hello!", limits),
            "head POST / 1.1 [|h] length:6 keep\n  Host=h\n  Content-Length=6\nbody \n"
            "error 413 malformed HTTP request: the body is larger than 5 bytes\n");
  const std::string chunked = with_fields("Transfer-Encoding: chunked\r\n");
  EXPECT_THAT(requests(chunked + "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", limits), HasSubstr("idle"));
  EXPECT_THAT(requests(chunked + "2\r\nhe\r\n4\r\nllo!\r\n0\r\n\r\n", limits),
              HasSubstr("body he\nerror 413"));
  EXPECT_THAT(requests(chunked + "2\r\nhe\r\nfffffffffffffff\r\n", limits),
              HasSubstr("body he\nerror 413"));
}

TEST(RequestParser, LimitsTrailersAndChunkExtensions) {
  const std::string chunked = with_fields("Transfer-Encoding: chunked\r\n");
  const std::string trailers = "0\r\nA: 0123456789\r\n\r\n";
  EXPECT_EQ(error_status(requests(chunked + trailers, {.trailer_bytes_max = 16})), 431);
  EXPECT_EQ(error_status(requests(chunked + trailers, {.trailer_bytes_max = 17})), 0);
  const std::string extension = ";" + std::string(30, 'e') + "\r\n";
  const Limits limits{.chunk_extension_bytes_max = 64};
  EXPECT_EQ(error_status(requests(chunked + "1;" + std::string(80, 'e') + "\r\nx\r\n", limits)),
            400);
  // Many tiny chunks that are all overhead are refused, large ones with a signature each are not.
  std::string tiny = chunked;
  std::string large = chunked;
  for (int i = 0; i < 4; ++i) tiny += "1" + extension + "x\r\n";
  for (int i = 0; i < 4; ++i) large += "40" + extension + std::string(64, 'x') + "\r\n";
  EXPECT_EQ(error_status(requests(tiny, limits)), 400);
  EXPECT_EQ(error_status(requests(large, limits)), 0);
}

TEST(RequestParser, NamesWhatIsWrong) {
  EXPECT_THAT(requests(with_fields("A : b\r\n")),
              HasSubstr("error 400 malformed HTTP request: space in or after header name \"A\"\n"));
  EXPECT_THAT(requests("GET / HTTP/1.1\r\n\r\n"),
              HasSubstr("error 400 malformed HTTP request: missing required Host header\n"));
  EXPECT_THAT(requests(with_fields("Content-Length: 5\t,5\r\n")),
              HasSubstr("invalid Content-Length \"5\\x09,5\""));
}

TEST(RequestParser, LooksAtEachByteOfASlowHeadOnce) {
  // 256 KiB one byte at a time: a parser that starts over each time would need 34 GB of scanning.
  const std::string head = with_fields("A: " + std::string(256 << 10, 'a') + "\r\n");
  RequestParser parser({.head_bytes_max = 1 << 20});
  for (std::size_t size = 1; size < head.size(); ++size) {
    std::string_view input(head.data(), size);
    const auto event = parser.next(input);
    ASSERT_TRUE(event && event->kind == Event::Kind::need_more);
    ASSERT_EQ(input.size(), size);
  }
  std::string_view input = head;
  EXPECT_EQ(parser.next(input)->kind, Event::Kind::head);
}

}  // namespace
}  // namespace outrigger::net::http1
