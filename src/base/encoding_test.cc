#include "base/base64.h"
#include "base/hex.h"
#include "base/pch_test.h"
#include "base/random.h"
#include "base/uuid.h"

namespace outrigger {
namespace {

using enum Base64Alphabet;
using enum Base64Padding;

TEST(Base64, EncodesTheVectorsOfTheRfc) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : vectors) {
    EXPECT_EQ(base64_encode(plain), text);
    EXPECT_EQ(base64_decode(text), plain);
    std::string raw = text;
    raw.erase(std::min(raw.find('='), raw.size()));
    EXPECT_EQ(base64_encode(plain, standard, Base64Padding::raw), raw);
    EXPECT_EQ(base64_decode(raw, standard, Base64Padding::raw), plain);
    EXPECT_EQ(base64_decode_any(raw), plain);
    EXPECT_EQ(base64_decode_any(text), plain);
  }
}

TEST(Base64, EachAlphabetRefusesTheOthersSymbols) {
  EXPECT_EQ(base64_encode("\xfb\xff", url), "-_8=");
  EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
  EXPECT_EQ(base64_decode("-_8="), std::nullopt);
  EXPECT_EQ(base64_decode("+/8=", url), std::nullopt);
  EXPECT_EQ(base64_decode_any("-/8"), "\xfb\xff");
}

TEST(Base64, LineEndsAreSkippedAndStrayBitsIgnored) {
  EXPECT_EQ(base64_decode("Zm\r\n9v\n"), "foo");
  EXPECT_EQ(base64_decode("Zh=="), "f");
}

TEST(Base64, MalformedTextIsRefused) {
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zm9v=",
                          "Zm9v====", "Zm 9v", "Zm9v!", "Zg=a"}) {
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(base64_decode("Zg==", standard, Base64Padding::raw), std::nullopt);
  EXPECT_EQ(base64_decode_any("Zg="), std::nullopt);
  EXPECT_EQ(base64_decode_any("Zm9vZ"), std::nullopt);
}

TEST(Base64, EveryLengthOfBytesComesBack) {
  for (std::size_t size = 0; size < 100; ++size) {
    const std::string bytes = secure_random_bytes(size);
    ASSERT_EQ(base64_decode(base64_encode(bytes)), bytes);
    ASSERT_EQ(base64_decode(base64_encode(bytes, url, Base64Padding::raw), url, Base64Padding::raw),
              bytes);
  }
}

TEST(Hex, DecodesEitherCaseAndRefusesTheRest) {
  EXPECT_EQ(hex_encode(std::string_view("\x00\xab\xff", 3)), "00abff");
  EXPECT_EQ(hex_decode("00aBFf"), std::string("\x00\xab\xff", 3));
  EXPECT_EQ(hex_decode(""), "");
  EXPECT_EQ(hex_decode("0"), std::nullopt);
  EXPECT_EQ(hex_decode("0g"), std::nullopt);
}

TEST(Uuid, IsOfVersionFourAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = uuid_v4();
    ASSERT_TRUE(is_uuid(id)) << id;
    ASSERT_EQ(id[14], '4');
    ASSERT_NE(std::string("89ab").find(id[19]), std::string::npos);
    ASSERT_TRUE(seen.insert(id).second);
  }
}

TEST(Uuid, RefusesOtherForms) {
  EXPECT_TRUE(is_uuid("6BA7B810-9dad-11d1-80b4-00c04fd430c8"));
  EXPECT_FALSE(is_uuid("6ba7b8109dad11d180b400c04fd430c8"));
  EXPECT_FALSE(is_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430cg"));
  EXPECT_FALSE(is_uuid(""));
}

TEST(Random, BytesAreAsManyAsAskedAndDiffer) {
  EXPECT_EQ(secure_random_bytes(0), "");
  EXPECT_EQ(secure_random_bytes(2000).size(), 2000U);
  EXPECT_NE(secure_random_bytes(16), secure_random_bytes(16));
}

TEST(Random, QuickNumbersStayBelowTheirLimit) {
  std::array<int, 5> counts{};
  for (int i = 0; i < 5000; ++i) {
    const auto value = fast_random_below(5);
    ASSERT_LT(value, 5U);
    ++counts[value];
    const double unit = fast_random_unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
  }
  for (const int count : counts) EXPECT_GT(count, 800);
}

}  // namespace
}  // namespace outrigger
