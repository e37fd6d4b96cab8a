#include "net/uri.h"

#include <gtest/gtest.h>

// Expected values were printed by Go's net/url and path packages.
namespace outrigger::net {
namespace {

std::string all_printable() {
  std::string all;
  for (char c = 0x20; c != 0x7f; ++c) all += c;
  return all + "\x7f\xc3\xa9";
}

TEST(Uri, DecodesEscapesAndKeepsPlusInAPath) {
  EXPECT_EQ(path_unescape("a+b%20c%2Fd%2f%C3%a9").value(), "a+b c/d/\xc3\xa9");
  EXPECT_EQ(path_unescape("").value(), "");
  EXPECT_EQ(path_unescape("%00").value(), std::string(1, '\0'));
}

TEST(Uri, DecodesPlusAsSpaceInAQuery) { EXPECT_EQ(query_unescape("a+b%2Bc").value(), "a b+c"); }

TEST(Uri, RefusesABadEscapeWithGosText) {
  const std::pair<const char*, const char*> cases[] = {
      {"%zz", "invalid URL escape \"%zz\""},    {"%", "invalid URL escape \"%\""},
      {"%4", "invalid URL escape \"%4\""},      {"a%2", "invalid URL escape \"%2\""},
      {"%\"", "invalid URL escape \"%\\\"\""},  {"%\x01x", "invalid URL escape \"%\\x01x\""},
      {"x%4gabc", "invalid URL escape \"%4g\""}};
  for (const auto& [text, message] : cases) {
    for (const auto& got : {path_unescape(text), query_unescape(text)}) {
      ASSERT_FALSE(got) << text;
      EXPECT_EQ(got.error().message(), message);
      EXPECT_EQ(got.error().http_status(), 400);
    }
  }
}

TEST(Uri, EscapesAsGoDoes) {
  constexpr const char* kRest = "ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60";
  constexpr const char* kTail = "abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F%C3%A9";
  EXPECT_EQ(path_escape(all_printable()),
            std::string("%20%21%22%23$%25&%27%28%29%2A+%2C-.%2F0123456789:%3B%3C=%3E%3F@") + kRest +
                kTail);
  EXPECT_EQ(
      query_escape(all_printable()),
      std::string("+%21%22%23%24%25%26%27%28%29%2A%2B%2C-.%2F0123456789%3A%3B%3C%3D%3E%3F%40") +
          kRest + kTail);
  EXPECT_EQ(
      escape_path("/" + all_printable()),
      std::string("/%20%21%22%23$%25&%27%28%29%2A+,-./0123456789:;%3C=%3E%3F@") + kRest + kTail);
}

TEST(Uri, DecodingUndoesEncodingForEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(path_unescape(path_escape(bytes)).value(), bytes);
  EXPECT_EQ(path_unescape(escape_path(bytes)).value(), bytes);
  EXPECT_EQ(query_unescape(query_escape(bytes)).value(), bytes);
}

TEST(Uri, SplitsATargetAtTheFirstQuestionMark) {
  EXPECT_EQ(split_target("/a/b?c=d?e").path, "/a/b");
  EXPECT_EQ(split_target("/a/b?c=d?e").query, "c=d?e");
  EXPECT_EQ(split_target("/a").path, "/a");
  EXPECT_EQ(split_target("/a").query, "");
  EXPECT_EQ(split_target("?x").path, "");
}

TEST(Uri, SplitsHostAndPort) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  const Case cases[] = {{"localhost:3500", "localhost", 3500},
                        {"localhost", "localhost", -1},
                        {"[::1]:80", "::1", 80},
                        {"[fe80::1%25eth0]", "fe80::1%25eth0", -1},
                        {"a_b.c-d~e:", "a_b.c-d~e", -1},
                        {"", "", -1},
                        {":80", "", 80},
                        {"h:65535", "h", 65535},
                        {"a%20b", "a%20b", -1},
                        {"1.2.3.4:0", "1.2.3.4", 0}};
  for (const Case& expected : cases) {
    const auto got = split_authority(expected.text);
    ASSERT_TRUE(got) << expected.text;
    EXPECT_EQ(got->host, expected.host);
    EXPECT_EQ(got->port ? *got->port : -1, expected.port);
  }
}

TEST(Uri, RefusesAnInvalidHostOrPort) {
  for (const char* text :
       {"h:65536", "h:8x",     "h:-1", "h:123456",  "a b",        "user@h", "a/b",  "[::1",
        "[::1]x",  "[]",       "[zz]", "[1.2.3.4]", "::1",        "a%2",    "a%zz", "a\tb",
        "h:80:80", "\xc3\xa9", "a\\b", "[::1]80",   "[fe80::1%]", "a?b",    "a#b"}) {
    EXPECT_FALSE(split_authority(text)) << text;
  }
  EXPECT_FALSE(split_authority(std::string_view("a\0b", 3)));
}

TEST(Uri, TakesAnAbsoluteUrlApart) {
  const Url url = parse_url("HTTPS://me:pw@Example.com:8443/a%20b/c?x=1&y#frag").value();
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.userinfo, "me:pw");
  EXPECT_EQ(url.host, "Example.com");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.path, "/a%20b/c");
  EXPECT_EQ(url.query, "x=1&y");
  EXPECT_EQ(url.authority(), "Example.com:8443");
  EXPECT_EQ(url.target(), "/a%20b/c?x=1&y");
}

