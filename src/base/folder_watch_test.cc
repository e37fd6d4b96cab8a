#include "base/folder_watch.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/scope.h"

namespace outrigger {
namespace {

using namespace std::chrono_literals;

class FolderWatchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "watchXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  /// How often it was told after `act`, which runs on the loop.
  void expect_told(const std::filesystem::path& folder, const std::function<void()>& act) {
    Loop loop;
    int told = 0;
    std::optional<FolderWatch> watch;
    loop.post([&] {
      watch.emplace(std::vector<std::string>{folder.string()}, 1ms, [&] { ++told; });
      act();
    });
    loop.run_until([&] { return told > 0; });
    watch.reset();
  }

  std::filesystem::path folder_;
};

TEST_F(FolderWatchTest, TellsOfAFileThatIsWritten) {
  expect_told(folder_, [this] { write("new", "text"); });
}

TEST_F(FolderWatchTest, TellsOfAFileThatIsReplaced) {
  write("a", "1");
  write("b", "2");
  expect_told(folder_, [this] { std::filesystem::rename(folder_ / "b", folder_ / "a"); });
}

TEST_F(FolderWatchTest, TellsOfAFileThatIsRemoved) {
  write("a", "1");
  expect_told(folder_, [this] { std::filesystem::remove(folder_ / "a"); });
}

TEST_F(FolderWatchTest, TellsOfALink) {
  write("a", "1");
  expect_told(folder_, [this] { std::filesystem::create_symlink("a", folder_ / "soft"); });
  expect_told(folder_, [this] { std::filesystem::create_hard_link(folder_ / "a", folder_ / "b"); });
}

TEST_F(FolderWatchTest, TellsOfANewFileWhenItIsClosed) {
  std::ofstream file;
  bool closed = false;
  Loop loop;
  int told = 0;
  std::optional<FolderWatch> watch;
  Timer close([&] {
    EXPECT_EQ(told, 0);
    closed = true;
    file.close();
  });
  loop.post([&] {
    watch.emplace(std::vector<std::string>{folder_.string()}, 1ms, [&] { ++told; });
    file.open(folder_ / "slow");
    file << "half" << std::flush;
    close.start(100ms);
  });
  loop.run_until([&] { return told > 0; });
  EXPECT_TRUE(closed);
  watch.reset();
}

TEST_F(FolderWatchTest, TellsOfAFolderThatWasNotThere) {
  expect_told(folder_ / "later", [this] {
    std::filesystem::create_directory(folder_ / "later");
    write("later/a", "1");
  });
}

}  // namespace
}  // namespace outrigger
