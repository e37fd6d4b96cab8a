#include "control/placement/rounds.h"

#include <random>
#include <set>

#include <gmock/gmock.h>

namespace outrigger::control::placement {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// A namespace with a clock set by hand; what it does is noted as words: "1:lock@3", "2:end".
class World {
 public:
  explicit World(RoundRules rules = {}) : rounds(rules) {}

  static HostReport host(const std::string& name, std::vector<std::string> types) {
    return {.name = name,
            .id = name,
            .app_namespace = "n",
            .entities = std::move(types),
            .step = Step::report,
            .version = {}};
  }
  void add(StreamId id, std::vector<std::string> types) {
    rounds.add(id, host("h" + std::to_string(id), std::move(types)), now);
  }
  void report(StreamId id, std::vector<std::string> types) {
    rounds.report(id, host("h" + std::to_string(id), std::move(types)), now);
  }
  void answer(StreamId id, Step step, std::uint64_t version) {
    rounds.report(id, {.id = "h", .app_namespace = "n", .step = step, .version = version}, now);
  }
  /// As sidecars answered before steps had numbers.
  void answer_as_of_old(StreamId id, std::vector<std::string> types) {
    HostReport said = host("h" + std::to_string(id), std::move(types));
    said.step.reset();
    rounds.report(id, std::move(said), now);
  }
  void pass(Duration time) {
    now += time;
    rounds.on_time(now);
  }
  std::vector<std::string> done() {
    std::vector<std::string> words;
    for (const Rounds::Action& action : rounds.take_actions()) {
      const std::string to = std::to_string(action.stream) + ":";
      if (action.end) {
        words.push_back(to + "end");
        last_end = action.end->message();
        continue;
      }
      constexpr const char* kNames[] = {"report", "lock", "update", "unlock"};
      words.push_back(to + kNames[static_cast<int>(action.order)] + "@" +
                      std::to_string(action.version));
    }
    return words;
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const HostReport* host : rounds.hosts()) names.insert(host->name);
    return names;
  }
  /// All streams answer until the round is over.
  void complete(std::vector<StreamId> streams) {
    const std::uint64_t version = rounds.version();
    for (const Step step : {Step::lock, Step::update, Step::unlock}) {
      for (const StreamId id : streams) answer(id, step, version);
    }
    done();
  }

  Rounds rounds;
  TimePoint now = TimePoint() + 1h;
  std::string last_end;
};

TEST(Rounds, AStepIsTakenWhenAllHaveAnsweredTheOneBefore) {
  World w;
  w.add(1, {"cat"});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@1"));
  w.complete({1});
  w.add(2, {"cat"});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@2", "2:lock@2"));
  w.answer(1, Step::lock, 2);
  EXPECT_THAT(w.done(), IsEmpty());
  w.answer(2, Step::lock, 2);
  EXPECT_THAT(w.done(), ElementsAre("1:update@2", "2:update@2"));
  w.answer(2, Step::update, 2);
  w.answer(2, Step::update, 2);  // Said twice, counted once.
  EXPECT_THAT(w.done(), IsEmpty());
  w.answer(1, Step::update, 2);
  EXPECT_THAT(w.done(), ElementsAre("1:unlock@2", "2:unlock@2"));
  EXPECT_EQ(w.rounds.step(), Step::unlock);
  w.answer(1, Step::unlock, 2);
  w.answer(2, Step::unlock, 2);
  EXPECT_EQ(w.rounds.step(), Step::report);
  EXPECT_EQ(w.rounds.deadline(), std::nullopt);
  EXPECT_THAT(w.done(), IsEmpty());
}

TEST(Rounds, AnswersToOtherStepsAndVersionsCountForNothing) {
  World w;
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {"cat"});
  w.done();
  w.answer(1, Step::lock, 1);
  w.answer(1, Step::update, 2);
  w.answer(1, Step::unlock, 2);
  w.answer(7, Step::lock, 2);
  w.answer(2, Step::lock, 2);
  EXPECT_THAT(w.done(), IsEmpty());
  EXPECT_EQ(w.rounds.step(), Step::lock);
}

