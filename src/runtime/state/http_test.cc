#include "runtime/state/http.h"

#include <gtest/gtest.h>

#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

TEST(StateHttp, WhatIsSavedIsReadBackAndGoneOnceDeleted) {
  Fixture api;
  api.add_in_memory("store");
  const auto saved = api.http("POST", "/v1.0/state/store", R"([{"key":"k","value":"v"}])");
  EXPECT_EQ(saved.status, 204);
  EXPECT_EQ(saved.body.whole, "");
  const auto read = api.http("GET", "/v1.0/state/store/k");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.body.whole, R"("v")");
  EXPECT_EQ(read.headers.value("Content-Type"), "application/json");
  EXPECT_EQ(read.headers.value("ETag").empty(), false);
  EXPECT_EQ(api.http("DELETE", "/v1.0/state/store/k").status, 204);
  EXPECT_EQ(api.http("GET", "/v1.0/state/store/k").status, 204);
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
