#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Metrics that cost a few nanoseconds to record and everything else at the scrape: each thread
/// counts in cells of its own, and render() adds them up.
namespace outrigger::telemetry {

namespace detail {

/// Threads with cells of their own; the last shard is shared by all threads beyond.
inline constexpr std::size_t kShards = 16;

using Cell = std::atomic<std::uint64_t>;

/// The cells of one metric with one set of label values, by shard; allocated at first use.
struct Series {
  std::array<std::atomic<Cell*>, kShards> cells{};
  std::span<const double> bounds;  // Of a histogram; it then has bounds + 1 counts and a sum.
};

class Table;
struct Row;

}  // namespace detail

/// Handles below are as small as a pointer and as copyable; made without a series they do nothing.
/// Any thread may record. They must not outlive their Registry.

/// A number that only grows.
class Counter {
 public:
  Counter() = default;
  void add(std::uint64_t amount = 1) const noexcept;

 private:
  friend class CounterFamily;
  explicit Counter(detail::Series* series) noexcept : series_(series) {}
  detail::Series* series_ = nullptr;
};

/// A number that goes up and down. Not sharded: for things that change seldom.
class Gauge {
 public:
  Gauge() = default;
  void set(double value) const noexcept;
  void add(double amount) const noexcept;

 private:
  friend class GaugeFamily;
  explicit Gauge(detail::Series* series) noexcept : series_(series) {}
  detail::Series* series_ = nullptr;
};

/// Counts values by size. As with upstream's exporter a value equal to a bound counts in the
/// bucket above it.
class Histogram {
 public:
  Histogram() = default;
  void record(double value) const noexcept;

 private:
  friend class HistogramFamily;
  explicit Histogram(detail::Series* series) noexcept : series_(series) {}
  detail::Series* series_ = nullptr;
};

/// A set of label values, found once for all metrics of a group. nullptr inside if metrics are off.
class Labels {
 public:
  Labels() = default;

 private:
  friend class Group;
  friend class CounterFamily;
  friend class GaugeFamily;
  friend class HistogramFamily;
  explicit Labels(detail::Row* row) noexcept : row_(row) {}
  detail::Row* row_ = nullptr;
};

/// Metrics with the same label names. The values a thread has met are found again in some 20 ns
/// without a lock. At most `series_max` sets are kept; all further ones count as one whose values
/// are "other".
class Group {
 public:
  Group() = default;
  /// One value for each label name, in their order.
  [[nodiscard]] Labels find(std::span<const std::string_view> values) const;
  [[nodiscard]] Labels find(std::initializer_list<std::string_view> values) const {
    return find(std::span(values.begin(), values.size()));
  }

 private:
  friend class Registry;
  explicit Group(detail::Table* table) noexcept : table_(table) {}
  detail::Table* table_ = nullptr;
};

/// One metric of a group.
class CounterFamily {
 public:
  CounterFamily() = default;
  [[nodiscard]] Counter at(Labels labels) const noexcept;

 private:
  friend class Registry;
  explicit CounterFamily(std::size_t slot) noexcept : slot_(slot) {}
  std::size_t slot_ = 0;
};

class GaugeFamily {
 public:
  GaugeFamily() = default;
  [[nodiscard]] Gauge at(Labels labels) const noexcept;

 private:
  friend class Registry;
  explicit GaugeFamily(std::size_t slot) noexcept : slot_(slot) {}
  std::size_t slot_ = 0;
};

class HistogramFamily {
 public:
  HistogramFamily() = default;
  [[nodiscard]] Histogram at(Labels labels) const noexcept;

 private:
  friend class Registry;
  explicit HistogramFamily(std::size_t slot) noexcept : slot_(slot) {}
  std::size_t slot_ = 0;
};

/// Changes a label's value before it counts (spec.metrics.rules): metric name without "dapr_",
/// label name, value.
using LabelRewrite =
    std::function<std::string(std::string_view metric, std::string_view label, std::string value)>;

struct RegistryOptions {
  /// The label app_id of all groups but those that say otherwise.
  std::string app_id;
  /// Off: nothing is recorded and render() is empty but for collectors.
  bool enabled = true;
  /// Label sets of one group. Ids in paths fill it, where nobody has templates for them: a scrape
  /// of the sidecar's HTTP metrics is then some 16 MB.
  std::size_t series_max = 2'000;
  /// Empty: values stay. Otherwise find() calls it for each label, with each metric of the group in
  /// turn: what is changed for one metric is changed for its whole group.
  LabelRewrite rewrite;
};

/// All metrics of a process. Define them before the loops start; the rest is safe anywhere.
class Registry {
 public:
  explicit Registry(RegistryOptions options);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  enum class AppLabel : std::uint8_t { yes, no };
  /// `labels` without app_id, which is added unless AppLabel::no.
  [[nodiscard]] Group group(std::vector<std::string> labels, AppLabel app_label = AppLabel::yes);
  /// Adds a metric to a group that has no label sets yet.
  CounterFamily counter(Group group, std::string name, std::string help);
  GaugeFamily gauge(Group group, std::string name, std::string help);
  /// `bounds` ascend; a leading 0 is dropped, as upstream does.
  HistogramFamily histogram(Group group, std::string name, std::string help,
                            std::vector<double> bounds);

  /// Text that is added to each scrape, such as append_process_metrics.
  void add_collector(std::function<void(std::string& out)> collector);

  /// The Prometheus text format, version 0.0.4: metrics by name, series by label values, labels by
  /// name. Series never recorded are left out.
  [[nodiscard]] std::string render() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The Content-Type of render(), as upstream sends it.
inline constexpr std::string_view kMetricsContentType =
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// A number as Go's %g prints it, the form of the text format: "1.5", "1e+06", "+Inf".
void append_metric_number(std::string& out, double value);

/// process_* metrics of Prometheus' client libraries: CPU, memory, descriptors, start time.
void append_process_metrics(std::string& out);

/// Upper bounds in milliseconds where the Configuration gives none (facts/crds.tsv).
[[nodiscard]] std::vector<double> default_latency_bounds();
/// Upper bounds in bytes: 1 KiB to 4 GiB (facts/wire_notes.md, 18).
[[nodiscard]] std::vector<double> size_bounds();

}  // namespace outrigger::telemetry
