#include "runtime/state/grpc.h"

#include <gtest/gtest.h>

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/state/fixture_testing.h"

namespace outrigger::runtime::state::testing {
namespace {

namespace pb = dapr::proto::runtime::v1;

TEST(StateGrpc, WhatIsSavedIsReadBackAndGoneOnceDeleted) {
  Fixture api;
  api.add_in_memory("store");
  pb::SaveStateRequest save;
  save.set_store_name("store");
  auto* item = save.add_states();
  item->set_key("k");
  item->set_value("value1");
  EXPECT_TRUE(api.grpc("SaveState", save).status.ok());
  pb::GetStateRequest get;
  get.set_store_name("store");
  get.set_key("k");
  pb::GetStateResponse read;
  ASSERT_TRUE(read.ParseFromString(api.grpc("GetState", get).message));
  EXPECT_EQ(read.data(), "value1");
  EXPECT_NE(read.etag(), "");
  pb::DeleteStateRequest remove;
  remove.set_store_name("store");
  remove.set_key("k");
  EXPECT_TRUE(api.grpc("DeleteState", remove).status.ok());
  ASSERT_TRUE(read.ParseFromString(api.grpc("GetState", get).message));
  EXPECT_EQ(read.data(), "");
  EXPECT_EQ(read.etag(), "");
}

}  // namespace
}  // namespace outrigger::runtime::state::testing
