#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>

#include "base/metrics/metrics.h"

/// The inside of metrics.h: rows of label values and where threads keep their cells.
namespace outrigger::telemetry::detail {

/// Which shard the calling thread counts in, and whether no other thread does.
struct Shard {
  std::size_t index;
  bool owned;
};
[[nodiscard]] Shard this_shard() noexcept;

/// The cells of a series for a shard, made if they are not there yet.
[[nodiscard]] Cell* cells_of(Series& series, Shard shard) noexcept;

/// One set of label values with a series for each metric of the group.
struct Row {
  Row(std::uint64_t hash_value, std::vector<std::string> label_values, std::size_t metrics)
      : hash(hash_value), values(std::move(label_values)), series(metrics) {}
  std::uint64_t hash;
  std::vector<std::string> values;
  std::vector<Series> series;
};

enum class Kind : std::uint8_t { counter, gauge, histogram };

struct Metric {
  std::string name, help;
  Kind kind;
  std::vector<double> bounds;
};

/// A group: its metrics and its rows. A thread that owns its shard finds rows it has met in a hash
/// table of its own; everything else is under the mutex.
class Table {
 public:
  Table(std::vector<std::string> label_names, bool with_app_label, const RegistryOptions& options);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] Row* find(std::span<const std::string_view> values);
  /// The slot of the new metric.
  std::size_t add(Metric metric);
  /// For each metric its text, keyed by name.
  void render(std::map<std::string, std::string>& out);

 private:
  using Values = std::span<const std::string_view>;
  struct Known {
    std::vector<Row*> slots;  // Open addressing; a power of two.
    std::size_t used = 0;
  };

  [[nodiscard]] Row* lookup(Values values);
  [[nodiscard]] Row* mended(Values values);
  [[nodiscard]] Row* rewritten(Values values);
  [[nodiscard]] Row* find_or_add(std::uint64_t hash, Values values);
  [[nodiscard]] Row* other();
  static void remember(Known& known, Row* row);
  void render_metric(std::size_t slot, std::span<Row* const> rows, std::string& out) const;

  const RegistryOptions& options_;
  const std::uint64_t seed_;
  std::vector<std::string> label_names_;
  /// Label names in the order they are printed, with the place of their value; the application's
  /// own id is -1.
  std::vector<std::pair<std::string, int>> printed_;
  std::vector<Metric> metrics_;
  std::array<Known, kShards> known_;
  mutable std::mutex mutex_;
  std::deque<Row> rows_;
  std::unordered_multimap<std::uint64_t, Row*> by_hash_;
  Row* other_ = nullptr;
};

}  // namespace outrigger::telemetry::detail
