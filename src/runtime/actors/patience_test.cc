#include "runtime/actors/patience.h"

#include <gtest/gtest.h>

namespace outrigger::runtime::actors {
namespace {

using namespace std::chrono_literals;

TEST(Patience, ShrinksWithEachTimeOutAndIsWholeAgainWithAnAnswer) {
  Patience patience(5s);
  EXPECT_EQ(patience.now(), 5s);
  patience.ran_out(5s);
  EXPECT_EQ(patience.now(), 500ms);
  patience.ran_out(500ms);
  EXPECT_EQ(patience.now(), 50ms);
  for (int i = 0; i < 9; ++i) patience.ran_out(patience.now());
  EXPECT_EQ(patience.now(), 10ms);
  patience.answered();
  EXPECT_EQ(patience.now(), 5s);
}

TEST(Patience, CountsThoseWhoWaitedSideBySideOnce) {
  Patience patience(5s);
  for (int i = 0; i < 64; ++i) patience.ran_out(5s);
  EXPECT_EQ(patience.now(), 500ms);
}

}  // namespace
}  // namespace outrigger::runtime::actors
