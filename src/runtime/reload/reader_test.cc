#include "runtime/reload/reader.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace outrigger::runtime::reload {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string store(std::string_view name, std::string_view type = "state.in-memory") {
  return "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: " + std::string(name) +
         "}\nspec: {type: " + std::string(type) + ", version: v1}\n";
}

class Reader : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "readerXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    sources_.folders = {pattern};
    sources_.options.app_id = "app";
    sources_.environment = fixed_environment({});
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  /// As if it had been written long ago.
  void age(const std::string& name) const {
    std::filesystem::last_write_time(folder_ / name,
                                     std::filesystem::file_time_type::clock::now() - 1h);
  }
  void look() { now_ = read(sources_, now_); }
  std::vector<std::string> components() const {
    std::vector<std::string> names;
    for (const auto& each : now_.resources.components) names.push_back(each.name);
    return names;
  }
  std::string notices() const {
    std::string all;
    for (const auto& each : now_.resources.notices) all += each.message + "\n";
    return all;
  }

  std::filesystem::path folder_;
  Sources sources_;
  Snapshot now_;
};

TEST_F(Reader, FilesComeAndGo) {
  write("a.yaml", store("one") + "---\n" + store("two"));
  look();
  EXPECT_THAT(components(), ElementsAre("one", "two"));
  std::filesystem::rename(folder_ / "a.yaml", folder_ / "b.yml");
  write("c.yaml~", store("backup"));
  write(".c.yaml.swp", store("swap"));
  look();
  EXPECT_THAT(components(), ElementsAre("one", "two"));
  EXPECT_EQ(now_.resources.components[0].origin.file, (folder_ / "b.yml").string());
  std::filesystem::remove(folder_ / "b.yml");
  look();
  EXPECT_THAT(components(), IsEmpty());
}

TEST_F(Reader, ABrokenFileTakesNothingAway) {
  write("a.yaml", store("one") + "---\n" + store("two"));
  write("b.yaml", store("three"));
  look();
  // Half of it is written; the first document is whole and has changed.
  write("a.yaml", store("one", "state.redis") + "---\nkind: [");
  look();
  EXPECT_THAT(components(), ElementsAre("one", "three", "two"));
  EXPECT_EQ(now_.resources.components[0].type, "state.redis");
  EXPECT_THAT(notices(), HasSubstr("a.yaml:"));
  EXPECT_THAT(notices(), HasSubstr("a.yaml: what was loaded from it and is not in it now stays"));
  // It may go on being broken.
  look();
  EXPECT_THAT(components(), ElementsAre("one", "three", "two"));
  write("a.yaml", store("two"));
  look();
  EXPECT_THAT(components(), ElementsAre("two", "three"));
  for (const char* cut : {"api", "apiVersion: dapr.io/v1alpha1\n", "kind: Component\n"}) {
    write("a.yaml", cut);
    look();
    EXPECT_THAT(components(), ElementsAre("three", "two")) << cut;
  }
}

TEST_F(Reader, AFileThatHasJustBeenEmptiedIsLookedAtAgain) {
  // Again, should this machine have stood still for longer than that is.
  do {
    write("a.yaml", store("one"));
    look();
    write("a.yaml", " \n");
    look();
  } while (!now_.unsettled);
  EXPECT_THAT(components(), ElementsAre("one"));
  EXPECT_EQ(notices(), "");
  age("a.yaml");
  look();
  EXPECT_FALSE(now_.unsettled);
  EXPECT_THAT(components(), IsEmpty());
}

TEST_F(Reader, AFolderThatIsNotThereTakesNothingAwayAndHoldsUpNoOther) {
  const auto other = folder_ / "other";
  std::filesystem::create_directory(other);
  sources_.folders.push_back(other.string());
  write("a.yaml", store("one"));
  write("other/b.yaml", store("two"));
  look();
  EXPECT_THAT(components(), ElementsAre("one", "two"));
  std::filesystem::remove_all(other);
  write("c.yaml", store("three"));
  look();
  EXPECT_THAT(components(), ElementsAre("one", "three", "two"));
  EXPECT_THAT(notices(), HasSubstr("no such file or directory: what was loaded from there stays"));
  std::filesystem::create_directory(other);
  look();
  EXPECT_THAT(components(), ElementsAre("one", "three"));
}

TEST_F(Reader, ALinkThatIsSwappedIsAChangeOfItsFiles) {
  // As Kubernetes lays out a volume of a ConfigMap.
  for (const char* const version : {"v1", "v2"}) {
    std::filesystem::create_directory(folder_ / version);
    write(std::string(version) + "/a.yaml", store(version));
  }
  std::filesystem::create_directory_symlink("v1", folder_ / "..data");
  std::filesystem::create_symlink("..data/a.yaml", folder_ / "a.yaml");
  look();
  EXPECT_THAT(components(), ElementsAre("v1"));
  std::filesystem::create_directory_symlink("v2", folder_ / "..data_tmp");
  std::filesystem::rename(folder_ / "..data_tmp", folder_ / "..data");
  look();
  EXPECT_THAT(components(), ElementsAre("v2"));
}

TEST_F(Reader, ANameThatIsTakenTwiceChangesNothing) {
  write("a.yaml", store("one"));
  look();
  write("b.yaml", store("two"));
  write("c.yaml", store("two", "pubsub.in-memory"));
  look();
  EXPECT_THAT(components(), ElementsAre("one"));
  ASSERT_TRUE(now_.duplicate);
  EXPECT_EQ(now_.duplicate->message(),
            "duplicate definition of Component name two (pubsub.in-memory/v1) with existing two "
            "(state.in-memory/v1)");
  EXPECT_THAT(notices(), HasSubstr("c.yaml:1 repeats "));
  std::filesystem::remove(folder_ / "c.yaml");
  look();
  EXPECT_FALSE(now_.duplicate);
  EXPECT_THAT(components(), ElementsAre("one", "two"));
}

TEST_F(Reader, AWrongConfigurationIsNone) {
  const auto file = folder_ / "config";
  sources_.configurations = {file.string()};
  write("config", "kind: Configuration\nmetadata: {name: c}\nspec: {tracing: {samplingRate: '1'}}");
  look();
  ASSERT_TRUE(now_.configuration);
  EXPECT_EQ(now_.configuration->tracing.sampling_rate, "1");
  write("config", "spec: [");
  look();
  EXPECT_FALSE(now_.configuration);
  EXPECT_THAT(notices(), HasSubstr("the configuration stays as it was"));
  // An access list must not be gone because its file is being written, or the disk is full.
  for (const char* cut : {"", "# mine\n", "kind: Configuration\n", "kind: Configuration\nspec:\n",
                          "kind: Component\nspec: {type: a}\n", "spec: {}\n", "[]\n"}) {
    write("config", cut);
    look();
    EXPECT_FALSE(now_.configuration) << cut;
  }
  write("config", "kind: Configuration\nspec: {}\n");
  look();
  EXPECT_TRUE(now_.configuration);
  std::filesystem::remove(file);
  look();
  EXPECT_FALSE(now_.configuration);
}

TEST_F(Reader, WhatIsForOthersIsLeftOut) {
  sources_.options.namespace_name = "mine";
  write("a.yaml", store("one") + "scopes: [other]\n");
  write("b.yaml",
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: two, namespace: "
        "theirs}\nspec: {type: state.in-memory, version: v1}\n");
  look();
  EXPECT_THAT(components(), IsEmpty());
}

}  // namespace
}  // namespace outrigger::runtime::reload
