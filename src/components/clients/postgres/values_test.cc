#include "components/clients/postgres/values.h"

#include <limits>

#include <gtest/gtest.h>

namespace outrigger::components::postgres {
namespace {

using namespace std::string_literals;

TEST(PostgresValues, IntegersAreBigEndianOfTheirSize) {
  EXPECT_EQ(from_integer(1), "\0\0\0\0\0\0\0\1"s);
  EXPECT_EQ(from_integer(-2), "\xff\xff\xff\xff\xff\xff\xff\xfe");
  for (const std::int64_t number : {std::int64_t{0}, std::numeric_limits<std::int64_t>::min(),
                                    std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(to_integer(from_integer(number)), number);
  }
  EXPECT_EQ(to_integer("\xff\xff\xff\xff"), -1);
  EXPECT_EQ(to_integer("\xff\xfe"), -2);
  EXPECT_EQ(to_integer("abc"), 0);
  EXPECT_EQ(to_unsigned(from_unsigned(4'000'000'000U)), 4'000'000'000U);
  EXPECT_EQ(to_unsigned("12345"), 0U);
}

TEST(PostgresValues, JsonHasAVersionInFront) {
  EXPECT_EQ(from_json("{}"), "\1{}");
  EXPECT_EQ(to_json("\1{}"), "{}");
  EXPECT_EQ(to_json(""), "");
}

TEST(PostgresValues, UuidsAreReadWithAndWithoutDashes) {
  const std::string text = "00112233-4455-6677-8899-aabbccddeeff";
  const std::string bytes = from_uuid(text);
  EXPECT_EQ(bytes.size(), 16U);
  EXPECT_EQ(to_uuid(bytes), text);
  EXPECT_EQ(from_uuid("00112233445566778899AABBCCDDEEFF"), bytes);
  for (const auto* bad : {"", "0011223344556677-8899-aabbccddeeff--", "never-issued",
                          "00112233-4455-6677-8899-aabbccddeefg", "0011"}) {
    EXPECT_EQ(from_uuid(bad), "") << bad;
  }
  EXPECT_EQ(to_uuid("short"), "");
}

TEST(PostgresValues, TextArraysMayHoldAnything) {
  EXPECT_EQ(from_texts({}), "\0\0\0\0\0\0\0\0\0\0\0\x19"s);
  const std::vector<std::string> texts{"a", "", "{\"\\,"};
  EXPECT_EQ(from_texts(texts),
            "\0\0\0\1\0\0\0\0\0\0\0\x19\0\0\0\3\0\0\0\1\0\0\0\1a\0\0\0\0\0\0\0\4{\"\\,"s);
}

TEST(PostgresValues, TimesCountMicrosecondsFromTheYear2000) {
  EXPECT_EQ(format_rfc3339(to_time(from_integer(0))), "2000-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(to_time(from_integer(844'093'445'999'999))), "2026-09-30T14:24:05Z");
  EXPECT_EQ(to_time(from_integer(std::numeric_limits<std::int64_t>::max())), WallTime::max());
  EXPECT_EQ(to_time(from_integer(std::numeric_limits<std::int64_t>::min())), WallTime::min());
}

}  // namespace
}  // namespace outrigger::components::postgres
