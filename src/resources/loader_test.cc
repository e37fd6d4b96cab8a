#include "resources/loader.h"

#include <filesystem>
#include <fstream>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace outrigger::resources {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "resources-XXXXXX").string();
    OUT_ASSERT(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
  }
  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string component(const std::string& name, const std::string& more = "") {
  return "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: " + name +
         "\nspec:\n  type: state.in-memory\n  version: v1\n" + more;
}

std::vector<std::string> names(const auto& items) {
  std::vector<std::string> out;
  for (const auto& item : items) out.push_back(item.name);
  return out;
}

auto has_notice(const std::string& text) {
  return Contains(Field(&Notice::message, HasSubstr(text)));
}

TEST(Loader, TakesYamlFilesOfEachDirectoryInOrder) {
  const Folder first, second;
  first.write("b.yml", component("b"));
  first.write("a.YAML", component("a1") + "---\n" + component("a2"));
  first.write("notes.txt", "not: yaml: at all");
  std::filesystem::create_directory(first.path("sub.yaml"));
  second.write("0.yaml", component("z"));
  const auto loaded = load_resources({first.path(), second.path()}, {.app_id = "app"});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(names(loaded->components), ElementsAre("a1", "a2", "b", "z"));
  EXPECT_THAT(loaded->notices, has_notice("A non-YAML file " + first.path("notes.txt")));
  EXPECT_EQ(loaded->components[1].origin.to_string(), first.path("a.YAML") + ":9");
}