TEST(Uri, FillsInWhatAUrlLeavesOut) {
  const Url bare = parse_url("http://[::1]").value();
  EXPECT_EQ(bare.host, "::1");
  EXPECT_EQ(bare.port, std::nullopt);
  EXPECT_EQ(bare.effective_port(), 80);
  EXPECT_EQ(bare.authority(), "[::1]");
  EXPECT_EQ(bare.target(), "/");
  EXPECT_EQ(parse_url("https://h?q=/x").value().target(), "/?q=/x");
  EXPECT_EQ(parse_url("https://h").value().effective_port(), 443);
  EXPECT_EQ(parse_url("amqp://h").value().effective_port(), 0);
  EXPECT_EQ(parse_url("http://a@b@h/").value().host, "h");
}

TEST(Uri, RefusesAMalformedUrl) {
  for (const char* text : {"", "localhost:80", "/a", "://h", "1a://h", "ht_tp://h", "http://",
                           "http:///a", "http://h:99999", "http://a b/", "http://h/\n", "http://@/",
                           "http://[::1", "http://h:x/"}) {
    const auto got = parse_url(text);
    ASSERT_FALSE(got) << text;
    EXPECT_EQ(got.error().code(), Code::invalid_argument);
  }
}

TEST(Uri, WalksAQueryAndSkipsWhatGoSkips) {
  struct Case {
    const char* query;
    std::vector<std::pair<std::string, std::string>> params;
  };
  const Case cases[] = {{"a=1&b=2", {{"a", "1"}, {"b", "2"}}},
                        {"a=1;b=2", {}},
                        {"a&b=", {{"a", ""}, {"b", ""}}},
                        {"=x", {{"", "x"}}},
                        {"&&a=1&", {{"a", "1"}}},
                        {"a=%zz&b=1", {{"b", "1"}}},
                        {"a+b=c+d", {{"a b", "c d"}}},
                        {"a=1=2", {{"a", "1=2"}}},
                        {"%61=%62&a=c", {{"a", "b"}, {"a", "c"}}},
                        {"", {}}};
  for (const Case& expected : cases) {
    std::vector<std::pair<std::string, std::string>> got;
    for (auto& param : parse_query(expected.query)) got.emplace_back(param.key, param.value);
    EXPECT_EQ(got, expected.params) << expected.query;
  }
}

TEST(Uri, FindsTheFirstValueOfAQueryKey) {
  EXPECT_EQ(query_value("x=1&metadata.ttl=a%20b&x=2", "x"), "1");
  EXPECT_EQ(query_value("x=1&metadata.ttl=a%20b&x=2", "metadata.ttl"), "a b");
  EXPECT_EQ(query_value("x=1", "y"), std::nullopt);
}

TEST(Uri, CleansAPathAsGoDoes) {
  const std::pair<const char*, const char*> cases[] = {{"", "."},
                                                       {"/", "/"},
                                                       {"//", "/"},
                                                       {"a", "a"},
                                                       {"a/", "a"},
                                                       {"/a/", "/a"},
                                                       {"/a//b", "/a/b"},
                                                       {"/a/./b", "/a/b"},
                                                       {"/a/../b", "/b"},
                                                       {"/../a", "/a"},
                                                       {"../a", "../a"},
                                                       {"../../a", "../../a"},
                                                       {"a/..", "."},
                                                       {"a/../..", ".."},
                                                       {"a/../../b", "../b"},
                                                       {"/a/b/../../..", "/"},
                                                       {"./a", "a"},
                                                       {"a/b/..", "a"},
                                                       {"..", ".."},
                                                       {"../..", "../.."},
                                                       {"/.", "/"},
                                                       {"/..", "/"},
                                                       {"a/./", "a"},
                                                       {"...", "..."},
                                                       {"/a/...", "/a/..."},
                                                       {"../a/..", ".."},
                                                       {"../a/../..", "../.."},
                                                       {"../a/../b", "../b"},
                                                       {"a//../b", "b"},
                                                       {"/a/b/../c/./d//e/", "/a/c/d/e"}};
  for (const auto& [path, clean] : cases) {
    EXPECT_EQ(clean_path(path), clean) << path;
    EXPECT_EQ(clean_path(clean), clean);
  }
}

}  // namespace
}  // namespace outrigger::net
