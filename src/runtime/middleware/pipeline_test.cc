#include "runtime/middleware/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/scope.h"

namespace outrigger::runtime::middleware {
namespace {

using components::middleware::Middleware;

/// Puts its mark before and after what passes.
class Mark final : public Middleware {
 public:
  Mark(std::string mark, std::string& log) : mark_(std::move(mark)), log_(log) {}
  Task<net::Response> handle(net::Request request, Next next) override {
    log_ += mark_;
    auto response = co_await next(std::move(request));
    log_ += mark_;
    co_return response;
  }
  Task<void> close() override {
    log_ += "(" + mark_ + " closed)";
    co_return;
  }

 private:
  std::string mark_;
  std::string& log_;
};

std::shared_ptr<OpenMiddleware> mark(std::string name, std::string text, std::string& log,
                                     std::string version = "v1") {
  return std::make_shared<OpenMiddleware>(std::move(name), "middleware.http.mark",
                                          std::move(version),
                                          std::make_unique<Mark>(std::move(text), log));
}

resources::PipelineHandler handler(std::string name, std::string version = "") {
  return {.name = std::move(name), .type = "middleware.http.MARK", .version = std::move(version)};
}

struct World {
  std::string log;
  Store store;
  Pipeline pipeline{store, {handler("one"), handler("two")}};
  Signal go_on;
  bool held = false;

  static Task<net::Response> root(World* world) {
    world->log += ".";
    while (world->held) {
      [[maybe_unused]] const auto woken = co_await world->go_on.wait();
    }
    net::Response response;
    response.status = 204;
    co_return response;
  }
  static Task<void> pass(World* world) {
    Next next = [world](net::Request) { return root(world); };
    net::Request request;
    const auto response = co_await world->pipeline.run(std::move(request), std::move(next));
    EXPECT_EQ(response.status, 204);
  }
  std::string passed() {
    log.clear();
    run(pass(this));
    return log;
  }
};

TEST(Pipeline, RequestsPassThroughWhatIsOpenInTheOrderOfTheConfiguration) {
  World world;
  EXPECT_EQ(world.passed(), ".");
  EXPECT_EQ(world.store.add(mark("two", "2", world.log)), nullptr);
  EXPECT_EQ(world.passed(), "2.2");
  EXPECT_EQ(world.store.add(mark("one", "1", world.log)), nullptr);
  EXPECT_EQ(world.passed(), "12.21");
  // Type and version have to be those of the handler.
  EXPECT_NE(world.store.add(mark("one", "x", world.log, "v2")), nullptr);
  EXPECT_EQ(world.passed(), "2.2");
  EXPECT_NE(world.store.take_out("two"), nullptr);
  EXPECT_EQ(world.store.take_out("two"), nullptr);
  EXPECT_EQ(world.passed(), ".");
}

TEST(Pipeline, OtherHandlersHoldForRequestsThatComeThen) {
  World world;
  world.store.add(mark("one", "1", world.log));
  world.store.add(mark("two", "2", world.log));
  EXPECT_EQ(world.passed(), "12.21");
  world.pipeline.set_handlers({handler("two", "v1")});
  EXPECT_EQ(world.passed(), "2.2");
  world.pipeline.set_handlers({});
  EXPECT_TRUE(world.pipeline.empty());
  EXPECT_EQ(world.passed(), ".");
}

TEST(Pipeline, AMiddlewareIsClosedWhenTheRequestsInItsChainAreThrough) {
  struct Story {
    static Task<void> play(World* world) {
      world->store.add(mark("one", "1", world->log));
      world->held = true;
      Scope scope;
      scope.spawn(World::pass(world));
      auto old_one = world->store.add(mark("one", "n", world->log));
      scope.spawn(old_one->close());
      EXPECT_EQ(world->log, "1.");
      scope.spawn(World::pass(world));
      EXPECT_EQ(world->log, "1.n.");
      world->held = false;
      world->go_on.notify_all();
      co_await scope.join();
      EXPECT_EQ(world->log, "1.n.1n(1 closed)");
    }
  };
  World world;
  run(Story::play(&world));
}

}  // namespace
}  // namespace outrigger::runtime::middleware
