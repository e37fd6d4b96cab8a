#include "base/json.h"

#include <limits>

#include "base/pch_test.h"
#include "base/strings.h"

namespace outrigger::json {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(Json, StringsAreEscapedAsGoEscapesThem) {
  const std::string text("a<b>&\"\\\b\f\n\r\t\0\x1f\x7f\u2028\u2029\u00e9\xff\xed\xa0\x80z/", 29);
  EXPECT_EQ(quote(text),
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\\u2028\\u2029\u00e9"
            "\\ufffd\\ufffd\\ufffd\\ufffdz/\"");
  EXPECT_EQ(quote("a<b>&", Html::keep), "\"a<b>&\"");
  EXPECT_EQ(quote(""), "\"\"");
}

TEST(Json, NumbersArePrintedAsGoPrintsThem) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {-0.0, "-0"},
      {1.5, "1.5"},
      {1e21, "1e+21"},
      {1e20, "100000000000000000000"},
      {123456789012345680000.0, "123456789012345680000"},
      {1e-6, "0.000001"},
      {1e-7, "1e-7"},
      {1.234e-9, "1.234e-9"},
      {3e-10, "3e-10"},
      {1e100, "1e+100"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {0.1, "0.1"},
      {9007199254740993.0, "9007199254740992"},
      {-1e15, "-1000000000000000"},
      {-1.8446744073709552e19, "-18446744073709552000"},
      {999999999999999900000.0, "999999999999999900000"},
      {std::numeric_limits<double>::quiet_NaN(), "null"},
      {std::numeric_limits<double>::infinity(), "null"},
  };
  for (const auto& [value, text] : cases) {
    std::string out;
    append_double(out, value);
    EXPECT_EQ(out, text);
  }
}

TEST(Json, ValidTextIsKnown) {
  for (const char* good : {"null",
                           "true",
                           "false",
                           "0",
                           "-0",
                           "-1.5e+10",
                           "1E5",
                           "1e-5",
                           "\"\"",
                           "\"a\\u00e9\\n\"",
                           "[]",
                           "{}",
                           " [ ] ",
                           "\t{ }\r\n",
                           "[1,2,[3,{\"a\":[]}]]",
                           "{\"a\":1,\"a\":{\"b\":null}}",
                           "[[[[[[[[]]]]]]]]",
                           "\"\\ud83d\"",
                           "\"\xff\"",
                           "\"12345678901234567890\\\"x\""}) {
    EXPECT_TRUE(is_valid(good)) << good;
  }
}

TEST(Json, MalformedTextIsRefused) {
  for (const char* bad : {"",
                          " ",
                          "nul",
                          "nulL",
                          "truefalse",
                          "01",
                          "-",
                          "-a",
                          "+1",
                          "1.",
                          ".5",
                          "1e",
                          "1e+",
                          "0x1",
                          "NaN",
                          "Infinity",
                          "\"",
                          "\"a",
                          "\"\\",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"\n\"",
                          "\"\t\"",
                          "'a'",
                          "[",
                          "]",
                          "[1",
                          "[1,",
                          "[1,]",
                          "[,1]",
                          "[1 2]",
                          "[1}",
                          "{",
                          "}",
                          "{1:2}",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{\"a\":1 \"b\":2}",
                          "{\"a\":1]",
                          "{,}",
                          "{a:1}",
                          "1 2",
                          "[] []",
                          "{}x",
                          "//c\n1",
                          "[1,\xef\xbb\xbf",
                          "\xef\xbb\xbf{}",
                          "\v1",
                          "[\"\\",
                          "{\"a",
                          "{\"a\":",
                          "[tru]",
                          "[\"abcdefgh"}) {
    EXPECT_FALSE(is_valid(bad)) << bad;
  }
  EXPECT_FALSE(is_valid(std::string_view("\0", 1)));
  EXPECT_FALSE(is_valid(std::string_view("\"\\\0\"", 4)));
  EXPECT_FALSE(is_valid(std::string_view("\"a\0b\"", 5)));
}

TEST(Json, EachControlCharacterInAStringIsFoundAtEachPlace) {
  for (int c = 0; c < 256; ++c) {
    for (std::size_t at = 0; at < 24; ++at) {
      std::string text = "\"" + std::string(24, 'x') + "\"";
      text[at + 1] = static_cast<char>(c);
      const bool good = c >= 0x20 && c != '"' && (c != '\\' || false);
      ASSERT_EQ(is_valid(text), good) << c << " at " << at;
    }
  }
}

TEST(Json, NestingHasALimitAndNoRecursion) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(is_valid(nested(kDepthMax)));
  EXPECT_FALSE(is_valid(nested(kDepthMax + 1)));
  EXPECT_FALSE(is_valid(std::string(10'000'000, '[')));
  std::string objects;
  for (int i = 0; i < kDepthMax; ++i) objects += "{\"a\":";
  EXPECT_TRUE(is_valid(objects + "1" + std::string(kDepthMax, '}')));
  EXPECT_FALSE(is_valid(objects + "1" + std::string(kDepthMax - 1, '}') + "]"));
}