TEST(Loader, AMissingDirectoryIsAnErrorWithItsName) {
  const auto loaded = load_resources({"/does/not/exist"}, {.app_id = "app"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(), "open /does/not/exist: no such file or directory");
}

TEST(Loader, AMalformedDocumentIsLeftOutAndItsNeighboursStay) {
  const Folder folder;
  folder.write("a.yaml", component("a") + "---\nkind: [\n---\n" +
                             component("c", "  ignoreErrors: maybe\n") + "---\n" + component("d"));
  const auto loaded = load_resources({folder.path()}, {.app_id = "app"});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(names(loaded->components), ElementsAre("a", "d"));
  EXPECT_THAT(loaded->notices, has_notice(folder.path("a.yaml") + ":10:"));
  EXPECT_THAT(loaded->notices, has_notice(":18: spec.ignoreErrors: expected a boolean"));
}

TEST(Loader, WhatCannotBeReadIsANotice) {
  const Folder folder;
  folder.write("a.yaml", component("a"));
  ASSERT_EQ(mkfifo(folder.path("pipe.yaml").c_str(), 0600), 0);
  std::filesystem::create_symlink("nowhere", folder.path("link.yaml"));
  const auto loaded = load_resources({folder.path()}, {.app_id = "app"});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(names(loaded->components), ElementsAre("a"));
  EXPECT_THAT(loaded->notices, has_notice("pipe.yaml: not a regular file"));
  EXPECT_THAT(loaded->notices, has_notice("link.yaml: no such file"));
}

TEST(Loader, OtherKindsAndVersionsArePassedOver) {
  const Resources resources = parse_manifests({{.path = "f.yaml", .text = R"(kind: Deployment
apiVersion: apps/v1
spec: {whatever: [1, {}]}
---
kind: Component
apiVersion: dapr.io/v2
---
kind: MCPServer
apiVersion: dapr.io/v1alpha1
---
# nothing
---
- a list
)"}});
  EXPECT_THAT(resources.components, IsEmpty());
  ASSERT_EQ(resources.notices.size(), 3);
  for (const Notice& notice : resources.notices) EXPECT_EQ(notice.level, Notice::Level::debug);
  EXPECT_EQ(resources.notices[2].message,
            "f.yaml:8: kind MCPServer (dapr.io/v1alpha1) is not loaded here");
}

TEST(Loader, ScopesNameTheAppsThatLoadAComponent) {
  const Folder folder;
  folder.write("a.yaml", component("all") + "---\n" + component("mine", "scopes: [app, b]\n") +
                             "---\n" + component("theirs", "scopes: [b]\n") + "---\n" +
                             component("theirs", "scopes: [app]\n"));
  const auto loaded = load_resources({folder.path()}, {.app_id = "app"});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_THAT(names(loaded->components), ElementsAre("all", "mine", "theirs"));
}

TEST(Loader, NamespacesCountOnlyIfTheProcessHasOne) {
  const std::vector<SourceFile> files = {{.path = "f.yaml",
                                          .text = component("none") + "---\n" +
                                                  component("x\n  namespace: here") + "---\n" +
                                                  component("x\n  namespace: there")}};
  const auto here = load_options("app", fixed_environment({{"NAMESPACE", "here"}}));
  const auto loaded = filter_resources(parse_manifests(files), here);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(names(loaded->components), ElementsAre("none", "x"));
  const auto nowhere = load_options("app", fixed_environment({{"NAMESPACE", ""}}));
  EXPECT_FALSE(filter_resources(parse_manifests(files), nowhere));
}

TEST(Loader, TwoComponentsOfOneNameAreAnErrorThatNamesBoth) {
  const Folder folder;
  folder.write("a.yaml", component("same"));
  folder.write("b.yaml", component("same"));
  const auto loaded = load_resources({folder.path()}, {.app_id = "app"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(),
            "duplicate definition of Component name same (state.in-memory/v1) with existing same "
            "(state.in-memory/v1) (" +
                folder.path("b.yaml") + ":1 repeats " + folder.path("a.yaml") + ":1)");
}

TEST(Loader, EachDuplicateHasUpstreamsLineAndThePlacesFollow) {
  const std::string head =
      "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: same}\n";
  const auto loaded = filter_resources(
      parse_manifests({{.path = "f.yaml",
                        .text = head + "spec: {type: state.in-memory, version: v1}\n---\n" + head +
                                "spec: {type: pubsub.in-memory, version: v1}\n---\n" + head +
                                "spec: {type: state.in-memory, version: v1}\n"}}),
      {.app_id = "app"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message(),
            "duplicate definition of Component name same (pubsub.in-memory/v1) with existing same "
            "(state.in-memory/v1)\n"
            "duplicate definition of Component name same (state.in-memory/v1) with existing same "
            "(state.in-memory/v1) (f.yaml:6 repeats f.yaml:1; f.yaml:11 repeats f.yaml:1)");
}

TEST(Loader, OfTwoHttpEndpointsWithOneNameTheFirstIsKept) {
  const std::string endpoint =
      "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: e}\nspec: {baseUrl: ";
  const auto loaded = filter_resources(
      parse_manifests(
          {{.path = "f.yaml", .text = endpoint + "http://1}\n---\n" + endpoint + "http://2}\n"}}),
      {.app_id = "app"});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->http_endpoints.size(), 1);
  EXPECT_EQ(loaded->http_endpoints[0].base_url, "http://1");
  EXPECT_THAT(loaded->notices,
              has_notice("duplicate definition of HTTPEndpoint name e (http://2)"));
}

TEST(Loader, SubscriptionsOfBothVersionsKeepTheirOrder) {
  const auto subscription = [](const std::string& version, const std::string& more) {
    return "apiVersion: dapr.io/" + version + "\nkind: Subscription\nmetadata: {name: s, " + more +
           "\nspec: {pubsubname: p, topic: t}\n---\n";
  };
  const auto loaded = filter_resources(
      parse_manifests({{.path = "f.yaml",
                        .text = subscription("v2alpha1", "namespace: a}") +
                                subscription("v1alpha1", "namespace: b}") +
                                subscription("v2alpha1", "namespace: c}\nscopes: [other]") +
                                subscription("v1alpha1", "namespace: d}\nscopes: [app]")}}),
      {.app_id = "app", .namespace_name = "a"});
  ASSERT_TRUE(loaded);
  std::vector<std::string> order;
  for (const Subscription& one : loaded->subscriptions) order.push_back(one.namespace_name);
  EXPECT_THAT(order, ElementsAre("a", "b", "d"));
}

TEST(Loader, ResiliencyDocumentsCountWhereverTheyStand) {
  const std::string resiliency =
      "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: ";
  const auto loaded = filter_resources(
      parse_manifests({{.path = "f.yaml",
                        .text = component("a") + "---\n" + resiliency + "r1}\n---\n" + resiliency +
                                "r2}\nspec: {policies: {timeouts: {t: x}}}\n---\n" + resiliency +
                                "r3}\nscopes: [other]\n---\n" + resiliency + "r1}\n"}}),
      {.app_id = "app"});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(names(loaded->resiliencies), ElementsAre("r1", "r1"));
  EXPECT_THAT(
      loaded->notices,
      has_notice("Could not read resiliency policy r2: f.yaml:16: spec.policies.timeouts.t"));
}

TEST(Loader, AFileOfRubbishDoesNotFillTheLog) {
  std::string rubbish;
  for (int i = 0; i < 1000; ++i) rubbish += "[\n---\n";
  const Resources resources = parse_manifests({{.path = "f.yaml", .text = rubbish}});
  ASSERT_EQ(resources.notices.size(), 101);
  EXPECT_EQ(resources.notices.back().message, "f.yaml: more is wrong, not listed here");
}

TEST(Loader, AHugeFileIsNotRead) {
  const Folder folder;
  folder.write("big.yaml", std::string((std::size_t{16} << 20) + 1, '#'));
  const auto loaded = load_resources({folder.path()}, {.app_id = "app"});
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->notices, has_notice("larger than 16 MiB"));
}

}  // namespace
}  // namespace outrigger::resources
