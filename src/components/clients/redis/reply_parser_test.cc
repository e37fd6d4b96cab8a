#include "components/clients/redis/reply_parser.h"

#include <cmath>

namespace outrigger::components::redis {
namespace {

using Type = Reply::Type;

/// All replies of `bytes`, given in pieces of `piece` bytes; the error's text at the end, if any.
std::vector<Reply> parse(std::string_view bytes, std::size_t piece, std::string* error = nullptr) {
  ReplyParser parser;
  std::vector<Reply> replies;
  while (!bytes.empty()) {
    const std::string part(bytes.substr(0, piece));
    bytes.remove_prefix(part.size());
    parser.feed(part);
    for (;;) {
      auto reply = parser.next();
      if (!reply) {
        if (error != nullptr) *error = reply.error().message();
        return replies;
      }
      if (!*reply) break;
      replies.push_back(std::move(**reply));
    }
  }
  return replies;
}

std::string error_of_bytes(std::string_view bytes) {
  std::string error;
  parse(bytes, bytes.size(), &error);
  return error;
}

TEST(ReplyParser, ReadsEveryTypeOfBothVersionsHoweverTheBytesAreCut) {
  const std::string_view bytes =
      "+OK\r\n-ERR "
      "no\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n,inf\r\n"
      "(123456789012345678901234567890\r\n!5\r\nERR x\r\n=8\r\ntxt:text\r\n~1\r\n:1\r\n"
      "%1\r\n+k\r\n*2\r\n:1\r\n$1\r\nb\r\n>2\r\n+message\r\n+hi\r\n*0\r\n%0\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    std::string error;
    const auto replies = parse(bytes, piece, &error);
    ASSERT_EQ(error, "") << piece;
    ASSERT_EQ(replies.size(), 19u) << piece;
    EXPECT_EQ(replies[0].text, "OK");
    EXPECT_TRUE(replies[1].is_error("ERR"));
    EXPECT_EQ(replies[2].integer, -42);
    EXPECT_EQ(replies[3].text, "a\r\nbc");
    EXPECT_TRUE(replies[4].is_text());
    EXPECT_EQ(replies[4].text, "");
    for (const std::size_t null : {5, 6, 7}) EXPECT_TRUE(replies[null].is_null());
    EXPECT_EQ(replies[8].integer, 1);
    EXPECT_EQ(replies[9].real, 1.5);
    EXPECT_TRUE(std::isinf(replies[10].real));
    EXPECT_EQ(replies[11].text, "123456789012345678901234567890");
    EXPECT_TRUE(replies[12].is_error("ERR"));
    EXPECT_EQ(replies[13].text, "text");
    EXPECT_EQ(replies[14].items.size(), 1u);
    ASSERT_NE(replies[15].find("k"), nullptr);
    EXPECT_EQ(replies[15].find("k")->items[1].text, "b");
    EXPECT_EQ(replies[16].type, Type::push);
    EXPECT_EQ(replies[17].type, Type::array);
    EXPECT_EQ(replies[18].type, Type::map);
  }
}

TEST(ReplyParser, ReadsOverAttributes) {
  const auto replies = parse("|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|0\r\n:2\r\n", 4);
  ASSERT_EQ(replies.size(), 1u);
  ASSERT_EQ(replies[0].items.size(), 2u);
  EXPECT_EQ(replies[0].items[1].integer, 2);
}

TEST(ReplyParser, RefusesWhatIsNoReply) {
  for (const std::string_view bytes :
       {"hello\r\n", "\r\n", "+no carriage return\n", ":1.5\r\n", ":\r\n", "$x\r\n", "$-2\r\n",
        "#y\r\n", ",one\r\n", "$2\r\nabc\r\n", "$2\r\nab\rc", "*-2\r\n", "*99999999999\r\n",
        "$536870913\r\n", "*?\r\n", "$?\r\n"}) {
    EXPECT_NE(error_of_bytes(bytes), "") << bytes;
  }
}

TEST(ReplyParser, RefusesWhatWouldTakeTooMuchMemoryOrStack) {
  std::string deep;
  for (std::size_t i = 0; i <= ReplyParser::kDepthMax; ++i) deep += "*1\r\n";
  EXPECT_NE(error_of_bytes(deep), "");
  EXPECT_NE(error_of_bytes(std::string(ReplyParser::kLineBytesMax + 1, '+')), "");
  std::string many = "*1048576\r\n";
  for (std::size_t i = 0; i < ReplyParser::kValuesMax; ++i) many += "_\r\n";
  EXPECT_NE(error_of_bytes(many), "");
  const std::string two_strings = "*2\r\n$536870912\r\n";
  EXPECT_EQ(error_of_bytes(two_strings), "");
}

}  // namespace
}  // namespace outrigger::components::redis