TEST(Json, CompactTakesOutWhiteSpaceAndNothingElse) {
  const std::string text = " { \"a b\" : [ 1 , 2.50e+3 ,\"<\u2028 x\"] }\n";
  std::string out = ">";
  EXPECT_TRUE(append_compact(out, text));
  EXPECT_EQ(out, ">{\"a b\":[1,2.50e+3,\"<\u2028 x\"]}");
  out.clear();
  EXPECT_TRUE(append_compact(out, text, Html::escape));
  EXPECT_EQ(out, "{\"a b\":[1,2.50e+3,\"\\u003c\\u2028 x\"]}");
  EXPECT_FALSE(append_compact(out, "[1,"));
  EXPECT_EQ(out, "{\"a b\":[1,2.50e+3,\"\\u003c\\u2028 x\"]}");
}

TEST(Json, EscapesAndSurrogatesBecomeText) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("\ud83d\ude00")", "\U0001F600"},
      {R"("\ud83dx")", "\ufffdx"},
      {R"("\ud83d\u0041")", "\ufffdA"},
      {R"("\ude00")", "\ufffd"},
      {R"("\ud83d")", "\ufffd"},
      {R"("\/\b\f\n\r\t\"\\\u00e9")", "/\b\f\n\r\t\"\\\u00e9"},
      {"\"\xff\xe2\x82z\"", "\ufffd\ufffd\ufffdz"},
      {R"("\ud83d\ud83d\ude00")", "\ufffd\U0001F600"},
      {R"("")", ""},
  };
  for (const auto& [raw, text] : cases) EXPECT_EQ(string_value(raw), text) << raw;
  EXPECT_EQ(string_value(R"("\u0000")"), std::string(1, '\0'));
  for (const char* bad : {"", "1", "\"", "\"a", "\"a\"b", "\"\\\""}) {
    EXPECT_EQ(string_value(bad), std::nullopt) << bad;
  }
}

TEST(Json, AStringWithoutEscapesIsNotCopied) {
  const std::string_view raw = "\"plain\"";
  std::string scratch;
  EXPECT_EQ(string_view_value(raw, scratch)->data(), raw.data() + 1);
  EXPECT_EQ(string_view_value("\"a\\nb\"", scratch), "a\nb");
}

TEST(Json, ScalarsAreReadExactlyOrNotAtAll) {
  EXPECT_EQ(int_value("9223372036854775807"), 9223372036854775807);
  EXPECT_EQ(int_value("9223372036854775808"), std::nullopt);
  EXPECT_EQ(int_value("1.0"), std::nullopt);
  EXPECT_EQ(int_value("\"1\""), std::nullopt);
  EXPECT_EQ(double_value("-1.5e3"), -1500.0);
  EXPECT_EQ(double_value("true"), std::nullopt);
  EXPECT_EQ(bool_value("true"), true);
  EXPECT_EQ(bool_value("false"), false);
  EXPECT_EQ(bool_value("null"), std::nullopt);
}

