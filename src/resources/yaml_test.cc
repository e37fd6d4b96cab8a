#include "resources/yaml.h"

#include <string>
#include <vector>

#include "base/strings.h"

namespace outrigger::yaml {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

ParseOptions named(std::string file = "f.yaml") { return {.file = std::move(file)}; }

std::string failure_of(std::string_view text, const ParseOptions& options = named()) {
  const auto node = parse(text, options);
  return node ? "" : node.error().message();
}

std::string json_of(std::string_view text, Dialect dialect = Dialect::yaml_1_1) {
  const auto node = parse(text, named());
  if (!node) return node.error().message();
  const auto json = to_json(*node, dialect);
  return json ? *json : json.error().message();
}

TEST(Yaml, ATreeKeepsOrderTextStyleAndPosition) {
  const auto node = parse("b: 0123\na:\n  - 'x'\n  - \"y\"\n  - |\n    z\n", named());
  ASSERT_TRUE(node);
  ASSERT_EQ(node->members.size(), 2);
  EXPECT_EQ(node->members[0].key.text, "b");
  EXPECT_EQ(node->members[0].value.text, "0123");
  EXPECT_EQ(node->members[0].value.column, 4);
  const Node* list = node->find("a");
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->items.size(), 3);
  EXPECT_EQ(list->items[0].style, Style::single_quoted);
  EXPECT_EQ(list->items[1].style, Style::double_quoted);
  EXPECT_EQ(list->items[1].line, 4);
  EXPECT_EQ(list->items[2].style, Style::literal);
  EXPECT_EQ(list->items[2].text, "z\n");
  EXPECT_EQ(node->find("c"), nullptr);
}

