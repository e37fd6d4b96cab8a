#include "base/secret.h"

namespace outrigger {
namespace {

TEST(Secret, OnlyTheWholeSecretIsEqualToIt) {
  EXPECT_TRUE(equals_secret("s3cret", "s3cret"));
  EXPECT_TRUE(equals_secret("", ""));
  EXPECT_TRUE(equals_secret(std::string_view("a\0b", 3), std::string_view("a\0b", 3)));
  EXPECT_FALSE(equals_secret(std::string_view("a\0c", 3), std::string_view("a\0b", 3)));
  for (const char* other : {"", "s3cre", "s3cret ", "S3cret", "s3creT"}) {
    EXPECT_FALSE(equals_secret(other, "s3cret")) << other;
    EXPECT_FALSE(equals_secret("s3cret", other)) << other;
  }
}

}  // namespace
}  // namespace outrigger
