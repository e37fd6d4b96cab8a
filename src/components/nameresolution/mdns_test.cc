#include "base/log.h"
#include "base/scope.h"
#include "components/nameresolution/registry.h"

namespace outrigger::components::nameresolution {
namespace {

TEST(Mdns, AnInstanceNeedsANameAnAddressAndAPort) {
  Loop loop;
  ComponentContext context{.loop = loop};
  const Metadata metadata{.name = "mdns", .type = "nameresolution.mdns"};
  auto resolver = find_resolver("mdns", "").value()->make(metadata, context).value();
  const auto refusal = [&](Instance instance) {
    return run_on(loop, resolver->init(std::move(instance))).error().message();
  };
  EXPECT_EQ(refusal({.address = "192.0.2.2", .internal_port = 1}), "name is missing");
  EXPECT_EQ(refusal({.app_id = "a", .internal_port = 1}), "address is missing");
  EXPECT_EQ(refusal({.app_id = "a", .address = "192.0.2.2"}), "port is missing or invalid");
  EXPECT_EQ(refusal({.app_id = "a", .address = "my.host", .internal_port = 1}),
            "failed to parse given IP: my.host");
}

/// The objects of two loops, used from the first one.
struct TwoLoops {
  std::unique_ptr<Resolver> here;
  std::unique_ptr<Resolver> there;
  Loop* other = nullptr;
};

Task<Result<std::string>> life(TwoLoops* two) {
  const Instance instance{
      .app_id = "outrigger-two-loops-test", .address = "127.0.0.1", .internal_port = 3501};
  OUT_CO_CHECK(co_await two->here->init(instance));
  std::move_only_function<Task<Result<>>()> init = [two, instance] {
    return two->there->init(instance);
  };
  OUT_CO_CHECK(co_await call_on<void>(*two->other, std::move(init)));
  const ResolveRequest request{.id = instance.app_id};
  std::move_only_function<Task<Result<std::string>>()> resolve = [two, request] {
    return two->there->resolve(request);
  };
  auto found = co_await call_on<std::string>(*two->other, std::move(resolve));
  if (found) {
    EXPECT_EQ(two->here->resolve_now(request), *found);
    two->here->evict(request.id, *found);
    EXPECT_EQ(two->here->resolve_now(request), std::nullopt);
  }
  co_await two->here->close();  // The engine's own loop leaves first.
  const auto close = [](Resolver* resolver) -> Task<Result<>> {
    co_await resolver->close();
    co_return Result<>();
  };
  std::move_only_function<Task<Result<>>()> leave = [two, close] {
    return close(two->there.get());
  };
  OUT_CO_CHECK(co_await call_on<void>(*two->other, std::move(leave)));
  co_return found;
}

TEST(Mdns, WhatOneLoopLearnsAllKnow) {
  LogCapture logs;
  Loops others(1);
  others.start();
  Loop loop;
  auto slot = std::make_shared<Shared>();
  const Metadata metadata{.name = "mdns", .type = "nameresolution.mdns"};
  const auto* kind = find_resolver("mdns", "").value();
  ComponentContext here{.loop = loop, .slot = slot};
  ComponentContext there{.loop = others[0], .slot = slot};
  TwoLoops two{.here = kind->make(metadata, here).value(),
               .there = kind->make(metadata, there).value(),
               .other = &others[0]};
  const auto found = run_on(loop, life(&two));
  others.stop_and_join();
  if (!found) GTEST_SKIP() << "no multicast here: " << found.error().message();
  EXPECT_EQ(*found, "127.0.0.1:3501");
}

}  // namespace
}  // namespace outrigger::components::nameresolution
