#include "runtime/tracing/pipeline.h"

#include "base/log.h"
#include "runtime/tracing/span_testing.h"

namespace outrigger::runtime::tracing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using testing::make_spans;

/// An exporter whose answers the test gives.
class Fake final : public Exporter {
 public:
  struct State {
    std::vector<std::string> batches;
    std::vector<Delivery> answers;  ///< The next first; then all is well.
    bool hang = false;
    bool closed = false;
    Signal sent;
  };
  explicit Fake(State& state) : state_(state) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
  [[nodiscard]] std::string_view target() const noexcept override { return "nowhere"; }
  void append(std::string& out, const telemetry::FinishedSpan& span) const override {
    out += span.name;
  }
  [[nodiscard]] std::string_view separator() const noexcept override { return ","; }
  Task<Delivery> send(std::string parts) override {
    state_.batches.push_back(std::move(parts));
    state_.sent.notify_all();
    Delivery delivery;
    if (state_.hang) {
      Signal never;
      auto woken = co_await never.wait();
      delivery.result = std::move(woken);
      co_return delivery;
    }
    if (!state_.answers.empty()) {
      delivery = std::move(state_.answers.front());
      state_.answers.erase(state_.answers.begin());
    }
    co_return delivery;
  }
  Task<void> close() override {
    state_.closed = true;
    co_return;
  }

 private:
  State& state_;
};

Delivery failed(bool retry) {
  Delivery delivery;
  delivery.result = fail(Code::unavailable, "connection refused");
  delivery.retry = retry;
  return delivery;
}

struct Rig {
  explicit Rig(BatchOptions given = {}) : options(given) {}

  /// Runs `work` with a pipeline, then closes it within `limit`.
  template <class Work>
  void run(Duration limit, Work work) {
    auto whole = [](Rig* rig, Duration time, Work* inner) -> Task<bool> {
      Pipeline pipeline(std::make_unique<Fake>(rig->state), rig->options, rig->metrics);
      co_await (*inner)(pipeline);
      co_await pipeline.close(time);
      co_return true;
    };
    EXPECT_TRUE(outrigger::run(whole(this, limit, &work)));
  }
  [[nodiscard]] std::string scrape() const { return registry.render(); }
  [[nodiscard]] bool counts(const std::string& metric, int value) const {
    return scrape().find(metric + "{app_id=\"shop\",exporter=\"fake\"} " + std::to_string(value) +
                         "\n") != std::string::npos;
  }

  static telemetry::RegistryOptions registry_options() {
    telemetry::RegistryOptions made;
    made.app_id = "shop";
    return made;
  }
  BatchOptions options;
  telemetry::Registry registry{registry_options()};
  ExportMetrics metrics{registry};
  Fake::State state;
};

Task<void> wait_for_batches(Fake::State* state, std::size_t count) {
  while (state->batches.size() < count) {
    [[maybe_unused]] auto woken = co_await state->sent.wait();
  }
}

TEST(TracePipeline, SpansWaitForABatchAndLeaveInOrder) {
  Rig rig({.batch_spans_max = 3, .delay = 1h});
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(2));
    EXPECT_EQ(pipeline.queued(), 2U);
    EXPECT_TRUE(rig.state.batches.empty());
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 1);
    EXPECT_EQ(rig.state.batches[0], "span 0,span 1,span 0");
  });
  EXPECT_TRUE(rig.state.closed);
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 3)) << rig.scrape();
}

TEST(TracePipeline, AFewSpansLeaveAfterTheDelay) {
  Rig rig({.batch_spans_max = 100, .delay = 1ms});
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 1);
    pipeline.add(make_spans(2));
    co_await wait_for_batches(&rig.state, 2);
    EXPECT_EQ(rig.state.batches[1], "span 0,span 1");
  });
}

TEST(TracePipeline, WhatIsLeftIsSentAtTheEnd) {
  Rig rig({.batch_spans_max = 4, .delay = 1h});
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(3));
    co_return;
  });
  ASSERT_EQ(rig.state.batches.size(), 1U);
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 3)) << rig.scrape();
}

