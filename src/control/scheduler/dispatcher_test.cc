#include "control/scheduler/dispatcher.h"

#include <gtest/gtest.h>

namespace outrigger::control::scheduler {
namespace {

using Outcome = Dispatcher::Outcome;

/// Keeps what it is told, and forgets no job by itself.
struct Owner final : Dispatcher::Owner {
  void answered(JobId job, Answer answer) override { answers.emplace_back(job, answer); }
  bool undelivered(JobId job) override {
    returned.push_back(job);
    return !gone.contains(job);
  }
  void again(JobId job) override { woken.push_back(job); }
  std::vector<JobId> take_woken() { return std::exchange(woken, {}); }

  std::vector<std::pair<JobId, Answer>> answers;
  std::vector<JobId> returned, woken;
  std::set<JobId> gone;
};

struct Gauges final : Dispatcher::Gauges {
  void in_flight(const std::string& limit, std::size_t count) override { flying[limit] = count; }
  void pending(const std::string& limit, std::size_t count) override { waiting[limit] = count; }
  void throttled(const std::string& limit) override { ++throttles[limit]; }
  void watchers(std::size_t count) override { streams = count; }
  std::map<std::string, std::size_t> flying, waiting, throttles;
  std::size_t streams = 0;
};

struct Stream final : Watcher {
  void send(std::uint64_t trigger, Delivery) override { triggers.push_back(trigger); }
  [[nodiscard]] bool full() const override { return triggers.size() >= room; }
  std::vector<std::uint64_t> triggers;
  std::size_t room = 1000;
};

Target app(std::string id = "app", std::string name_space = "ns") {
  Target target;
  target.app_id = std::move(id);
  target.name_space = std::move(name_space);
  return target;
}
Target actor(std::string type = "type", std::optional<std::string> key = std::nullopt) {
  Target target = app();
  target.kind = Target::Kind::actor;
  target.actor_type = std::move(type);
  target.actor_id = "id";
  target.concurrency_key = std::move(key);
  return target;
}
WatchRequest jobs(std::string id = "app") { return {.app_id = id, .name_space = "ns"}; }
WatchRequest actors(std::vector<Limit> limits) {
  return {.app_id = "app",
          .name_space = "ns",
          .jobs = false,
          .actor_types = {"type"},
          .limits = std::move(limits)};
}

struct Fixture : testing::Test {
  Owner owner;
  Gauges gauges;
  Dispatcher dispatcher{owner, gauges};
  Outcome offer(JobId job, const Target& target = app()) {
    return dispatcher.offer(job, target, Delivery{});
  }
};
using Dispatch = Fixture;

TEST_F(Dispatch, TakesStreamsInTurn) {
  Stream one, two;
  dispatcher.add(one, jobs());
  dispatcher.add(two, jobs());
  for (JobId job = 1; job <= 10; ++job) EXPECT_EQ(offer(job), Outcome::sent);
  EXPECT_EQ(one.triggers.size(), 5U);
  EXPECT_EQ(two.triggers.size(), 5U);
  EXPECT_EQ(gauges.streams, 2U);
}

TEST_F(Dispatch, KnowsAppsNamespacesAndActorTypesApart) {
  Stream stream;
  dispatcher.add(stream, jobs());
  EXPECT_EQ(offer(1, app("other")), Outcome::undeliverable);
  EXPECT_EQ(offer(2, app("app", "elsewhere")), Outcome::undeliverable);
  EXPECT_EQ(offer(3, actor()), Outcome::undeliverable);
  EXPECT_EQ(offer(4), Outcome::sent);
}

TEST_F(Dispatch, WakesWhatWaitsForAStreamWhenOneComes) {
  EXPECT_EQ(offer(1), Outcome::undeliverable);
  EXPECT_EQ(offer(2), Outcome::undeliverable);
  dispatcher.forget(1);
  Stream stream;
  dispatcher.add(stream, jobs());
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{2});
}

TEST_F(Dispatch, GivesBackWhatAStreamHadWhenItEnds) {
  Stream one, two;
  const auto first = dispatcher.add(one, jobs());
  for (JobId job = 1; job <= 3; ++job) offer(job);
  owner.gone = {2};
  dispatcher.add(two, jobs());
  EXPECT_TRUE(dispatcher.answer(first, one.triggers[0], Answer::success));
  dispatcher.remove(first);
  EXPECT_EQ(owner.returned, (std::vector<JobId>{2, 3}));
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{3});
  // Too late, and twice.
  EXPECT_FALSE(dispatcher.answer(first, one.triggers[1], Answer::success));
  EXPECT_EQ(owner.answers.size(), 1U);
}

