#include "runtime/actors/table.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "runtime/actors/activity.h"

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{};

TEST(Table, FindsWhatWasAddedByTypeAndId) {
  Table table;
  EXPECT_EQ(table.find(0, "a"), nullptr);
  auto& a = table.add(0, "a", kStart);
  auto& other = table.add(1, "a", kStart);
  EXPECT_EQ(table.find(0, "a"), &a);
  EXPECT_EQ(table.find(1, "a"), &other);
  EXPECT_EQ(table.find(2, "a"), nullptr);
  EXPECT_EQ(table.find(0, "b"), nullptr);
  table.erase(a);
  EXPECT_EQ(table.find(0, "a"), nullptr);
  EXPECT_EQ(table.find(1, "a"), &other);
  EXPECT_EQ(table.size(), 1U);
}

TEST(Table, TheOldestIsWhoWasTouchedLeastRecently) {
  Table table;
  auto& a = table.add(0, "a", kStart + 1s);
  auto& b = table.add(0, "b", kStart + 2s);
  auto& c = table.add(0, "c", kStart + 3s);
  table.add(1, "x", kStart);
  EXPECT_EQ(table.oldest(0), &a);
  table.touch(a, kStart + 4s);
  EXPECT_EQ(table.oldest(0), &b);
  table.touch(c, kStart + 5s);
  table.erase(b);
  EXPECT_EQ(table.oldest(0), &a);
  EXPECT_EQ(table.ids(0), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(table.count(0), 2U);
  EXPECT_EQ(table.count(7), 0U);
  EXPECT_EQ(table.oldest(7), nullptr);
}

TEST(Table, AgreesWithASetUnderRandomUse) {
  Table table;
  std::set<std::pair<Table::TypeIndex, std::string>> model;
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const Table::TypeIndex type = random() % 3;
    const std::string id = "some-longer-id-" + std::to_string(random() % 800);
    auto* found = table.find(type, id);
    ASSERT_EQ(found != nullptr, model.contains({type, id}));
    if (found == nullptr) {
      table.add(type, id, kStart + std::chrono::seconds(i));
      model.insert({type, id});
    } else if (random() % 2 == 0) {
      table.erase(*found);
      model.erase({type, id});
    } else {
      table.touch(*found, kStart + std::chrono::seconds(i));
    }
    ASSERT_EQ(table.size(), model.size());
  }
  for (Table::TypeIndex type = 0; type < 3; ++type) {
    std::set<std::string> ids;
    for (const auto& id : table.ids(type)) ids.insert(id);
    EXPECT_EQ(ids.size(), table.count(type));
    TimePoint last = kStart;
    while (auto* oldest = table.oldest(type)) {
      EXPECT_LE(last, oldest->idle_at());
      last = oldest->idle_at();
      EXPECT_TRUE(model.contains({type, oldest->id()}));
      table.erase(*oldest);
    }
  }
  EXPECT_EQ(table.size(), 0U);
}

}  // namespace
}  // namespace outrigger::runtime::actors
