#include "components/pluggable/discovery.h"

#include <fstream>

#include "base/log.h"
#include "components/pluggable/fakes_testing.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
using testing::FakeProgram;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

constexpr const char* kStore = "dapr.proto.components.v1.StateStore";

Result<std::vector<Socket>> find(const std::string& folder, Duration patience = 10s) {
  DiscoveryOptions options;
  options.folder = folder;
  options.patience = patience;
  return run(discover(std::move(options)));
}

TEST(Discovery, AFolderThatDoesNotExistHasNoComponents) {
  const TemporaryFolder folder;
  EXPECT_TRUE(find(folder.file("none")).value().empty());
  EXPECT_TRUE(find(folder.path()).value().empty());
}

TEST(Discovery, AFolderThatIsAFileIsAnError) {
  const TemporaryFolder folder;
  std::ofstream(folder.file("file")) << "x";
  const auto found = find(folder.file("file"));
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(),
              HasSubstr("could not list pluggable components unix sockets"));
}

TEST(Discovery, ListsTheServicesOfEverySocketAndLeavesTheRestOut) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.file("folder"));
  std::ofstream(folder.file("file.sock")) << "x";
  FakeProgram store(folder.file("store.v2.sock"));
  store.offer({kStore, "some.other.Service"});
  store.start();
  FakeProgram broker(folder.file("broker"));
  broker.offer({"dapr.proto.components.v1.PubSub"});
  broker.start();
  const LogCapture logs;
  const auto found = find(folder.path()).value();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "broker");
  EXPECT_EQ(found[0].path, folder.file("broker"));
  EXPECT_EQ(found[1].name, "store.v2");
  EXPECT_TRUE(found[1].offers(kStore));
  EXPECT_TRUE(found[1].offers("some.other.Service"));
  EXPECT_FALSE(found[1].offers("dapr.proto.components.v1.PubSub"));
  EXPECT_TRUE(logs.contains("could not use socket for file " + folder.file("file.sock")));
}

TEST(Discovery, KnowsBothVersionsOfReflection) {
  const TemporaryFolder folder;
  FakeProgram old_one(folder.file("a"));
  old_one.offer({"old"});
  old_one.set_reflection(FakeProgram::Reflection::only_v1alpha);
  old_one.start();
  FakeProgram new_one(folder.file("b"));
  new_one.offer({"new"});
  new_one.set_reflection(FakeProgram::Reflection::only_v1);
  new_one.start();
  const auto found = find(folder.path()).value();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].offers("old"));
  EXPECT_TRUE(found[1].offers("new"));
}

TEST(Discovery, SocketsThatGiveNoProperAnswerAreLoggedAndLeftOut) {
  const TemporaryFolder folder;
  FakeProgram good(folder.file("good"));
  good.offer({kStore});
  good.start();
  FakeProgram mute(folder.file("mute"));
  mute.set_reflection(FakeProgram::Reflection::none);
  mute.start();
  FakeProgram liar(folder.file("liar"));
  liar.set_reflection(FakeProgram::Reflection::malformed);
  liar.start();
  FakeProgram slow(folder.file("slow"));
  slow.set_reflection(FakeProgram::Reflection::silent);
  slow.start();
  // Nobody accepts here: the kernel connects, and there is no answer.
  auto deaf = net::Listener::bind_unix(folder.file("deaf")).value();
  const LogCapture logs;
  const auto found = find(folder.path(), 300ms).value();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "good");
  for (const char* name : {"mute", "liar", "slow", "deaf"}) {
    EXPECT_TRUE(logs.contains("no component answers at socket " + folder.file(name))) << name;
  }
}

TEST(Discovery, ASocketWhoseProgramDiedIsWaitedForAndThenLeftOut) {
  const TemporaryFolder folder;
  {
    FakeProgram dead(folder.file("dead"));
    dead.start();
    std::filesystem::create_hard_link(folder.file("dead"), folder.file("left"));
  }
  const LogCapture logs;
  EXPECT_TRUE(find(folder.path(), 250ms).value().empty());
  EXPECT_TRUE(logs.contains("no component answers at socket " + folder.file("left")));
  EXPECT_TRUE(logs.contains("refused"));
}

Task<void> start_later(FakeProgram* program) {
  EXPECT_TRUE(co_await sleep_for(1ms));
  program->start();
}
Task<void> find_into(DiscoveryOptions options, std::vector<Socket>* found) {
  auto sockets = co_await discover(std::move(options));
  *found = std::move(sockets).value();
}

TEST(Discovery, AProgramThatComesALittleLaterIsFound) {
  const TemporaryFolder folder;
  FakeProgram late(folder.file("late"));
  late.offer({kStore});
  {
    FakeProgram before(folder.file("late-before"));
    before.start();
    std::filesystem::create_hard_link(folder.file("late-before"), folder.file("late"));
  }
  DiscoveryOptions options;
  options.folder = folder.path();
  std::vector<Socket> found;
  std::vector<Task<void>> tasks;
  tasks.push_back(find_into(options, &found));
  tasks.push_back(start_later(&late));
  run(run_all(std::move(tasks)));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].name, "late");
}

}  // namespace
}  // namespace outrigger::components::pluggable
