#include "runtime/placement/addresses.h"

#include <gmock/gmock.h>

#include "base/scope.h"

namespace outrigger::runtime::placement {
namespace {

using testing::ElementsAre;

std::vector<std::string> turns(Addresses& addresses, int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) {
    auto address = run(addresses.next());
    texts.push_back(address ? address->to_string() : "error");
  }
  return texts;
}

TEST(Addresses, ComeInTurn) {
  Addresses addresses({"a:1", "b:2"}, false);
  EXPECT_THAT(turns(addresses, 3), ElementsAre("a:1", "b:2", "a:1"));
  EXPECT_EQ(addresses.count(), 2U);
}

TEST(Addresses, OneThatIsNoneIsAnErrorAndTheNextOneIsTried) {
  Addresses addresses({"nonsense:port", "b:2"}, false);
  EXPECT_THAT(turns(addresses, 2), ElementsAre("error", "b:2"));
  Addresses none({}, false);
  EXPECT_THAT(turns(none, 1), ElementsAre("error"));
}

TEST(Addresses, InKubernetesTheNameOfTheFirstIsLookedUp) {
  Addresses addresses({"127.0.0.9:50005", "other:1"}, true);
  EXPECT_THAT(turns(addresses, 2), ElementsAre("127.0.0.9:50005", "127.0.0.9:50005"));
  EXPECT_EQ(addresses.count(), 1U);
}

}  // namespace
}  // namespace outrigger::runtime::placement