TEST(Json, MembersComeInOrderWithTheirBytesUntouched) {
  std::vector<std::pair<std::string, std::string>> seen;
  const bool ok = for_each_member(
      " {\"key\" : 12345678901234567890123 , \"\\u006b\\n\":[1, {\"x\" :2}],\"s\":\"a\\nb\" ,"
      "\"e\":{}, \"n\":null} ",
      [&](std::string_view key, std::string_view value) { seen.emplace_back(key, value); });
  EXPECT_TRUE(ok);
  EXPECT_THAT(seen,
              ElementsAre(Pair("key", "12345678901234567890123"), Pair("k\n", "[1, {\"x\" :2}]"),
                          Pair("s", "\"a\\nb\""), Pair("e", "{}"), Pair("n", "null")));
}

TEST(Json, ElementsComeInOrder) {
  std::vector<std::string> seen;
  EXPECT_TRUE(for_each_element("[ 1,\"a,]\" ,[ ] , {}]",
                               [&](std::string_view value) { seen.emplace_back(value); }));
  EXPECT_THAT(seen, ElementsAre("1", "\"a,]\"", "[ ]", "{}"));
  EXPECT_TRUE(for_each_element(" [ ] ", [](std::string_view) { FAIL(); }));
  EXPECT_TRUE(for_each_member(" { } ", [](auto, auto) { FAIL(); }));
}

TEST(Json, ReadersAgreeWithTheCheckOnWhatIsMalformed) {
  for (const char* bad :
       {"", "1", "[", "{", "{}x", "[]x", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{a:1}", "[1 2]",
        "{\"a\":1 \"b\":2}", "{\"a\":[}", "[\"a]", "{\"a\":1]", "[1}"}) {
    EXPECT_FALSE(for_each_member(bad, [](auto, auto) {})) << bad;
    EXPECT_FALSE(for_each_element(bad, [](auto) {})) << bad;
  }
  ObjectReader reader("[");
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.ok());
}

TEST(Json, TheLastOfSeveralMembersCountsAndKeysFoldCaseOnRequest) {
  EXPECT_EQ(member("{\"a\":1,\"b\":2,\"a\":3}", "a"), "3");
  EXPECT_EQ(member("{\"a\":1}", "A"), std::nullopt);
  EXPECT_EQ(member("{\"a\":1", "a"), std::nullopt);
  ObjectReader reader("{\"maxItems\":1}");
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.key_is("MAXITEMS"));
}

TEST(Json, TypesAreToldByTheFirstByte) {
  EXPECT_EQ(type_of(" {"), Type::object);
  EXPECT_EQ(type_of("[1]"), Type::array);
  EXPECT_EQ(type_of("\"x\""), Type::string);
  EXPECT_EQ(type_of("-1"), Type::number);
  EXPECT_EQ(type_of("true"), Type::boolean);
  EXPECT_EQ(type_of("null"), Type::null);
  EXPECT_EQ(type_of(""), Type::invalid);
  EXPECT_EQ(type_of("x"), Type::invalid);
}

TEST(Json, TheWriterSetsCommasAndEscapes) {
  std::string out;
  Writer writer(out);
  writer.begin_object()
      .member("text", "<\n>")
      .member("int", -5)
      .member("big", std::uint64_t{18446744073709551615U})
      .member("real", 0.5)
      .member("yes", true)
      .raw_member("raw", "{\"n\":12345678901234567890}");
  writer.key("list").begin_array().value(1).value("two").begin_array().end_array();
  writer.begin_object().end_object().null().end_array();
  writer.key("empty").begin_object().end_object().end_object();
  EXPECT_EQ(out,
            "{\"text\":\"\\u003c\\n\\u003e\",\"int\":-5,\"big\":18446744073709551615,\"real\":0.5,"
            "\"yes\":true,\"raw\":{\"n\":12345678901234567890},\"list\":[1,\"two\",[],{},null],"
            "\"empty\":{}}");
  EXPECT_TRUE(is_valid(out));
}

TEST(Json, WhatIsWrittenReadsBack) {
  for (char32_t rune = 0; rune < 0x3000; ++rune) {
    if (rune >= 0xD800 && rune < 0xE000) continue;
    std::string text = "x";
    append_rune(text, rune);
    ASSERT_EQ(string_value(quote(text)), text);
    ASSERT_EQ(string_value(quote(text, Html::keep)), text);
  }
}

}  // namespace
}  // namespace outrigger::json