TEST(TracePipeline, AFullQueueDropsWhatComesAndSaysSoOnce) {
  const LogCapture logs;
  Rig rig({.queue_spans_max = 5, .batch_spans_max = 5, .delay = 1h});
  rig.state.hang = true;
  rig.run(1ms, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(5));  // Under way.
    co_await wait_for_batches(&rig.state, 1);
    for (int i = 0; i < 100; ++i) pipeline.add(make_spans(5));
    EXPECT_EQ(pipeline.queued(), 5U);
  });
  // 495 found no room, 5 were under way and 5 in the queue when the time was up.
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_dropped", 505)) << rig.scrape();
  EXPECT_TRUE(logs.contains("trace exporter fake (nowhere) is behind"));
}

TEST(TracePipeline, AQueueOfLargeSpansIsBoundedInBytes) {
  Rig rig({.queue_bytes_max = 10'000, .delay = 1h});
  rig.state.hang = true;
  rig.run(1ms, [&](Pipeline& pipeline) -> Task<void> {
    for (int i = 0; i < 100; ++i) {
      auto spans = make_spans(1);
      spans[0]->name = std::string(1000, 'x');
      pipeline.add(spans);
    }
    EXPECT_LE(pipeline.queued(), 10U);
    co_return;
  });
}

TEST(TracePipeline, ABatchIsNoLargerThanReceiversTake) {
  Rig rig(
      {.queue_spans_max = 1000, .batch_spans_max = 1000, .batch_bytes_max = 200'000, .delay = 1h});
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    auto spans = make_spans(500);
    for (auto& span : spans) span->name = std::string(1000, 'x');
    pipeline.add(spans);
    co_return;
  });
  EXPECT_GE(rig.state.batches.size(), 3U);
  for (const std::string& batch : rig.state.batches) EXPECT_LE(batch.size(), 200'000U);
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 500)) << rig.scrape();
}

TEST(TracePipeline, AFailureThatMayPassIsTriedAgain) {
  const LogCapture logs;
  Rig rig({.batch_spans_max = 1, .retry_delay = 1ms});
  rig.state.answers = {failed(true), failed(true)};
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 3);
  });
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 1)) << rig.scrape();
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_export_failures", 2)) << rig.scrape();
  EXPECT_TRUE(logs.contains("fails: connection refused"));
  EXPECT_TRUE(logs.contains("works again"));
}

TEST(TracePipeline, AFailureForGoodIsNotTriedAgain) {
  Rig rig({.batch_spans_max = 1, .retry_delay = 1ms});
  rig.state.answers = {failed(false)};
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 1);
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 2);
  });
  EXPECT_EQ(rig.state.batches.size(), 2U);
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_dropped", 1)) << rig.scrape();
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 1)) << rig.scrape();
}

TEST(TracePipeline, ABatchIsGivenUpWhenItsTimeIsOver) {
  Rig rig({.batch_spans_max = 1, .export_timeout = 5ms});
  rig.state.hang = true;
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 1);
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 2);
  });
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_dropped", 2)) << rig.scrape();
}

TEST(TracePipeline, ClosingDoesNotWaitForALaterTry) {
  Rig rig({.batch_spans_max = 1, .export_timeout = 1h, .retry_delay = 1h});
  rig.state.answers = {failed(true)};
  rig.run(1h, [&](Pipeline& pipeline) -> Task<void> {
    pipeline.add(make_spans(1));
    co_await wait_for_batches(&rig.state, 1);
  });
  // There was a last try at once, and it went well.
  EXPECT_TRUE(rig.counts("dapr_runtime_trace_spans_exported", 1)) << rig.scrape();
}

TEST(TracePipeline, OneThatGotNothingClosesAtOnce) {
  Rig rig;
  rig.run(1h, [](Pipeline&) -> Task<void> { co_return; });
  EXPECT_TRUE(rig.state.closed);
}

}  // namespace
}  // namespace outrigger::runtime::tracing
