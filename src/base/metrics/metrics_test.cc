#include "base/metrics/metrics.h"

#include <thread>

#include "base/pch_test.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Metrics, TheTextFormatIsPrometheus) {
  Registry registry({.app_id = "my\"app\\"});
  const Group group = registry.group({"zone", "actor"});
  const auto counter = registry.counter(group, "b_total", "Back\\slash\nand line.");
  const auto gauge = registry.gauge(group, "a_now", "Now.");
  const Group plain = registry.group({}, Registry::AppLabel::no);
  const auto sizes = registry.histogram(plain, "c_bytes", "Sizes.", {0, 1, 2.5, 1e6});
  counter.at(group.find({"z\n", "x"})).add(2);
  counter.at(group.find({"a", "y"})).add();
  gauge.at(group.find({"z\n", "x"})).set(1.5);
  sizes.at(plain.find({})).record(1);
  sizes.at(plain.find({})).record(0.5);
  sizes.at(plain.find({})).record(1e7);
  EXPECT_EQ(registry.render(),
            "# HELP a_now Now.\n"
            "# TYPE a_now gauge\n"
            "a_now{actor=\"x\",app_id=\"my\\\"app\\\\\",zone=\"z\\n\"} 1.5\n"
            "# HELP b_total Back\\\\slash\\nand line.\n"
            "# TYPE b_total counter\n"
            "b_total{actor=\"x\",app_id=\"my\\\"app\\\\\",zone=\"z\\n\"} 2\n"
            "b_total{actor=\"y\",app_id=\"my\\\"app\\\\\",zone=\"a\"} 1\n"
            "# HELP c_bytes Sizes.\n"
            "# TYPE c_bytes histogram\n"
            "c_bytes_bucket{le=\"1\"} 1\n"
            "c_bytes_bucket{le=\"2.5\"} 2\n"
            "c_bytes_bucket{le=\"1e+06\"} 2\n"
            "c_bytes_bucket{le=\"+Inf\"} 3\n"
            "c_bytes_sum 1.00000015e+07\n"
            "c_bytes_count 3\n");
}

TEST(Metrics, NumbersArePrintedAsGoPrintsThem) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},
      {1, "1"},
      {-1.5, "-1.5"},
      {999999, "999999"},
      {1e6, "1e+06"},
      {1.048576e6, "1.048576e+06"},
      {0.0001, "0.0001"},
      {0.00001, "1e-05"},
      {5.368710145e9, "5.368710145e+09"},
      {1.8446744073709552e19, "1.8446744073709552e+19"},
      {1.0 / 0.0, "+Inf"},
      {-1.0 / 0.0, "-Inf"},
  };
  for (const auto& [value, text] : cases) {
    std::string out;
    append_metric_number(out, value);
    EXPECT_EQ(out, text);
  }
}

TEST(Metrics, ThreadsAreAddedUp) {
  Registry registry({.app_id = "a"});
  const Group group = registry.group({"k"});
  const auto counter = registry.counter(group, "n_total", "N.");
  const auto latency = registry.histogram(group, "n_ms", "N.", {10});
  // More threads than shards, so that some share theirs.
  std::vector<std::jthread> threads;
  for (int t = 0; t < 24; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        const auto labels = group.find({"x"});
        counter.at(labels).add();
        latency.at(labels).record(i % 20);
      }
    });
  }
  threads.clear();
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("n_total{app_id=\"a\",k=\"x\"} 24000\n"));
  EXPECT_THAT(text, HasSubstr("n_ms_bucket{app_id=\"a\",k=\"x\",le=\"10\"} 12000\n"));
  EXPECT_THAT(text, HasSubstr("n_ms_sum{app_id=\"a\",k=\"x\"} 228000\n"));
}

TEST(Metrics, AThreadThatEndsLeavesWhatItCountedToItsSuccessor) {
  Registry registry({.app_id = "a"});
  const Group group = registry.group({});
  const auto counter = registry.counter(group, "n_total", "N.");
  for (int i = 0; i < 40; ++i) {
    std::jthread([&] { counter.at(group.find({})).add(); }).join();
  }
  EXPECT_THAT(registry.render(), HasSubstr("n_total{app_id=\"a\"} 40\n"));
}

