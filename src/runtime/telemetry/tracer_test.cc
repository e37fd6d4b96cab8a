#include "runtime/telemetry/tracer.h"

#include "base/pch_test.h"

namespace outrigger::telemetry {
namespace {

const TraceContext kSampledParent =
    *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03");
const TraceContext kUnsampledParent =
    *parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02");

struct Collector : SpanSink {
  void accept(std::unique_ptr<FinishedSpan> span) override { spans.push_back(std::move(span)); }
  std::vector<std::unique_ptr<FinishedSpan>> spans;
};

TEST(Tracer, WithoutConfigurationContextsPassThrough) {
  const Tracer tracer;
  EXPECT_FALSE(tracer.configured());
  EXPECT_EQ(tracer.start({}), TraceContext());
  EXPECT_EQ(tracer.start(kSampledParent), kSampledParent);
  EXPECT_FALSE(tracer.reports(kSampledParent));
}

TEST(Tracer, ASpanContinuesItsParentsTraceAndDecision) {
  for (const char* rate : {"0", "1", "0.5"}) {
    const Tracer tracer(rate, nullptr);
    const TraceContext sampled = tracer.start(kSampledParent);
    EXPECT_EQ(sampled.trace_id, kSampledParent.trace_id);
    EXPECT_NE(sampled.span_id, kSampledParent.span_id);
    EXPECT_EQ(sampled.flags, 3) << rate;
    EXPECT_EQ(tracer.start(kUnsampledParent).flags, 2) << rate;
  }
}

TEST(Tracer, ANewTraceIsSampledAtTheRate) {
  const auto sampled_of_10000 = [](std::string_view rate) {
    const Tracer tracer(rate, nullptr);
    int sampled = 0;
    for (int i = 0; i < 10000; ++i) {
      const TraceContext span = tracer.start({});
      EXPECT_TRUE(span.valid());
      sampled += span.sampled() ? 1 : 0;
    }
    return sampled;
  };
  EXPECT_EQ(sampled_of_10000("0"), 0);
  EXPECT_EQ(sampled_of_10000("-1"), 0);
  EXPECT_EQ(sampled_of_10000("nan"), 0);
  EXPECT_EQ(sampled_of_10000("1"), 10000);
  EXPECT_EQ(sampled_of_10000("2"), 10000);
  EXPECT_NEAR(sampled_of_10000("0.5"), 5000, 400);
  EXPECT_LT(sampled_of_10000("rubbish"), 20);
}

TEST(Tracer, TheDecisionDependsOnTheTraceIdAsOpenTelemetrysDoes) {
  // Upper 63 bits of the second half against rate * 2^63: 0x7fff... is just below one half of 2^64.
  const Tracer tracer("0.5", nullptr);
  TraceContext parent;  // A trace id without a span is no valid parent: the rate decides.
  parent.trace_id[0] = 1;
  parent.trace_id[8] = 0x7f;
  EXPECT_TRUE(tracer.start(parent).sampled());
  EXPECT_EQ(tracer.start(parent).trace_id, parent.trace_id);
  parent.trace_id[8] = 0x80;
  EXPECT_FALSE(tracer.start(parent).sampled());
}

TEST(Tracer, RatesAreNumbersOrTheDefault) {
  EXPECT_EQ(parse_sampling_rate(""), 1e-4);
  EXPECT_EQ(parse_sampling_rate("x"), 1e-4);
  EXPECT_EQ(parse_sampling_rate(" 1"), 1e-4);
  EXPECT_EQ(parse_sampling_rate("1e-3"), 1e-3);
  EXPECT_EQ(parse_sampling_rate("0"), 0);
}

TEST(Tracer, OnlySampledSpansAreReported) {
  const auto sink = std::make_shared<Collector>();
  const Tracer tracer("1", sink);
  const TraceContext context = tracer.start(kSampledParent);
  auto span = tracer.open(kSampledParent, context, SpanKind::client);
  ASSERT_NE(span, nullptr);
  span->name = "pubsub/orders";
  tracer.close(std::move(span));
  ASSERT_EQ(sink->spans.size(), 1U);
  EXPECT_EQ(sink->spans[0]->context, context);
  EXPECT_EQ(sink->spans[0]->parent_span_id, kSampledParent.span_id);
  EXPECT_LE(sink->spans[0]->start, sink->spans[0]->end);
  const TraceContext unsampled = tracer.start(kUnsampledParent);
  EXPECT_EQ(tracer.open(kUnsampledParent, unsampled, SpanKind::client), nullptr);
  tracer.close(nullptr);
  // Tracing was switched off while the span ran.
  Tracer().close(tracer.open(kSampledParent, context, SpanKind::client));
  EXPECT_EQ(sink->spans.size(), 1U);
}

TEST(Tracer, AnAttributeIsThereOnceAndNeverEmpty) {
  FinishedSpan span;
  span.set("a", "1");
  span.set("b", "");
  span.set("a", "2");
  const std::vector<std::pair<std::string, std::string>> expected = {{"a", "2"}};
  EXPECT_EQ(span.attributes, expected);
}

TEST(Tracer, SpanIdsDoNotRepeat) {
  const Tracer tracer("1", nullptr);
  std::set<std::string> seen;
  for (int i = 0; i < 10000; ++i) {
    EXPECT_TRUE(seen.insert(span_id_text(tracer.start(kSampledParent))).second);
  }
}

}  // namespace
}  // namespace outrigger::telemetry