TEST_F(Dispatch, AnAnswerThatWasNotAskedForIsRefused) {
  Stream stream;
  const auto id = dispatcher.add(stream, jobs());
  offer(1);
  EXPECT_FALSE(dispatcher.answer(id, stream.triggers[0] + 1, Answer::success));
  EXPECT_TRUE(dispatcher.answer(id, stream.triggers[0], Answer::failed));
  EXPECT_FALSE(dispatcher.answer(id, stream.triggers[0], Answer::failed));
}

TEST_F(Dispatch, PassesOverAFullStreamAndWaitsWhenAllAre) {
  Stream one, two;
  one.room = 1;
  two.room = 2;
  const auto first = dispatcher.add(one, jobs());
  dispatcher.add(two, jobs());
  for (JobId job = 1; job <= 3; ++job) EXPECT_EQ(offer(job), Outcome::sent);
  EXPECT_EQ(offer(4), Outcome::waits);
  one.room = 2;
  dispatcher.has_room(first);
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{4});
}

TEST_F(Dispatch, RoomThatNobodyTookIsOfferedToTheNext) {
  Stream stream;
  stream.room = 0;
  const auto id = dispatcher.add(stream, jobs());
  for (JobId job = 1; job <= 300; ++job) EXPECT_EQ(offer(job), Outcome::waits);
  stream.room = 1000;
  dispatcher.has_room(id);
  EXPECT_EQ(owner.take_woken().size(), 256U);
  dispatcher.offer_room();
  EXPECT_EQ(owner.take_woken().size(), 44U);
}

TEST_F(Dispatch, KeepsToALimitOfAnActorType) {
  Stream stream;
  const auto id = dispatcher.add(stream, actors({{.count = 2, .actor_type = "type"}}));
  EXPECT_EQ(offer(1, actor()), Outcome::sent);
  EXPECT_EQ(offer(2, actor()), Outcome::sent);
  EXPECT_EQ(offer(3, actor()), Outcome::waits);
  EXPECT_EQ(offer(4, actor()), Outcome::waits);
  EXPECT_EQ(gauges.flying["type"], 2U);
  EXPECT_EQ(gauges.waiting["type"], 2U);
  EXPECT_EQ(gauges.throttles["type"], 2U);
  dispatcher.answer(id, stream.triggers[0], Answer::success);
  // The place is kept for the one that was woken.
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{3});
  EXPECT_EQ(offer(5, actor()), Outcome::waits);
  EXPECT_EQ(offer(3, actor()), Outcome::sent);
  // One that is gone when its turn comes gives its place to the next.
  dispatcher.answer(id, stream.triggers[1], Answer::success);
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{4});
  dispatcher.forget(4);
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{5});
}

TEST_F(Dispatch, ALimitOfAKeyHoldsUpNobodyElse) {
  Stream stream;
  const auto id = dispatcher.add(
      stream, actors({{.count = 3, .actor_type = "type"},
                      {.count = 1, .actor_type = "type", .concurrency_key = "slow"}}));
  EXPECT_EQ(offer(1, actor("type", "slow")), Outcome::sent);
  EXPECT_EQ(offer(2, actor("type", "slow")), Outcome::waits);
  EXPECT_EQ(offer(3, actor("type", "quick")), Outcome::sent);
  EXPECT_EQ(offer(4, actor()), Outcome::sent);
  EXPECT_EQ(offer(5, actor()), Outcome::waits);
  dispatcher.answer(id, stream.triggers[0], Answer::success);
  auto woken = owner.take_woken();
  std::ranges::sort(woken);
  // One place of three is free: the one of the key has it, or the one without.
  EXPECT_EQ(woken.size(), 1U);
}

