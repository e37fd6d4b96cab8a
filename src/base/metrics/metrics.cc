#include "base/metrics/metrics.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <deque>

#include "base/metrics/label_table.h"
#include "base/result.h"
#include "base/strings.h"

namespace outrigger::telemetry {
namespace {

using detail::Cell;

/// A thread that owns the cell need not lock the bus.
void add_to(Cell& cell, std::uint64_t amount, bool owned) noexcept {
  if (owned) {
    cell.store(cell.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  } else {
    cell.fetch_add(amount, std::memory_order_relaxed);
  }
}

void add_real(Cell& cell, double amount, bool owned) noexcept {
  std::uint64_t before = cell.load(std::memory_order_relaxed);
  const auto after = [&] {
    return std::bit_cast<std::uint64_t>(std::bit_cast<double>(before) + amount);
  };
  if (owned) {
    cell.store(after(), std::memory_order_relaxed);
    return;
  }
  while (!cell.compare_exchange_weak(before, after(), std::memory_order_relaxed)) {
  }
}

/// The one cell of a gauge is in the shared shard, whoever sets it.
constexpr detail::Shard kGaugeShard{detail::kShards - 1, false};

}  // namespace

void Counter::add(std::uint64_t amount) const noexcept {
  if (series_ == nullptr) return;
  const detail::Shard shard = detail::this_shard();
  add_to(*detail::cells_of(*series_, shard), amount, shard.owned);
}

void Gauge::set(double value) const noexcept {
  if (series_ == nullptr) return;
  detail::cells_of(*series_, kGaugeShard)
      ->store(std::bit_cast<std::uint64_t>(value), std::memory_order_relaxed);
}

void Gauge::add(double amount) const noexcept {
  if (series_ == nullptr) return;
  add_real(*detail::cells_of(*series_, kGaugeShard), amount, false);
}

void Histogram::record(double value) const noexcept {
  if (series_ == nullptr) return;
  const std::span<const double> bounds = series_->bounds;
  std::size_t bucket = 0;
  while (bucket < bounds.size() && value >= bounds[bucket]) ++bucket;
  const detail::Shard shard = detail::this_shard();
  Cell* cells = detail::cells_of(*series_, shard);
  add_to(cells[bucket], 1, shard.owned);
  add_real(cells[bounds.size() + 1], value, shard.owned);
}

Labels Group::find(std::span<const std::string_view> values) const {
  return table_ == nullptr ? Labels() : Labels(table_->find(values));
}

Counter CounterFamily::at(Labels labels) const noexcept {
  return Counter(labels.row_ == nullptr ? nullptr : &labels.row_->series[slot_]);
}

Gauge GaugeFamily::at(Labels labels) const noexcept {
  return Gauge(labels.row_ == nullptr ? nullptr : &labels.row_->series[slot_]);
}

Histogram HistogramFamily::at(Labels labels) const noexcept {
  return Histogram(labels.row_ == nullptr ? nullptr : &labels.row_->series[slot_]);
}

struct Registry::Impl {
  RegistryOptions options;
  mutable std::mutex mutex;
  std::deque<detail::Table> tables;
  std::vector<std::function<void(std::string&)>> collectors;
};

Registry::Registry(RegistryOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->options.app_id = to_utf8(impl_->options.app_id);
}

Registry::~Registry() = default;

Group Registry::group(std::vector<std::string> labels, AppLabel app_label) {
  const std::scoped_lock lock(impl_->mutex);
  return Group(
      &impl_->tables.emplace_back(std::move(labels), app_label == AppLabel::yes, impl_->options));
}

CounterFamily Registry::counter(Group group, std::string name, std::string help) {
  return CounterFamily(
      group.table_->add({std::move(name), std::move(help), detail::Kind::counter, {}}));
}

GaugeFamily Registry::gauge(Group group, std::string name, std::string help) {
  return GaugeFamily(
      group.table_->add({std::move(name), std::move(help), detail::Kind::gauge, {}}));
}

HistogramFamily Registry::histogram(Group group, std::string name, std::string help,
                                    std::vector<double> bounds) {
  if (!bounds.empty() && bounds.front() == 0) bounds.erase(bounds.begin());
  OUT_ASSERT(!bounds.empty() && std::ranges::is_sorted(bounds));
  return HistogramFamily(group.table_->add(
      {std::move(name), std::move(help), detail::Kind::histogram, std::move(bounds)}));
}

void Registry::add_collector(std::function<void(std::string& out)> collector) {
  const std::scoped_lock lock(impl_->mutex);
  impl_->collectors.push_back(std::move(collector));
}

std::string Registry::render() const {
  const std::scoped_lock lock(impl_->mutex);
  std::map<std::string, std::string> by_name;
  for (detail::Table& table : impl_->tables) table.render(by_name);
  std::string out;
  for (const auto& [name, text] : by_name) out += text;
  for (const auto& collector : impl_->collectors) collector(out);
  return out;
}

void append_metric_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-Inf" : "+Inf";
    return;
  }
  char buffer[64];
  const double size = std::fabs(value);
  // Where Go's %g changes to an exponent.
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e6);
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  out.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value, format).ptr);
}

std::vector<double> default_latency_bounds() {
  return {1,   2,   3,   4,    5,    6,    8,     10,    13,    16,    20,  25,
          30,  40,  50,  65,   80,   100,  130,   160,   200,   250,   300, 400,
          500, 650, 800, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
}

std::vector<double> size_bounds() {
  constexpr double kKi = 1024;
  constexpr double kMi = 1024 * kKi;
  constexpr double kGi = 1024 * kMi;
  return {kKi,     2 * kKi,  4 * kKi,  16 * kKi,  64 * kKi, 256 * kKi, kMi,
          4 * kMi, 16 * kMi, 64 * kMi, 256 * kMi, kGi,      4 * kGi};
}

}  // namespace outrigger::telemetry