TEST(Yaml, AnEmptyDocumentIsNull) {
  for (const std::string_view text : {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n"}) {
    EXPECT_EQ(json_of(text), "null") << text;
  }
}

TEST(Yaml, ByteOrderMarkAndWindowsLineEndsAreNoPartOfTheText) {
  EXPECT_EQ(json_of("\xEF\xBB\xBF"
                    "a: 1\r\nb: x\r\n"),
            R"({"a":1,"b":"x"})");
}

TEST(Yaml, OnlyTheFirstDocumentIsRead) { EXPECT_EQ(json_of("a: 1\n---\nb: 2\n"), R"({"a":1})"); }

TEST(Yaml, ErrorsNameFileLineAndColumn) {
  EXPECT_EQ(failure_of("a: 1\nb: c: d\n"),
            "f.yaml:2:5: mapping values are not allowed in this context");
  EXPECT_THAT(failure_of("a: 1\n\tb: 2\n"), StartsWith("f.yaml:2:1: found a tab character"));
  EXPECT_THAT(failure_of("a: [1, 2\n"), StartsWith("f.yaml:2:1: did not find expected"));
  EXPECT_THAT(failure_of("a: 'x\n"), HasSubstr("found unexpected end of stream"));
  const auto shifted = parse("a: b: c", {.file = "g.yaml", .first_line = 40});
  ASSERT_FALSE(shifted);
  EXPECT_THAT(shifted.error().message(), StartsWith("g.yaml:40:5: "));
}

TEST(Yaml, BytesThatAreNoTextAreRefusedWhereTheyStand) {
  EXPECT_EQ(failure_of("a: 1\nb: \xFF\n"), "f.yaml:2:4: invalid leading UTF-8 octet");
  EXPECT_THAT(failure_of(std::string_view("a: 1\nb: \0\n", 10)),
              StartsWith("f.yaml:2:4: control characters are not allowed"));
  std::string garbage;
  for (int i = 0; i < 4096; ++i) garbage += static_cast<char>(i * 131 % 251);
  EXPECT_NE(failure_of(garbage), "");
}

TEST(Yaml, RepeatedKeysAreRefusedOrTheLastOneWins) {
  EXPECT_EQ(json_of("a: 1\nb: 2\na: 3\n"), R"({"a":3,"b":2})");
  ParseOptions strict = named();
  strict.duplicates = Duplicates::reject;
  EXPECT_EQ(failure_of("a: 1\nb: 2\na: 3\n", strict),
            "f.yaml:3:1: mapping key \"a\" already defined at line 1");
}

TEST(Yaml, AliasesAreExpandedAndMergeKeysApplied) {
  EXPECT_EQ(json_of("base: &b {x: 1, z: 2}\nc: {<<: *b, z: 3}\nd: *b\n"),
            R"({"base":{"x":1,"z":2},"c":{"x":1,"z":3},"d":{"x":1,"z":2}})");
  EXPECT_EQ(json_of("c: {<<: [{x: 1}, {x: 2, z: 4}]}\n"), R"({"c":{"x":1,"z":4}})");
  EXPECT_THAT(failure_of("c: {<<: 1}\n"), HasSubstr("map merge requires map"));
  EXPECT_THAT(failure_of("a: *nobody\n"), HasSubstr("unknown anchor 'nobody' referenced"));
  EXPECT_THAT(failure_of("a: &x [*x]\n"), HasSubstr("anchor 'x' value contains itself"));
}

TEST(Yaml, ABillionLaughsEndInAnError) {
  std::string bomb = "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + from;
    for (int n = 1; n < 10; ++n) bomb += "," + from;
    bomb += "]\n";
  }
  EXPECT_THAT(failure_of(bomb), HasSubstr("excessive aliasing"));

  std::string merges = "a0: &a0 {k: v}\n";
  for (int i = 1; i < 40; ++i) {
    const std::string from = "*a" + std::to_string(i - 1);
    merges += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {x: " + from +
              ", y: " + from + ", <<: " + from + "}\n";
  }
  EXPECT_THAT(failure_of(merges), HasSubstr("excessive aliasing"));

  std::string copies = "s: &s \"" + std::string(1 << 20, 'x') + "\"\nl:\n";
  for (int i = 0; i < 1000; ++i) copies += "- *s\n";
  EXPECT_THAT(failure_of(copies), HasSubstr("excessive aliasing"));
}

TEST(Yaml, DeepNestingEndsInAnError) {
  EXPECT_THAT(failure_of(std::string(100'000, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(failure_of(std::string(100'000, '{')), HasSubstr("nested too deeply"));
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  EXPECT_THAT(failure_of(dashes), HasSubstr("nested too deeply"));
  // Aliases must not build what brackets may not.
  std::string chain = "a0: &a0 x\n";
  for (int i = 1; i < 300; ++i) {
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
             "]\n";
  }
  EXPECT_THAT(failure_of(chain), HasSubstr("nested too deeply"));
}

TEST(Yaml, SizeIsLimited) {
  ParseOptions small = named();
  small.limits.bytes = 10;
  EXPECT_THAT(failure_of("a: 123456789\n", small), HasSubstr("too large"));
  small = named();
  small.limits.nodes = 1000;
  std::string many = "[";
  for (int i = 0; i < 2000; ++i) many += "1,";
  EXPECT_THAT(failure_of(many + "]", small), HasSubstr("too many nodes"));
  const std::string long_text(std::size_t{4} << 20, 'x');
  EXPECT_EQ(json_of("a: " + long_text), "{\"a\":\"" + long_text + "\"}");
  std::string directives;
  for (int i = 0; i < 100'000; ++i) directives += "%TAG !a" + std::to_string(i) + "! b\n";
  EXPECT_THAT(failure_of(directives), HasSubstr("too many lines start with %"));
}

TEST(YamlParts, AFileIsCutAtDashesAndLinesAreCounted) {
  const auto parts = split_documents("a: 1\n--- # two\nb: 2\r\n---\r\nc: 3\n---");
  ASSERT_EQ(parts.size(), 3);
  EXPECT_EQ(parts[0].text, "a: 1");
  EXPECT_EQ(parts[0].first_line, 1);
  EXPECT_EQ(parts[1].text, "b: 2\r");
  EXPECT_EQ(parts[1].first_line, 3);
  EXPECT_EQ(parts[2].text, "c: 3");
  EXPECT_EQ(parts[2].first_line, 5);
}

TEST(YamlParts, ALeadingSeparatorBelongsToTheFirstDocument) {
  const auto parts = split_documents("---\na: 1\n---\n");
  ASSERT_EQ(parts.size(), 1);
  EXPECT_EQ(json_of(parts[0].text), R"({"a":1})");
  EXPECT_TRUE(split_documents("").empty());
}

// What sigs.k8s.io/yaml 1.4 makes of "name: <text>" for a string field, and of "value: <text>" for
// a component's metadata value; recorded from that library.
struct Recorded {
  std::string_view text, as_string, as_value;
};
constexpr Recorded kRecorded[] = {
    {"true", "true", "true"},
    {"yes", "true", "true"},
    {"off", "false", "false"},
    {"y", "true", "true"},
    {"0123", "83", "83"},
    {"089", "89", "89"},
    {"0x1F", "31", "31"},
    {"0b11", "3", "3"},
    {"0o17", "15", "15"},
    {"1_000", "1000", "1000"},
    {"1.0", "1", "1"},
    {"1.10", "1.1", "1.1"},
    {"1e3", "1000", "1000"},
    {"1e21", "1e+21", "1e+21"},
    {"1e-7", "1e-07", "1e-7"},
    {"12345678901234567890", "12345678901234567890", "12345678901234567890"},
    {"-5", "-5", "-5"},
    {"+7", "7", "7"},
    {"123456789012345678901234567890", "1.2345679e+29", "1.2345678901234568e+29"},
    {"1.5e400", "1.5e400", "\"1.5e400\""},
    {".5", "0.5", "0.5"},
    {"-.5", "-0.5", "-0.5"},
    {"'yes'", "yes", "\"yes\""},
    {"\"1.10\"", "1.10", "\"1.10\""},
    {"2001-01-01", "2001-01-01", "\"2001-01-01\""},
    {"12:30:45", "12:30:45", "\"12:30:45\""},
    {"|\n   a\n   b\n", "a\nb\n", "\"a\\nb\\n\""},
    {">-\n   a\n   b\n", "a b", "\"a b\""},
    {"!!str 12", "12", "\"12\""},
    {"!!int \"12\"", "12", "12"},
    {"!!float 3", "3", "3"},
    {"!!binary aGk=", "hi", "\"hi\""},
    {"!custom x", "x", "\"x\""},
    {"-0", "0", "0"},
    {"0.0", "0", "0"},
    {"-0.0", "-0", "-0"},
    {"1__0", "10", "10"},
    {"_1", "_1", "\"_1\""},
    {"0x", "0x", "\"0x\""},
    {"1e", "1e", "\"1e\""},
    {"1.", "1", "1"},
    {"+", "+", "\"+\""},
    {"..", "..", "\"..\""},
    {"1.2.3", "1.2.3", "\"1.2.3\""},
    {"0777", "511", "511"},
    {"00", "0", "0"},
    {"1 2", "1 2", "\"1 2\""},
    {"1000000", "1000000", "1000000"},
    {"1234567.5", "1.2345675e+06", "1234567.5"},
};

TEST(YamlScalars, HaveTheValuesUpstreamGivesThem) {
  for (const Recorded& recorded : kRecorded) {
    const auto node = parse("v: " + std::string(recorded.text) + "\n", named());
    ASSERT_TRUE(node) << recorded.text;
    const Node* value = node->find("v");
    ASSERT_NE(value, nullptr) << recorded.text;
    const auto scalar = resolve(*value, Dialect::yaml_1_1);
    ASSERT_TRUE(scalar) << recorded.text;
    EXPECT_EQ(scalar->text, recorded.as_string) << recorded.text;
    EXPECT_EQ(*to_json(*value, Dialect::yaml_1_1), recorded.as_value) << recorded.text;
  }
}

TEST(YamlScalars, NullHasFiveSpellings) {
  for (const std::string text : {"~", "null", "Null", "NULL", ""}) {
    EXPECT_EQ(json_of("v: " + text), R"({"v":null})") << text;
  }
}

TEST(YamlScalars, OnlyTrueAndFalseAreBooleansInConfigurationFiles) {
  EXPECT_EQ(json_of("[yes, true, False, off]", Dialect::yaml_1_2), R"(["yes",true,false,"off"])");
}

TEST(YamlScalars, ATagThatContradictsItsTextIsAnError) {
  EXPECT_THAT(json_of("v: !!int abc"), HasSubstr("cannot decode !!str `abc` as a !!int"));
  EXPECT_THAT(json_of("v: !!binary '*'"), HasSubstr("invalid base64"));
}

TEST(YamlJson, IsInGoesForm) {
  EXPECT_EQ(json_of("{b: 1, a: [x, 2.50, yes]}"), R"({"a":["x",2.5,true],"b":1})");
  EXPECT_EQ(json_of("{1e130: a, -.inf: b}"), R"({"-.inf":"b",".inf":"a"})");
  EXPECT_EQ(json_of("{1: a, 1.50: b, yes: c}"), R"({"1":"a","1.5":"b","true":"c"})");
  EXPECT_EQ(json_of("[1e20, 1e21, 1e-6, 1e-7, 100000.5]"),
            "[100000000000000000000,1e+21,0.000001,1e-7,100000.5]");
  EXPECT_EQ(json_of("\"<a> & \\u2028 \\x01\""), R"("\u003ca\u003e \u0026 \u2028 \u0001")");
}

TEST(YamlJson, RefusesWhatJsonCannotHold) {
  EXPECT_THAT(json_of("v: .inf"), HasSubstr("unsupported value: +Inf"));
  EXPECT_THAT(json_of("v: .nan"), HasSubstr("unsupported value: NaN"));
  EXPECT_THAT(json_of("{~: a}"), HasSubstr("a map key must not be null"));
  EXPECT_THAT(json_of("{[a]: b}"), HasSubstr("a map key must be a scalar"));
}

}  // namespace
}  // namespace outrigger::yaml