TEST_F(Dispatch, FreesThePlacesOfAStreamThatEnds) {
  Stream one, two;
  const std::vector<Limit> limits = {{.count = 1, .actor_type = "type"}};
  const auto first = dispatcher.add(one, actors(limits));
  EXPECT_EQ(offer(1, actor()), Outcome::sent);
  dispatcher.add(two, actors(limits));
  EXPECT_EQ(offer(2, actor()), Outcome::waits);
  dispatcher.remove(first);
  EXPECT_EQ(owner.take_woken(), (std::vector<JobId>{1, 2}));
  EXPECT_EQ(offer(2, actor()), Outcome::sent);
  EXPECT_EQ(offer(1, actor()), Outcome::waits);
}

TEST_F(Dispatch, ALimitEndsWithTheLastStreamThatNamesIt) {
  Stream one, two;
  const auto first = dispatcher.add(one, actors({{.count = 1, .actor_type = "type"}}));
  dispatcher.add(two, actors({}));
  EXPECT_EQ(offer(1, actor()), Outcome::sent);
  EXPECT_EQ(offer(2, actor()), Outcome::waits);
  dispatcher.remove(first);
  owner.take_woken();
  EXPECT_EQ(offer(2, actor()), Outcome::sent);
  EXPECT_EQ(offer(3, actor()), Outcome::sent);
}

TEST_F(Dispatch, EachReplicaHasItsPartOfALimit) {
  Stream stream;
  dispatcher.set_share(0, 2);
  dispatcher.add(stream, actors({{.count = 3, .actor_type = "type"}}));
  EXPECT_EQ(offer(1, actor()), Outcome::sent);
  EXPECT_EQ(offer(2, actor()), Outcome::sent);
  EXPECT_EQ(offer(3, actor()), Outcome::waits);
  dispatcher.set_share(0, 1);
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{3});
}

TEST_F(Dispatch, AnAnswerToWhatIsAnothersByNowIsNobodys) {
  Stream stream;
  const WatcherId id = dispatcher.add(stream, jobs());
  EXPECT_EQ(offer(1), Outcome::sent);
  EXPECT_EQ(offer(2), Outcome::sent);
  dispatcher.forget_waiting();
  dispatcher.disown([](JobId job) { return job == 1; });
  EXPECT_EQ(offer(1), Outcome::sent);
  EXPECT_TRUE(dispatcher.answer(id, stream.triggers[0], Answer::failed));
  EXPECT_TRUE(dispatcher.answer(id, stream.triggers[1], Answer::failed));
  EXPECT_TRUE(dispatcher.answer(id, stream.triggers[2], Answer::success));
  std::erase_if(owner.answers, [](const auto& answer) { return answer.first == 0; });
  EXPECT_EQ(owner.answers, (std::vector<std::pair<JobId, Answer>>{{JobId{2}, Answer::failed},
                                                                  {JobId{1}, Answer::success}}));
}

TEST_F(Dispatch, GivesANewStreamWhatWaitedBecauseTheOthersAreFull) {
  Stream full, fresh;
  full.room = 1;
  dispatcher.add(full, jobs());
  EXPECT_EQ(offer(1), Outcome::sent);
  EXPECT_EQ(offer(2), Outcome::waits);
  dispatcher.add(fresh, jobs());
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{2});
}

TEST_F(Dispatch, DoesNotGrowWithJobsThatAreReplacedWhileTheyWait) {
  for (JobId job = 1; job <= 100'000; ++job) {
    offer(job);
    dispatcher.forget(job - 1);
  }
  Stream stream;
  dispatcher.add(stream, jobs());
  EXPECT_EQ(owner.take_woken(), std::vector<JobId>{100'000});
}

TEST(Targets, AreNamedAsUpstreamNamesThem) {
  EXPECT_EQ(prefix_of(app()), "app||ns||app||");
  EXPECT_EQ(prefix_of(actor()), "actorreminder||ns||type||id||");
  EXPECT_EQ(group_of(actor()), "actorreminder||ns||type||");
}

}  // namespace
}  // namespace outrigger::control::scheduler