TEST(Rounds, AStreamWithoutActorsIsGivenTheTablesByItself) {
  World w;
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {});
  EXPECT_THAT(w.done(), ElementsAre("2:lock@1", "2:update@1", "2:unlock@1"));
  for (const Step step : {Step::lock, Step::update, Step::unlock}) w.answer(2, step, 1);
  EXPECT_THAT(w.done(), IsEmpty());
  EXPECT_EQ(w.rounds.streams(), 2U);
  EXPECT_EQ(w.rounds.actor_streams(), 1U);
  w.add(3, {"dog"});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@2", "2:lock@2", "3:lock@2"));
}

TEST(Rounds, AnOldSidecarsAnswersToItsOwnTablesAreNotTakenForReports) {
  World w;
  w.add(1, {});
  EXPECT_EQ(w.done().size(), 3U);
  for (int i = 0; i < 10; ++i) w.answer_as_of_old(1, {});
  EXPECT_THAT(w.done(), IsEmpty());
  w.answer_as_of_old(1, {"cat"});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@1"));
  w.answer_as_of_old(1, {"cat"});
  EXPECT_THAT(w.done(), ElementsAre("1:update@1"));
  w.answer_as_of_old(1, {"cat"});
  EXPECT_THAT(w.done(), ElementsAre("1:unlock@1"));
  w.answer_as_of_old(1, {"cat"});
  EXPECT_EQ(w.rounds.step(), Step::report);
  w.answer_as_of_old(1, {"cat"});
  EXPECT_THAT(w.done(), IsEmpty());
}

TEST(Rounds, AReportWithoutActorsIsAnsweredWithTablesButNotTwiceAtOnce) {
  World w;
  w.add(1, {});
  w.report(1, {});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@0", "1:update@0", "1:unlock@0"));
  for (const Step step : {Step::lock, Step::update, Step::unlock}) w.answer(1, step, 0);
  w.report(1, {});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@0", "1:update@0", "1:unlock@0"));
}

TEST(Rounds, WhoComesDuringARoundWaitsForItsEnd) {
  World w;
  w.add(1, {"cat"});
  w.done();
  w.add(2, {});
  w.add(3, {});
  w.rounds.remove(3, w.now);
  w.answer(1, Step::lock, 1);
  w.answer(1, Step::update, 1);
  w.done();
  w.answer(1, Step::unlock, 1);
  EXPECT_THAT(w.done(), ElementsAre("2:lock@1", "2:update@1", "2:unlock@1"));
  w.report(1, {"cat", "dog"});
  w.done();
  w.add(4, {"dog"});
  w.add(5, {});
  for (const Step step : {Step::lock, Step::update, Step::unlock}) {
    EXPECT_THAT(w.done(), IsEmpty());
    w.answer(1, step, 2);
    w.answer(2, step, 2);
    if (step != Step::unlock) w.done();
  }
  EXPECT_THAT(w.done(), ElementsAre("1:lock@3", "2:lock@3", "4:lock@3", "5:lock@3"));
}

TEST(Rounds, AReportOfOtherTypesMakesTheNextRoundAndOneOfTheSameNone) {
  World w;
  w.add(1, {"cat"});
  w.complete({1});
  w.report(1, {"cat"});
  EXPECT_THAT(w.done(), IsEmpty());
  w.report(1, {"cat", "dog"});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@2"));
  w.answer(1, Step::lock, 2);
  w.answer(1, Step::update, 2);
  w.done();
  w.report(1, {"dog"});
  EXPECT_THAT(w.done(), IsEmpty());
  w.answer(1, Step::unlock, 2);
  EXPECT_THAT(w.done(), ElementsAre("1:lock@3"));
  w.complete({1});
  w.report(1, {});
  EXPECT_THAT(w.done(), ElementsAre("1:lock@4"));
  EXPECT_THAT(w.names(), IsEmpty());
}

TEST(Rounds, WhoGoesInARoundIsNotWaitedFor) {
  World w;
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {"cat"});
  w.answer(1, Step::lock, 2);
  w.answer(2, Step::lock, 2);
  w.answer(1, Step::update, 2);
  w.done();
  w.rounds.remove(2, w.now);
  EXPECT_THAT(w.done(), ElementsAre("1:unlock@2"));
  w.answer(1, Step::unlock, 2);
  EXPECT_THAT(w.done(), ElementsAre("1:lock@3"));
  EXPECT_THAT(w.names(), ElementsAre("h1"));
}