TEST(Metrics, ScrapesWhileOthersRecordSeeOnlyGrowth) {
  Registry registry({.app_id = "a"});
  const Group group = registry.group({"k"});
  const auto counter = registry.counter(group, "n_total", "N.");
  std::atomic<bool> stop = false;
  std::jthread writer([&] {
    for (int i = 0; !stop; ++i) counter.at(group.find({std::to_string(i % 500)})).add();
  });
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(registry.render().find("n_total{app_id=\"b\"") == 0);
  stop = true;
}

TEST(Metrics, LabelSetsAreLimited) {
  Registry registry({.app_id = "a", .series_max = 3});
  const Group group = registry.group({"k"});
  const auto counter = registry.counter(group, "n_total", "N.");
  for (int i = 0; i < 1000; ++i) counter.at(group.find({"v" + std::to_string(i)})).add();
  counter.at(group.find({"v1"})).add();
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("n_total{app_id=\"a\",k=\"v1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("n_total{app_id=\"a\",k=\"other\"} 997\n"));
  EXPECT_THAT(text, Not(HasSubstr("v3")));
}

TEST(Metrics, ValuesThatOnlyJoinEquallyAreDifferent) {
  Registry registry({.app_id = "a"});
  const Group group = registry.group({"x", "y"});
  const auto counter = registry.counter(group, "n_total", "N.");
  counter.at(group.find({"ab", "c"})).add(1);
  counter.at(group.find({"a", "bc"})).add(2);
  counter.at(group.find({"", "abc"})).add(4);
  counter.at(group.find({"ab", "c"})).add(8);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("x=\"ab\",y=\"c\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("x=\"a\",y=\"bc\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("x=\"\",y=\"abc\"} 4\n"));
}

TEST(Metrics, ValuesThatAreNotUtf8AreMended) {
  Registry registry({.app_id = "a\xff"});
  const Group group = registry.group({"topic"});
  const auto counter = registry.counter(group, "n_total", "N.");
  const char* const values[] = {"\xff\xfe", "\xfd\xfc", "\xed\xa0\x80", "\xe2\x82\xac"};
  for (const char* value : values) counter.at(group.find({value})).add();
  std::thread([&] { counter.at(group.find({"\xff\xff"})).add(); }).join();
  const std::string text = registry.render();
  const std::string replaced = "\xef\xbf\xbd";
  EXPECT_TRUE(is_utf8(text)) << text;
  EXPECT_THAT(
      text, HasSubstr("{app_id=\"a" + replaced + "\",topic=\"" + replaced + replaced + "\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("topic=\"\xe2\x82\xac\"} 1\n"));
}

TEST(Metrics, RulesRewriteValuesBeforeTheyCount) {
  Registry registry({.app_id = "a",
                     .rewrite = [](std::string_view metric, std::string_view label,
                                   std::string value) -> std::string {
                       return metric == "n_total" && label == "path" ? "/all" : std::move(value);
                     }});
  const Group group = registry.group({"path", "verb"});
  const auto counter = registry.counter(group, "dapr_n_total", "N.");
  counter.at(group.find({"/x", "GET"})).add();
  counter.at(group.find({"/y", "GET"})).add();
  counter.at(group.find({"", "GET"})).add();
  EXPECT_THAT(registry.render(), HasSubstr("{app_id=\"a\",path=\"/all\",verb=\"GET\"} 2\n"));
  EXPECT_THAT(registry.render(), HasSubstr("{app_id=\"a\",path=\"\",verb=\"GET\"} 1\n"));
}

TEST(Metrics, HandlesWithoutASeriesDoNothing) {
  Counter().add();
  Gauge().set(1);
  Gauge().add(1);
  Histogram().record(1);
  Registry registry({.app_id = "a", .enabled = false});
  const Group group = registry.group({"k"});
  const auto counter = registry.counter(group, "n_total", "N.");
  counter.at(group.find({"x"})).add();
  EXPECT_EQ(registry.render(), "");
}

TEST(Metrics, AGaugeIsSetAndMoved) {
  Registry registry({.app_id = "a"});
  const Group group = registry.group({});
  const auto gauge = registry.gauge(group, "n", "N.");
  gauge.at(group.find({})).set(5);
  gauge.at(group.find({})).add(-7);
  EXPECT_THAT(registry.render(), HasSubstr("n{app_id=\"a\"} -2\n"));
}

}  // namespace
}  // namespace outrigger::telemetry
