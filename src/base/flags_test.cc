#include "base/flags.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct FlagsTest : testing::Test {
  FlagsTest() {
    flags.add("app-id", &id, "the `name` of the app");
    flags.add("mode", &mode, "run mode");
    flags.add("enable-metrics", &metrics, "serve metrics");
    flags.add("wait", &wait, "wait");
    flags.add("threshold", &threshold, "failures");
    flags.add("streams", &streams, "streams");
    flags.add("port", &port, "port");
    flags.add("timeout", &timeout, "limit");
    flags.add("config", &config, "files");
    flags.add("old", &old, "old");
    flags.deprecate("old", "use --app-id");
  }

  Result<Flags::Wish> parse(std::vector<std::string> arguments) { return flags.parse(arguments); }
  std::string error_of(std::vector<std::string> arguments) {
    const auto result = flags.parse(arguments);
    return result ? "no error" : result.error().message();
  }

  std::string id;
  std::string mode = "standalone";
  bool metrics = true;
  bool wait = false;
  int threshold = 3;
  unsigned streams = 3;
  std::uint64_t port = 0;
  std::chrono::nanoseconds timeout = std::chrono::seconds(30);
  std::vector<std::string> config;
  std::string old;
  Flags flags{"daprd"};
};

TEST_F(FlagsTest, AValueFollowsAnEqualsSignOrASpace) {
  ASSERT_TRUE(parse({"--app-id=a=b", "--mode", "kubernetes", "--threshold", "-5"}));
  EXPECT_EQ(id, "a=b");
  EXPECT_EQ(mode, "kubernetes");
  EXPECT_EQ(threshold, -5);
}

TEST_F(FlagsTest, ASingleDashIsAsGoodAsTwo) {
  ASSERT_TRUE(parse({"-app-id", "a", "-mode=b", "-wait"}));
  EXPECT_EQ(id, "a");
  EXPECT_EQ(mode, "b");
  EXPECT_TRUE(wait);
}

TEST_F(FlagsTest, ABoolTakesItsValueOnlyAfterAnEqualsSign) {
  ASSERT_TRUE(parse({"--enable-metrics=false", "--wait", "false"}));
  EXPECT_FALSE(metrics);
  EXPECT_TRUE(wait);
  EXPECT_THAT(flags.positional(), ElementsAre("false"));
}

TEST_F(FlagsTest, OnlyFlagsThatWereGivenAreChanged) {
  ASSERT_TRUE(parse({"--wait=false", "--mode", ""}));
  EXPECT_TRUE(flags.changed("wait"));
  EXPECT_TRUE(flags.changed("mode"));
  EXPECT_FALSE(flags.changed("enable-metrics"));
  EXPECT_EQ(mode, "");
}

TEST_F(FlagsTest, AListIsCsvAndMayBeRepeated) {
  config = {"default"};
  ASSERT_TRUE(parse({"--config", "a,b", "--config", "\"c,d\",\"e\"\"f\"", "--config="}));
  EXPECT_THAT(config, ElementsAre("a", "b", "c,d", "e\"f"));
  EXPECT_EQ(error_of({"--config", "a\"b"}),
            "invalid argument \"a\\\"b\" for \"--config\" flag: parse error on line 1, column 2: "
            "bare \" in non-quoted field");
  EXPECT_THAT(error_of({"--config", "\"ab"}), HasSubstr("extraneous or missing \""));
  EXPECT_THAT(error_of({"--config", "\"ab\"c"}), HasSubstr("extraneous or missing \""));
}

TEST_F(FlagsTest, NumbersMayHaveABaseAsInGo) {
  ASSERT_TRUE(parse({"--threshold", "0x1F", "--streams", "0b101", "--port", "1_000"}));
  EXPECT_EQ(threshold, 31);
  EXPECT_EQ(streams, 5U);
  EXPECT_EQ(port, 1000U);
  ASSERT_TRUE(parse({"--threshold", "017", "--streams", "0o17", "--port", "0"}));
  EXPECT_EQ(threshold, 15);
  EXPECT_EQ(streams, 15U);
  EXPECT_EQ(port, 0U);
}

TEST_F(FlagsTest, ErrorsHaveUpstreamsWords) {
  EXPECT_EQ(error_of({"--nope", "x"}), "unknown flag: --nope");
  EXPECT_EQ(error_of({"--nope=x"}), "unknown flag: --nope");
  EXPECT_EQ(error_of({"-nope"}), "unknown flag: --nope");
  EXPECT_EQ(error_of({"-x"}), "unknown shorthand flag: 'x' in -x");
  EXPECT_EQ(error_of({"--=x"}), "bad flag syntax: --=x");
  EXPECT_EQ(error_of({"---x"}), "bad flag syntax: ---x");
  EXPECT_EQ(error_of({"--app-id"}), "flag needs an argument: --app-id");
  EXPECT_EQ(error_of({"--threshold", "x"}),
            "invalid argument \"x\" for \"--threshold\" flag: strconv.ParseInt: parsing \"x\": "
            "invalid syntax");
  EXPECT_EQ(error_of({"--threshold", "99999999999999999999"}),
            "invalid argument \"99999999999999999999\" for \"--threshold\" flag: "
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range");
  EXPECT_EQ(error_of({"--streams=-1"}),
            "invalid argument \"-1\" for \"--streams\" flag: strconv.ParseUint: parsing \"-1\": "
            "invalid syntax");
  EXPECT_EQ(error_of({"--wait=maybe"}),
            "invalid argument \"maybe\" for \"--wait\" flag: strconv.ParseBool: parsing \"maybe\": "
            "invalid syntax");
  EXPECT_EQ(error_of({"--timeout=5"}),
            "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"");
  for (const char* number : {"", "-", "0x", "1__0", "_1", "1_", "1.5", "0b2", "09"}) {
    EXPECT_THAT(error_of({"--threshold", number}), HasSubstr("invalid syntax")) << number;
  }
}

TEST_F(FlagsTest, HelpIsAWishNotAnError) {
  EXPECT_EQ(parse({"--help"}).value(), Flags::Wish::help);
  EXPECT_EQ(parse({"-h"}).value(), Flags::Wish::help);
  EXPECT_EQ(parse({"-help"}).value(), Flags::Wish::help);
  EXPECT_EQ(parse({"--wait"}).value(), Flags::Wish::run);
}

TEST_F(FlagsTest, TwoDashesEndTheFlags) {
  ASSERT_TRUE(parse({"first", "--wait", "-", "--", "--nope", "-x"}));
  EXPECT_THAT(flags.positional(), ElementsAre("first", "-", "--nope", "-x"));
}

TEST_F(FlagsTest, ADeprecatedFlagWorksAndIsNoted) {
  ASSERT_TRUE(parse({"--old", "x"}));
  EXPECT_EQ(old, "x");
  EXPECT_THAT(flags.notices(), ElementsAre("Flag --old has been deprecated, use --app-id"));
}

TEST_F(FlagsTest, UsageListsVisibleFlagsWithTheirDefaults) {
  EXPECT_EQ(flags.usage(),
            "Usage of daprd:\n"
            "      --app-id name        the name of the app\n"
            "      --config strings     files\n"
            "      --enable-metrics     serve metrics (default true)\n"
            "      --mode string        run mode (default \"standalone\")\n"
            "      --port uint          port\n"
            "      --streams uint       streams (default 3)\n"
            "      --threshold int      failures (default 3)\n"
            "      --timeout duration   limit (default 30s)\n"
            "      --wait               wait\n");
}

}  // namespace
}  // namespace outrigger