TEST(Rounds, WhoWaitsIsServedWhenTheLastStreamOfTheRoundGoes) {
  World w;
  w.add(1, {"cat"});
  w.add(2, {"dog"});
  w.done();
  w.rounds.remove(1, w.now);
  EXPECT_THAT(w.done(), ElementsAre("2:lock@2"));
}

TEST(Rounds, WhoAnswersTooLateIsEndedAndTheOthersBeginAnew) {
  World w({.timeout = 8s});
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {"cat"});
  w.add(3, {"cat"});
  w.done();
  w.answer(1, Step::lock, 2);
  EXPECT_EQ(w.rounds.deadline(), w.now + 8s);
  w.pass(8s - 1ms);
  EXPECT_THAT(w.done(), IsEmpty());
  w.pass(1ms);
  EXPECT_THAT(w.done(), ElementsAre("2:end", "1:lock@3", "3:lock@3"));
  EXPECT_EQ(w.last_end, "dissemination timeout after 8s for version 2");
  EXPECT_THAT(w.names(), ElementsAre("h1", "h3"));
  w.rounds.remove(2, w.now);  // Its end is told as well; nothing comes of it.
  EXPECT_THAT(w.done(), IsEmpty());
}

TEST(Rounds, OnesSlownessInOneStepCostsNobodyElseInTheNext) {
  World w({.timeout = 8s});
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {"cat"});
  w.answer(1, Step::lock, 2);
  w.pass(7s);
  w.answer(2, Step::lock, 2);
  w.done();
  w.pass(1s);  // Stream 2 has used its 8 s up, stream 1 only one.
  EXPECT_THAT(w.done(), ElementsAre("2:end", "1:lock@3"));
}

TEST(Rounds, AHungStreamIsEndedInTimeHoweverOftenOthersReport) {
  World w({.timeout = 8s});
  w.add(1, {"cat"});
  w.complete({1});
  w.add(2, {"cat"});
  w.done();
  for (int i = 0; i < 100 && w.last_end.empty(); ++i) {
    w.report(1, {"cat", "type" + std::to_string(i)});
    w.answer(1, Step::lock, w.rounds.version());
    w.pass(100ms);
    w.done();
  }
  EXPECT_EQ(w.now, TimePoint() + 1h + 8s);
}

TEST(Rounds, ChangesInTheWindowAfterARoundMakeOneRound) {
  World w({.timeout = 8s, .coalesce_window = 1s});
  w.add(1, {"cat"});
  w.complete({1});
  EXPECT_EQ(w.rounds.deadline(), w.now + 1s);
  w.add(2, {"cat"});
  w.add(3, {});
  w.report(1, {"dog"});
  w.pass(999ms);
  EXPECT_THAT(w.done(), IsEmpty());
  w.pass(1ms);
  EXPECT_THAT(w.done(), ElementsAre("1:lock@2", "2:lock@2", "3:lock@2"));
  w.complete({1, 2, 3});
  w.rounds.remove(2, w.now);
  EXPECT_THAT(w.done(), IsEmpty());
  w.pass(1s);
  EXPECT_THAT(w.done(), ElementsAre("1:lock@3", "3:lock@3"));
  w.complete({1, 3});
  w.pass(1s);
  w.add(5, {"cat"});
  w.complete({1, 3, 5});
  w.add(6, {"dog"});
  w.rounds.remove(6, w.now);
  w.pass(1s);
  EXPECT_THAT(w.done(), ElementsAre("1:lock@5", "3:lock@5", "5:lock@5"));
  EXPECT_THAT(w.names(), ElementsAre("h1", "h5"));
  w.complete({1, 3, 5});
  w.rounds.remove(5, w.now);
  w.pass(1s);
  w.complete({1, 3});
  w.pass(1s);
  w.add(4, {"cat"});  // The window is over and nothing was waiting: at once.
  EXPECT_THAT(w.done(), ElementsAre("1:lock@7", "3:lock@7", "4:lock@7"));
}

