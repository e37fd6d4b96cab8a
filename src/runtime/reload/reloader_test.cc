#include "runtime/reload/reloader.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace outrigger::runtime::reload {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string store(std::string_view name) {
  return "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + std::string(name) +
         "}\nspec: {type: state.in-memory, version: v1}\n";
}

/// Keeps what it is told.
class FakeTarget final : public Target {
 public:
  Task<void> apply_at_once(std::shared_ptr<const Snapshot> now) override {
    names_at_once.clear();
    for (const auto& each : now->resources.components) names_at_once.push_back(each.name);
    co_return;
  }
  Task<Result<>> apply(std::shared_ptr<const Snapshot> now, Cause cause) override {
    EXPECT_FALSE(std::exchange(busy_, true)) << "one change at a time";
    while (held) {
      [[maybe_unused]] const auto woken = co_await released.wait();
    }
    busy_ = false;
    names.clear();
    for (const auto& each : now->resources.components) names.push_back(each.name);
    causes.push_back(cause);
    if (now->configuration) configuration = now->configuration->name;
    if (now->resources.components.size() > 1'000) co_return fail(Code::internal, "too many");
    co_return Result<>();
  }
  Task<Result<>> secret_files_changed() override {
    ++secret_files;
    co_return Result<>();
  }
  Task<Result<>> poll_secrets() override {
    ++polls;
    co_return Result<>();
  }

  std::vector<std::string> names, names_at_once;
  std::vector<Cause> causes;
  std::string configuration;
  int secret_files = 0;
  int polls = 0;
  bool held = false;
  Signal released;

 private:
  bool busy_ = false;
};

class ReloaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "reloadXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    options_.sources.folders = {pattern};
    options_.sources.options.app_id = "app";
    options_.sources.environment = fixed_environment({});
    options_.quiet = 1ms;
    options_.interval = 1h;
  }
  void TearDown() override {
    if (scope_) {
      loop_.post([this] { scope_->cancel(); });
      loop_.run_until([this] { return scope_->running() == 0; });
      loop_.post([this] {
        reloader_.reset();
        scope_.reset();
      });
      loop_.run_until([this] { return !scope_; });
    }
    std::filesystem::remove_all(folder_);
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  static Task<void> follow(Reloader* reloader, std::optional<Result<>>* ended) {
    auto result = co_await reloader->run();
    ended->emplace(std::move(result));
  }
  void start() {
    loop_.post([this] {
      scope_.emplace();
      reloader_.emplace(std::move(options_), target_);
      reloader_->set_secret_files(secret_files_);
      scope_->spawn(follow(&*reloader_, &ended_));
    });
    wait([this] { return !target_.causes.empty(); });
  }
  void wait(const std::function<bool()>& done) { loop_.run_until(done); }

  std::filesystem::path folder_;
  Reloader::Options options_;
  std::vector<std::string> secret_files_;
  FakeTarget target_;
  Loop loop_;
  std::optional<Scope> scope_;
  std::optional<Reloader> reloader_;
  std::optional<Result<>> ended_;
};

TEST_F(ReloaderTest, BeginsWithALookAndFollowsChanges) {
  write("a.yaml", store("one"));
  start();
  EXPECT_THAT(target_.causes, ElementsAre(Target::Cause::start));
  EXPECT_THAT(target_.names, ElementsAre("one"));
  write("b.yaml", store("two"));
  wait([this] { return target_.names == std::vector<std::string>{"one", "two"}; });
  EXPECT_EQ(target_.causes.back(), Target::Cause::change);
  std::filesystem::remove(folder_ / "a.yaml");
  wait([this] { return target_.names == std::vector<std::string>{"two"}; });
}

TEST_F(ReloaderTest, AStormOfChangesEndsWithTheLast) {
  start();
  target_.held = true;
  write("0.yaml", store("first"));
  for (int i = 0; i < 300; ++i) {
    write(std::to_string(i % 7) + ".yaml", store("s" + std::to_string(i)));
    if (i % 5 == 0) std::filesystem::remove(folder_ / (std::to_string(i % 7) + ".yaml"));
  }
  for (int i = 0; i < 7; ++i) write(std::to_string(i) + ".yaml", store("s" + std::to_string(i)));
  loop_.post([this] {
    target_.held = false;
    target_.released.notify_all();
  });
  const std::vector<std::string> last = {"s0", "s1", "s2", "s3", "s4", "s5", "s6"};
  wait([&] { return target_.names == last; });
  // What happened while one was at work is one more, or a few, but not hundreds.
  EXPECT_LT(target_.causes.size(), 100U);
}

