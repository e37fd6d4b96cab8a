#include "base/quantity.h"

#include "base/pch_test.h"

namespace outrigger {
namespace {

TEST(Quantity, SuffixesScaleByTenOrByTwo) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0", 0},
      {"4Mi", 4 << 20},
      {"4Ki", 4096},
      {"1.5G", 1'500'000'000},
      {"100", 100},
      {"+5k", 5000},
      {"-1", -1},
      {"-1Ki", -1024},
      {"1e3", 1000},
      {"1E3", 1000},
      {"2E", 2'000'000'000'000'000'000},
      {"1.5Mi", 1572864},
      {"0.5Ki", 512},
      {"5000m", 5},
      {"1.0", 1},
      {"1.", 1},
      {".5k", 500},
      {"000012", 12},
      {"7Ei", 7LL << 60},
      {"5e-0", 5},
      {"50e-1", 5},
      {"1T", 1'000'000'000'000},
      {"9223372036854775807", 9223372036854775807},
  };
  for (const auto& [text, value] : cases) {
    const auto parsed = parse_quantity(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(Quantity, WhatIsNotWholeOrDoesNotFitIsNotANumberOfBytes) {
  for (const char* bad : {"100m", "1.5", "8Ei", "9223372036854775808", "1e30", "1e-1", "1n",
                          "99999999999999999999999999999999999999999999999999"}) {
    const auto parsed = parse_quantity(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().message(),
              std::string("cannot get bytes from resource quantity value '") + bad + "'");
  }
}

TEST(Quantity, MalformedTextIsRefused) {
  for (const char* bad : {"", "-", "Mi", "1 Mi", "4MB", "1.2.3", ".", "four", "1Mi!", "0x10"}) {
    EXPECT_FALSE(parse_quantity(bad)) << bad;
  }
  for (const char* bad : {"4mi", "4Kn", "1e", "4KiKi", "1e99999999999"}) {
    EXPECT_FALSE(parse_quantity(bad)) << bad;
  }
  EXPECT_EQ(parse_quantity("4mi").error().message(), "unable to parse quantity's suffix");
  EXPECT_EQ(parse_quantity("").error().message(),
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

}  // namespace
}  // namespace outrigger