/// Sidecars that come, go, change, answer, and hang, in any order. They follow the client's rules
/// and complain of orders no client may be sent.
class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {}

  void run(int events) {
    for (int i = 0; i < events; ++i) {
      event();
      deliver();
      check();
    }
    settle();
  }

 private:
  struct Sidecar {
    std::vector<std::string> types;
    std::vector<Rounds::Action> orders;
    bool hung = false;
    Step last = Step::report;
    std::uint64_t version = 0;
    std::set<std::string> tables;
    bool has_tables = false;
  };

  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::vector<std::string> types() {
    std::vector<std::string> some;
    for (const char* type : {"a", "b", "c"}) {
      if (below(3) == 0) some.emplace_back(type);
    }
    return some;
  }
  StreamId any() {
    auto found = sidecars_.begin();
    std::advance(found, below(sidecars_.size()));
    return found->first;
  }
  void event() {
    const std::size_t dice = below(20);
    if (sidecars_.empty() || dice == 0) return join();
    const StreamId id = any();
    Sidecar& sidecar = sidecars_[id];
    if (dice == 1) {
      sidecars_.erase(id);
      w_.rounds.remove(id, w_.now);
    } else if (dice == 2) {
      sidecar.types = types();
      w_.report(id, sidecar.types);
    } else if (dice == 3 && below(10) == 0) {
      sidecar.hung = true;
    } else if (dice == 4) {
      w_.pass(std::chrono::milliseconds(below(3000)));
    } else {
      answer(id, sidecar);
    }
  }
  void join() {
    const StreamId id = ++last_;
    sidecars_[id].types = types();
    w_.add(id, sidecars_[id].types);
  }
  void answer(StreamId id, Sidecar& sidecar) {
    if (sidecar.hung || sidecar.orders.empty()) return;
    const Rounds::Action order = sidecar.orders.front();
    sidecar.orders.erase(sidecar.orders.begin());
    w_.answer(id, order.order, order.version);
  }
  void deliver() {
    for (Rounds::Action& action : w_.rounds.take_actions()) {
      const auto found = sidecars_.find(action.stream);
      if (found == sidecars_.end()) continue;
      Sidecar& sidecar = found->second;
      if (action.end) {
        EXPECT_TRUE(sidecar.hung || !sidecar.orders.empty());
        sidecars_.erase(found);
        continue;
      }
      EXPECT_GE(action.version, sidecar.version);
      sidecar.version = action.version;
      if (action.order == Step::update) {
        EXPECT_EQ(sidecar.last, Step::lock);
        sidecar.tables = w_.names();
        sidecar.has_tables = true;
      }
      if (action.order == Step::unlock) EXPECT_EQ(sidecar.last, Step::update);
      sidecar.last = action.order;
      sidecar.orders.push_back(std::move(action));
    }
  }
  void check() {
    if (w_.rounds.step() != Step::report) EXPECT_TRUE(w_.rounds.deadline().has_value());
  }
  // In the end all that answer have the same, and true, tables.
  void settle() {
    for (int i = 0; i < 2000; ++i) {
      std::vector<StreamId> ids;
      for (const auto& [id, sidecar] : sidecars_) ids.push_back(id);
      for (const StreamId id : ids) {
        if (const auto found = sidecars_.find(id); found != sidecars_.end()) {
          answer(id, found->second);
          deliver();
        }
      }
      w_.pass(20ms);
      deliver();
    }
    EXPECT_EQ(w_.rounds.step(), Step::report);
    std::set<std::string> hosts;
    for (const auto& [id, sidecar] : sidecars_) {
      if (!sidecar.types.empty()) hosts.insert("h" + std::to_string(id));
    }
    EXPECT_EQ(w_.names(), hosts);
    for (const auto& [id, sidecar] : sidecars_) {
      EXPECT_TRUE(sidecar.has_tables) << id;
      EXPECT_EQ(sidecar.tables, hosts) << id;
      EXPECT_TRUE(sidecar.hung || sidecar.last == Step::unlock) << id;
    }
  }

  std::mt19937 random_;
  World w_{{.timeout = 8s}};
  std::map<StreamId, Sidecar> sidecars_;
  StreamId last_ = 0;
};

TEST(Rounds, ConvergeWhateverSidecarsDo) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).run(600);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace outrigger::control::placement