TEST_F(ReloaderTest, WhatNeedsNothingElseDoesNotWaitForAChangeThatIsAtWork) {
  start();
  target_.held = true;
  write("a.yaml", store("slow"));
  wait([this] { return target_.names_at_once == std::vector<std::string>{"slow"}; });
  write("b.yaml", store("quick"));
  wait([this] { return target_.names_at_once == std::vector<std::string>{"slow", "quick"}; });
  EXPECT_THAT(target_.causes, ElementsAre(Target::Cause::start));
  loop_.post([this] {
    target_.held = false;
    target_.released.notify_all();
  });
  wait([this] { return target_.names == std::vector<std::string>{"slow", "quick"}; });
}

TEST_F(ReloaderTest, EndsWhenItIsToldTo) {
  start();
  loop_.post([this] { reloader_->stop(); });
  wait([this] { return ended_.has_value(); });
  EXPECT_TRUE(*ended_);
}

TEST_F(ReloaderTest, AnEmptiedFileCountsAfterAWhile) {
  write("a.yaml", store("one"));
  start();
  write("a.yaml", "");
  wait([this] { return target_.names.empty(); });
}

TEST_F(ReloaderTest, LooksAlsoWithoutASign) {
  options_.interval = 5ms;
  options_.secrets_interval = 5ms;
  start();
  wait([this] { return target_.causes.back() == Target::Cause::again && target_.polls > 0; });
}

TEST_F(ReloaderTest, TheTargetsErrorIsTheEnd) {
  start();
  std::string many;
  for (int i = 0; i < 1'001; ++i) many += store("s" + std::to_string(i)) + "---\n";
  write("a.yaml", many);
  wait([this] { return ended_.has_value(); });
  ASSERT_FALSE(*ended_);
  EXPECT_EQ(ended_->error().message(), "too many");
}

TEST_F(ReloaderTest, ANameThatStaysTakenTwiceIsTheEndAsUpstreamHasIt) {
  options_.duplicates_grace = 30ms;
  write("a.yaml", store("one"));
  start();
  write("b.yaml", store("one"));
  wait([this] { return ended_.has_value(); });
  ASSERT_FALSE(*ended_);
  EXPECT_EQ(ended_->error().message(),
            "failed to load resources from disk: duplicate definition of Component name one "
            "(state.in-memory/v1) with existing one (state.in-memory/v1)");
}

TEST_F(ReloaderTest, ANameThatIsTakenTwiceForAMomentIsForgiven) {
  options_.duplicates_grace = 1h;
  write("a.yaml", store("one"));
  start();
  const LogCapture log;
  write("b.yaml", store("one"));
  wait([&] { return log.contains("b.yaml:1 repeats"); });
  write("c.yaml", store("two"));
  std::filesystem::remove(folder_ / "a.yaml");
  wait([this] { return target_.names == std::vector<std::string>{"one", "two"}; });
  EXPECT_FALSE(ended_);
}

TEST_F(ReloaderTest, SecretFilesAreWatchedThemselvesNotTheirFolders) {
  const auto secrets = folder_ / "secrets";
  std::filesystem::create_directory(secrets);
  write("secrets/mine.json", "{}");
  secret_files_ = {(secrets / "mine.json").string()};
  start();
  write("secrets/other.json", "{}");
  write("secrets/mine.json", R"({"a": "b"})");
  wait([this] { return target_.secret_files > 0; });
  EXPECT_EQ(target_.secret_files, 1);
  // As Kubernetes replaces one.
  write("secrets/new", R"({"a": "c"})");
  std::filesystem::rename(secrets / "new", secrets / "mine.json");
  wait([this] { return target_.secret_files > 1; });
}

TEST_F(ReloaderTest, AConfigurationIsReadAgainWhenItsFileChanges) {
  const auto folder = folder_ / "config";
  std::filesystem::create_directory(folder);
  options_.sources.configurations = {(folder / "config").string()};
  write("config/config", "kind: Configuration\nmetadata: {name: first}\nspec: {}\n");
  start();
  write("config/other", "much else");
  write("config/new", "kind: Configuration\nmetadata: {name: second}\nspec: {}\n");
  std::filesystem::rename(folder / "new", folder / "config");
  wait([this] { return target_.causes.back() == Target::Cause::change; });
  EXPECT_EQ(target_.configuration, "second");
}

TEST_F(ReloaderTest, NoIntervalIsTooLong) {
  options_.interval = Duration::max();
  options_.secrets_interval = Duration::max();
  start();
  EXPECT_THAT(target_.causes, ElementsAre(Target::Cause::start));
}

TEST_F(ReloaderTest, WhatIsWrongIsSaidOnce) {
  start();
  const LogCapture log;
  const std::string said = "document left out: " + (folder_ / "a.yaml").string();
  write("a.yaml", "kind: [");
  wait([&] { return log.contains(said); });
  write("b.yaml", store("one"));
  wait([this] { return target_.names == std::vector<std::string>{"one"}; });
  const std::string text = log.text();
  EXPECT_EQ(text.find(said), text.rfind(said)) << text;
}

}  // namespace
}  // namespace outrigger::runtime::reload
