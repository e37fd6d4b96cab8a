#include "security/jwks/key_cache.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/sync.h"

namespace outrigger::security::jwks {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string key_set(std::string id) {
  const jwt::Jwk key{.key = x509::PrivateKey::generate(x509::KeyType::ed25519)->public_key(),
                     .key_id = std::move(id),
                     .use = "",
                     .algorithm = std::nullopt};
  return jwt::to_json(std::span(&key, 1));
}

Task<Result<std::string>> first_id(KeyCache* cache) {
  OUT_CO_TRY(const auto keys, co_await cache->keys());
  if (keys->empty()) co_return std::string();
  co_return keys->front().key_id;
}

Task<Result<std::string>> read_once(KeyCacheOptions options) {
  KeyCache cache(std::move(options));
  auto opened = co_await cache.open();
  Result<std::string> id;
  if (opened) {
    id = co_await first_id(&cache);
  } else {
    id = std::unexpected(std::move(opened).error());
  }
  co_await cache.close();
  co_return id;
}

Result<std::string> read(const std::string& source) {
  const LogCapture quiet;
  return run(read_once({.source = source}));
}

TEST(KeyCache, ReadsASetThatIsGiven) {
  EXPECT_EQ(read(key_set("k1")).value(), "k1");
  EXPECT_EQ(read(base64_encode(key_set("k1"))).value(), "k1");
  EXPECT_EQ(
      read(base64_encode(key_set("k1"), Base64Alphabet::standard, Base64Padding::raw)).value(),
      "k1");
}

TEST(KeyCache, RefusesWhatIsNoSource) {
  EXPECT_THAT(read("").error().message(), HasSubstr("must not be empty"));
  EXPECT_THAT(read("no/such/file").error().message(), HasSubstr("not a URL, path to local file"));
  EXPECT_FALSE(read("http://"));
  KeyCacheOptions options{.source = "https://127.0.0.1:1/jwks", .ca_certificate = "no/such/file"};
  const LogCapture quiet;
  EXPECT_THAT(run(read_once(options)).error().message(),
              HasSubstr("failed to load CA certificate"));
}

TEST(KeyCache, OfAUrlThatDoesNotAnswerHasNoKeysYet) {
  // Port 1 of this machine is nobody's.
  EXPECT_EQ(read("http://127.0.0.1:1/jwks").error().code(), Code::unavailable);
}

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "jwksXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "jwks.json";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& text) const {
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", path_);
  }
  static Task<Result<>> until_id(KeyCache* cache, std::string wanted) {
    while (true) {
      OUT_CO_TRY(const auto id, co_await first_id(cache));
      if (id == wanted) co_return Result<>();
      OUT_CO_CHECK(co_await sleep_for(1ms));
    }
  }
  Task<Result<>> changes() {
    KeyCache cache({.source = path_.string()});
    auto result = co_await cache.open();
    if (result) result = co_await until_id(&cache, "k1");
    write("no set");
    write(key_set("k2"));
    if (result) result = co_await until_id(&cache, "k2");
    co_await cache.close();
    co_return result;
  }

  std::filesystem::path folder_, path_;
};

TEST_F(FileTest, IsReadAgainWhenItChanges) {
  write(key_set("k1"));
  const LogCapture quiet;
  EXPECT_TRUE(run(changes()));
}

TEST_F(FileTest, MustHoldASet) {
  write("no set");
  EXPECT_FALSE(read(path_.string()));
}

}  // namespace
}  // namespace outrigger::security::jwks
