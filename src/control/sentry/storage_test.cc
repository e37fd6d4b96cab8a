#include "control/sentry/storage.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "control/sentry/ca_testing.h"
#include "control/sentry/credentials.h"

namespace outrigger::control::sentry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class StorageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "storageXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    options_.paths.folder = pattern;
    resolve(options_.paths);
    storage_ = make_file_storage(options_.paths);
  }
  void TearDown() override { std::filesystem::remove_all(options_.paths.folder); }
  static unsigned mode(const std::string& path) {
    struct stat about{};
    EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
    return about.st_mode & 0777U;
  }
  [[nodiscard]] std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(options_.paths.folder)) {
      ++count;
    }
    return count;
  }
  Result<Credentials> load(Missing missing = Missing::made) {
    const LogCapture quiet;
    return load_credentials(*storage_, options_, kNow, missing);
  }

  Options options_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(StorageTest, WritesWholeFilesThatNobodyElseReads) {
  const CaTexts texts = TestCa::make("a").texts();
  ASSERT_TRUE(storage_->store_ca(texts));
  EXPECT_EQ(storage_->load_ca()->value(), texts);
  EXPECT_EQ(mode(options_.paths.root), 0600U);
  EXPECT_EQ(mode(options_.paths.issuer_key), 0600U);
  EXPECT_EQ(files(), 3U);
}

TEST_F(StorageTest, KeepsTheModeOfAFileAndWritesWhereALinkLeads) {
  const CaTexts texts = TestCa::make("a").texts();
  ASSERT_TRUE(storage_->store_ca(texts));
  std::filesystem::permissions(options_.paths.root, std::filesystem::perms{0644});
  const std::string elsewhere = options_.paths.folder + "/elsewhere";
  std::filesystem::rename(options_.paths.issuer_key, elsewhere);
  std::filesystem::create_symlink(elsewhere, options_.paths.issuer_key);
  const CaTexts other = TestCa::make("b").texts();
  ASSERT_TRUE(storage_->store_ca(other));
  EXPECT_EQ(mode(options_.paths.root), 0644U);
  EXPECT_TRUE(std::filesystem::is_symlink(options_.paths.issuer_key));
  EXPECT_EQ(storage_->load_ca()->value(), other);
}

TEST_F(StorageTest, MakesACaOnceAndReadsItFromThenOn) {
  const auto made = load();
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_TRUE(made->made);
  const auto again = load();
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->made);
  EXPECT_EQ(again->ca_texts, made->ca_texts);
}

TEST_F(StorageTest, MakesACaAnewOfWhichAFileIsMissing) {
  ASSERT_TRUE(storage_->store_ca(TestCa::make("a").texts()));
  std::filesystem::remove(options_.paths.issuer_key);
  EXPECT_TRUE(load()->made);
  // But not in place of one that is in use.
  std::filesystem::remove(options_.paths.issuer_key);
  EXPECT_FALSE(load(Missing::wrong));
  EXPECT_FALSE(std::filesystem::exists(options_.paths.issuer_key));
}

TEST_F(StorageTest, MakesAKeyForTokensIfTheyAreIssued) {
  options_.jwt.enabled = true;
  const auto made = load();
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(mode(options_.paths.jwt_key), 0600U);
  EXPECT_EQ(load()->jwt_texts, made->jwt_texts);
}

TEST_F(StorageTest, RefusesWhatDoesNotHoldTogether) {
  CaTexts texts = TestCa::make("a").texts();
  texts.issuer_key = TestCa::make("b").texts().issuer_key;
  ASSERT_TRUE(storage_->store_ca(texts));
  EXPECT_THAT(load().error().message(), HasSubstr("failed to verify CA bundle"));
}

TEST_F(StorageTest, NeedsItsFolder) {
  options_.paths = Paths{.folder = options_.paths.folder + "/none"};
  resolve(options_.paths);
  storage_ = make_file_storage(options_.paths);
  EXPECT_THAT(load().error().message(), HasSubstr("No such file or directory"));
  std::ofstream(options_.paths.folder.substr(0, options_.paths.folder.size() - 5) + "/file") << "x";
  options_.paths =
      Paths{.folder = options_.paths.folder.substr(0, options_.paths.folder.size() - 4) + "file"};
  resolve(options_.paths);
  storage_ = make_file_storage(options_.paths);
  EXPECT_THAT(load().error().message(), HasSubstr("failed to read"));
  options_.paths.folder = std::filesystem::path(options_.paths.folder).parent_path();
}

}  // namespace
}  // namespace outrigger::control::sentry
