#include "control/scheduler/postgres_batches.h"

#include <gtest/gtest.h>

#include "components/clients/postgres/client.h"

namespace outrigger::control::scheduler {
namespace {

using namespace std::chrono_literals;
namespace postgres = components::postgres;

/// Batches of a server that is never asked.
struct World {
  explicit World(PostgresBatches::Limits limits) : writes(client, limits) {}
  void write() { scope.spawn(write_one(this)); }
  static Task<void> write_one(World* world) {
    auto rows = co_await world->writes.write("row", postgres::Step());
    world->codes.push_back(rows ? Code::ok : rows.error().code());
  }
  Task<void> close() {
    co_await writes.close();
    co_await scope.join();
    co_await client.close();
  }
  postgres::ConnectionOptions options{.connection_string = "host=127.0.0.1 port=1"};
  postgres::Client client{Loop::current(), postgres::make_settings(options, 1s).value()};
  PostgresBatches writes;
  std::vector<Code> codes;
  Scope scope;
};

Task<void> full() {
  World world({.queued_max = 2});
  for (int i = 0; i < 3; ++i) world.write();
  EXPECT_EQ(world.codes, std::vector{Code::resource_exhausted});
  co_await world.close();
  EXPECT_EQ(world.codes,
            (std::vector{Code::resource_exhausted, Code::unavailable, Code::unavailable}));
}
TEST(PostgresBatches, RefuseWhatThereIsNoRoomFor) { run(full()); }

Task<void> late() {
  World world({.queued_for = -1ns});
  world.write();
  world.write();
  EXPECT_TRUE(world.codes.empty());
  world.writes.start();
  co_await world.scope.join();
  EXPECT_EQ(world.codes, (std::vector{Code::deadline_exceeded, Code::deadline_exceeded}));
  co_await world.close();
}
TEST(PostgresBatches, DoNotBeginWhatNobodyWaitsForAnyMore) { run(late()); }

}  // namespace
}  // namespace outrigger::control::scheduler
