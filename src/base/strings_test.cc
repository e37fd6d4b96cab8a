#include "base/strings.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Strings, SplitKeepsEmptyPartsAsGoDoes) {
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
}

TEST(Strings, ASplitListHasNoEmptyPartsAndNoSpaces) {
  EXPECT_THAT(split_list(" a , ,b,"), ElementsAre("a", "b"));
  EXPECT_THAT(split_list(""), IsEmpty());
}

TEST(Strings, CutGivesBothSidesOfTheFirstSeparator) {
  EXPECT_EQ(cut("k=v=w", "=")->first, "k");
  EXPECT_EQ(cut("k=v=w", "=")->second, "v=w");
  EXPECT_FALSE(cut("kv", "="));
}

TEST(Strings, TrimTakesWhiteSpaceFromBothEndsOnly) {
  EXPECT_EQ(trim(" \t\r\n\v\fa b \n"), "a b");
  EXPECT_EQ(trim(" \n "), "");
}

TEST(Strings, CaseFoldingIsForAsciiOnly) {
  EXPECT_EQ(to_lower("ABZ\xC3\x84"), "abz\xC3\x84");
  EXPECT_EQ(to_upper("abz@"), "ABZ@");
  EXPECT_TRUE(equals_fold("Content-Type", "content-TYPE"));
  EXPECT_FALSE(equals_fold("a", "ab"));
  EXPECT_FALSE(equals_fold("@", "`"));
  EXPECT_TRUE(starts_with_fold("Bearer x", "bearer "));
}

TEST(Strings, JoinAndReplaceAreEachOthersUndoing) {
  EXPECT_EQ(join({"a", "b", "c"}, "||"), "a||b||c");
  EXPECT_EQ(replace_all("a||b||c", "||", "-"), "a-b-c");
  EXPECT_EQ(replace_all("aaa", "aa", "b"), "ba");
  EXPECT_EQ(replace_all("aaa", "", "b"), "aaa");
}

TEST(Strings, ParseBoolTakesGosTwelveSpellings) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) EXPECT_EQ(parse_bool(yes), true);
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    EXPECT_EQ(parse_bool(no), false);
  }
  for (const char* bad : {"", "yes", "tRUE", " true", "01"}) {
    EXPECT_EQ(parse_bool(bad), std::nullopt) << bad;
  }
}

TEST(Strings, TruthyIsUpstreamsSixWordsInAnyCase) {
  for (const char* yes : {"y", "YES", "True", "t", "oN", "1", "  true\n"}) {
    EXPECT_TRUE(is_truthy(yes)) << yes;
  }
  for (const char* no : {"", "0", "no", "truee", "2", "enabled"}) EXPECT_FALSE(is_truthy(no)) << no;
}

TEST(Strings, ANumberMustBeTheWholeTextAndFit) {
  EXPECT_EQ(parse_int<int>("-12"), -12);
  EXPECT_EQ(parse_int<int>("+12"), 12);
  EXPECT_EQ(parse_int<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_int<std::uint16_t>("65536"), std::nullopt);
  for (const char* bad : {"", "+", "-", "+-1", "1 ", " 1", "1x", "0x1", "1.0"}) {
    EXPECT_EQ(parse_int<int>(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_double("1.5e3"), 1500.0);
  EXPECT_EQ(parse_double("1.5x"), std::nullopt);
}

TEST(Strings, QuotedTextIsWhatGoPrintsForPercentQ) {
  EXPECT_EQ(quoted(""), R"("")");
  EXPECT_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(quoted("\a\b\f\n\r\t\v"), R"("\a\b\f\n\r\t\v")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f\x7f", 3)), R"("\x00\x1f\x7f")");
  EXPECT_EQ(quoted("\xff\xc3"), R"("\xff\xc3")");
  EXPECT_EQ(quoted("h\u00e9llo \u4e16\u754c \U0001F600"), "\"h\u00e9llo \u4e16\u754c \U0001F600\"");
  EXPECT_EQ(quoted("\u00a0\u200b\ufeff\u2028"), R"("\u00a0\u200b\ufeff\u2028")");
  EXPECT_EQ(quoted("\U000E0001"), R"("\U000e0001")");
  EXPECT_EQ(quoted("\ufffd"), "\"\ufffd\"");
}

TEST(Strings, IllFormedUtf8DecodesByteByByte) {
  for (const char* bad : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF8\x88\x80\x80\x80", "\xE2\x82", "\xC3", "\xF0\x9F\x98"}) {
    EXPECT_EQ(decode_rune(bad).bytes, 1U) << quoted(bad);
    EXPECT_FALSE(decode_rune(bad).valid()) << quoted(bad);
    EXPECT_FALSE(is_utf8(bad)) << quoted(bad);
  }
  EXPECT_TRUE(is_utf8("a\u00e9\u4e16\U0001F600\U0010FFFF\ufffd"));
}

TEST(Strings, EveryRuneSurvivesEncodingAndDecoding) {
  for (char32_t rune = 0; rune <= 0x10FFFF; rune += 0x35) {
    if (rune >= 0xD800 && rune < 0xE000) continue;
    std::string text;
    append_rune(text, rune);
    const Rune back = decode_rune(text);
    ASSERT_EQ(back.value, rune);
    ASSERT_EQ(back.bytes, text.size());
  }
  std::string replaced;
  append_rune(replaced, 0xD800);
  EXPECT_EQ(replaced, "\ufffd");
}

}  // namespace
}  // namespace outrigger
