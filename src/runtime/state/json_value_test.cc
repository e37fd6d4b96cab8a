#include "runtime/state/json_value.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "runtime/state/json_error.h"

namespace outrigger::runtime::state {
namespace {

std::string rewritten(std::string_view raw) {
  std::string out = "kept:";
  std::string_view number;
  EXPECT_TRUE(append_value(out, raw, number)) << number;
  EXPECT_TRUE(out.starts_with("kept:"));
  return out.substr(5);
}

TEST(JsonValue, ScalarsStayWhatTheyAre) {
  EXPECT_EQ(rewritten("true"), "true");
  EXPECT_EQ(rewritten("null"), "null");
  EXPECT_EQ(rewritten(R"("")"), R"("")");
  EXPECT_EQ(rewritten("0"), "0");
  EXPECT_EQ(rewritten("-12"), "-12");
}

TEST(JsonValue, StringsAreEscapedAsGoDoes) {
  EXPECT_EQ(rewritten(R"("a<b>&c")"), R"("a\u003cb\u003e\u0026c")");
  EXPECT_EQ(rewritten(R"("\/\u0041\t")"), R"("/A\t")");
  EXPECT_EQ(rewritten("\"\xE2\x80\xA8\""), R"("\u2028")");
  // What is no UTF-8 becomes U+FFFD when it is decoded.
  EXPECT_EQ(rewritten("\"\xFF\""), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(rewritten(R"("\ud800")"), "\"\xEF\xBF\xBD\"");
}

TEST(JsonValue, WhiteSpaceGoesAndMembersAreSorted) {
  EXPECT_EQ(rewritten("{ \"b\" : 1 ,\n\t\"a\" : [ 1 , 2 , { } ] }"), R"({"a":[1,2,{}],"b":1})");
  EXPECT_EQ(rewritten(R"({"z":{"y":1,"x":{"b":[],"a":{}}},"c":"s"})"),
            R"({"c":"s","z":{"x":{"a":{},"b":[]},"y":1}})");
  EXPECT_EQ(rewritten(R"([{"b":1,"a":2},"x",{"d":1,"c":2}])"),
            R"([{"a":2,"b":1},"x",{"c":2,"d":1}])");
}

TEST(JsonValue, MembersAreSortedByTheirDecodedKeys) {
  EXPECT_EQ(rewritten(R"({"b":1,"\u0061":2})"), R"({"a":2,"b":1})");
  EXPECT_EQ(rewritten(R"({"<":1,";":2})"), R"({";":2,"\u003c":1})");
}

TEST(JsonValue, OfEqualKeysTheLastStays) {
  EXPECT_EQ(rewritten(R"({"a":1,"a":2})"), R"({"a":2})");
  EXPECT_EQ(rewritten(R"({"b":0,"a":1,"\u0061":{"x":1},"c":3})"), R"({"a":{"x":1},"b":0,"c":3})");
}

TEST(JsonValue, NumbersAreWrittenAsGoWritesThem) {
  EXPECT_EQ(rewritten("1.0"), "1");
  EXPECT_EQ(rewritten("1.50"), "1.5");
  EXPECT_EQ(rewritten("1e3"), "1000");
  EXPECT_EQ(rewritten("1E21"), "1e+21");
  EXPECT_EQ(rewritten("0.0000001"), "1e-7");
  EXPECT_EQ(rewritten("[1.10,-2.5e-3]"), "[1.1,-0.0025]");
}

TEST(JsonValue, LongNumbersKeepTheirDigits) {
  EXPECT_EQ(rewritten("9007199254740993"), "9007199254740993");
  EXPECT_EQ(rewritten("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(rewritten("12345678901234.56789"), "12345678901234.56789");
}

TEST(JsonValue, ANumberTooLargeForADoubleIsNamed) {
  std::string out = "kept";
  std::string_view number;
  EXPECT_FALSE(append_value(out, R"({"a":[1,2.5e999]})", number));
  EXPECT_EQ(number, "2.5e999");
  EXPECT_EQ(out, "kept");
}

TEST(JsonValue, DeepNestingTakesNeitherTheStackNorForEver) {
  constexpr int kDepth = 9000;
  std::string deep;
  for (int i = 0; i < kDepth; ++i) deep += R"({"b":1,"a":)";
  deep += "0";
  deep.append(kDepth, '}');
  const std::string out = rewritten(deep);
  EXPECT_EQ(out.size(), deep.size());
  EXPECT_TRUE(json::is_valid(out));
  std::string arrays(kDepth, '[');
  arrays.append(kDepth, ']');
  EXPECT_EQ(rewritten(arrays), arrays);
}

std::string whole_error(std::string_view text) {
  return json_syntax_error(text, JsonExtent::whole).value_or("");
}
std::string stream_error(std::string_view text) {
  return json_syntax_error(text, JsonExtent::first_value).value_or("");
}

TEST(JsonError, WellFormedTextHasNone) {
  EXPECT_EQ(whole_error(R"( {"a":[1,-2.5e+3,"\u00e9",true,null,{}]} )"), "");
  EXPECT_EQ(stream_error("[] and more"), "");
}

TEST(JsonError, TheEndOfTheTextIsNamedAsGoDoes) {
  EXPECT_EQ(whole_error(""), "unexpected end of JSON input");
  EXPECT_EQ(whole_error("[1"), "unexpected end of JSON input");
  EXPECT_EQ(stream_error("  "), "EOF");
  for (const auto text : {"[", "[1,", "{\"a\"", "{\"a\":", "\"abc", "\"\\", "\"\\u00", "tr", "-",
                          "1.", "1e", "{\"a\":1"}) {
    EXPECT_EQ(stream_error(text), "unexpected EOF") << text;
  }
}

// The texts are those of Go's encoding/json.
TEST(JsonError, TheFirstWrongByteIsNamedAsGoDoes) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"foobar", "invalid character 'o' in literal false (expecting 'a')"},
      {"nul!", "invalid character '!' in literal null (expecting 'l')"},
      {"[1,]", "invalid character ']' looking for beginning of value"},
      {"}", "invalid character '}' looking for beginning of value"},
      {"{1:2}", "invalid character '1' looking for beginning of object key string"},
      {"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1 \"b\"", "invalid character '\"' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"{} x", "invalid character 'x' after top-level value"},
      {"01", "invalid character '1' after top-level value"},
      {"\"a\nb\"", R"(invalid character '\n' in string literal)"},
      {"\"\\x\"", "invalid character 'x' in string escape code"},
      {"\"\\u00g0\"", R"(invalid character 'g' in \u hexadecimal character escape)"},
      {"-a", "invalid character 'a' in numeric literal"},
      {"1.x", "invalid character 'x' after decimal point in numeric literal"},
      {"1e+x", "invalid character 'x' in exponent of numeric literal"},
      {"'a'", R"(invalid character '\'' looking for beginning of value)"},
      {"\xC3", "invalid character 'Ã' looking for beginning of value"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(whole_error(text), message) << text;
}

TEST(JsonError, TooDeepNestingIsRefused) {
  EXPECT_EQ(whole_error(std::string(10'001, '[')), "exceeded max depth");
}

}  // namespace
}  // namespace outrigger::runtime::state
