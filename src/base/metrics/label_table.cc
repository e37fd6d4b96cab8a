#include "base/metrics/label_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/random.h"
#include "base/result.h"
#include "base/strings.h"

namespace outrigger::telemetry::detail {
namespace {

constexpr std::size_t kSharedShard = kShards - 1;
constexpr std::size_t kUnclaimed = kShards;

constinit thread_local std::size_t current_shard = kUnclaimed;

/// Memory of one shard's cells, so that no two threads write to one cache line. Never freed: a
/// process has few series, and a registry that is replaced (SIGHUP) is rare.
struct Slab {
  std::mutex mutex;
  std::vector<std::unique_ptr<Cell[]>> chunks;
  std::size_t left = 0;

  Cell* take(std::size_t count) {
    constexpr std::size_t kChunk = 512;
    const std::scoped_lock lock(mutex);
    if (count > left) {
      left = std::max(kChunk, count);
      chunks.push_back(std::make_unique<Cell[]>(left));
    }
    left -= count;
    return chunks.back().get() + left;
  }
};

struct Shards {
  std::mutex mutex;
  std::vector<std::size_t> free;
  std::array<Slab, kShards> slabs;

  Shards() {
    for (std::size_t i = kSharedShard; i-- > 0;) free.push_back(i);
  }
};

Shards& shards() {
  static auto* const instance = new Shards;  // Threads may end after static destructors ran.
  return *instance;
}

/// Holds a thread's shard; gives it back, with what is counted in it, when the thread ends.
class Claim {
 public:
  Claim() {
    Shards& all = shards();
    const std::scoped_lock lock(all.mutex);
    if (all.free.empty()) {
      index_ = kSharedShard;
    } else {
      index_ = all.free.back();
      all.free.pop_back();
    }
    current_shard = index_;
  }
  ~Claim() {
    current_shard = kSharedShard;
    if (index_ == kSharedShard) return;
    Shards& all = shards();
    const std::scoped_lock lock(all.mutex);
    all.free.push_back(index_);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::size_t index_;
};

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* p, std::size_t bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, p, bytes);
  return word;
}

/// Up to eight bytes as one number; texts of different length may give the same.
std::uint64_t short_word(const char* p, std::size_t size) noexcept {
  if (size >= 4) return load(p, 4) << 32 | load(p + size - 4, 4);
  if (size == 0) return 0;
  const auto at = [p](std::size_t i) -> std::uint64_t { return static_cast<unsigned char>(p[i]); };
  return at(0) << 16 | at(size / 2) << 8 | at(size - 1);
}

/// Seeded, for peers choose some of the values.
std::uint64_t hash_of(std::span<const std::string_view> values, std::uint64_t seed) noexcept {
  std::uint64_t hash = seed;
  for (const std::string_view value : values) {
    const char* p = value.data();
    std::size_t left = value.size();
    for (; left > 8; left -= 8, p += 8) hash = mix(hash ^ load(p, 8), 0xD6E8FEB86659FD93);
    const std::uint64_t word = left == 8 ? load(p, 8) : short_word(p, left);
    hash = mix(hash ^ word, 0xA0761D6478BD642F + value.size());
  }
  return hash;
}

bool all_utf8(std::span<const std::string_view> values) noexcept {
  return std::ranges::all_of(values, is_utf8);
}

bool same(const Row& row, std::uint64_t hash, std::span<const std::string_view> values) noexcept {
  if (row.hash != hash) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (row.values[i] != values[i]) return false;
  }
  return true;
}

}  // namespace

Shard this_shard() noexcept {
  if (current_shard == kUnclaimed) [[unlikely]] {
    thread_local Claim claim;
    (void)claim;
  }
  return {current_shard, current_shard != kSharedShard};
}

Cell* cells_of(Series& series, Shard shard) noexcept {
  Cell* cells = series.cells[shard.index].load(std::memory_order_acquire);
  if (cells != nullptr) [[likely]]
    return cells;
  const std::size_t count = series.bounds.empty() ? 1 : series.bounds.size() + 2;
  Cell* fresh = shards().slabs[shard.index].take(count);
  // Only threads of the shared shard can meet here; the loser's cells stay unused.
  if (series.cells[shard.index].compare_exchange_strong(cells, fresh)) return fresh;
  return cells;
}

Table::Table(std::vector<std::string> label_names, bool with_app_label,
             const RegistryOptions& options)
    : options_(options), seed_(fast_random()), label_names_(std::move(label_names)) {
  for (std::size_t i = 0; i < label_names_.size(); ++i) {
    printed_.emplace_back(label_names_[i], static_cast<int>(i));
  }
  if (with_app_label) printed_.emplace_back("app_id", -1);
  std::ranges::sort(printed_);
}

Table::~Table() = default;

std::size_t Table::add(Metric metric) {
  const std::scoped_lock lock(mutex_);
  OUT_ASSERT(rows_.empty());
  metrics_.push_back(std::move(metric));
  return metrics_.size() - 1;
}

Row* Table::find(Values values) {
  OUT_ASSERT(values.size() == label_names_.size());
  if (!options_.enabled) return nullptr;
  return options_.rewrite ? rewritten(values) : lookup(values);
}

Row* Table::rewritten(Values values) {
  std::vector<std::string> changed(values.begin(), values.end());
  for (const Metric& metric : metrics_) {
    std::string_view name = metric.name;
    if (name.starts_with("dapr_")) name.remove_prefix(5);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      // Upstream leaves an empty value alone.
      if (changed[i].empty()) continue;
      changed[i] = options_.rewrite(name, label_names_[i], std::move(changed[i]));
    }
  }
  const std::vector<std::string_view> views(changed.begin(), changed.end());
  return lookup(views);
}

// One value that is not UTF-8 and Prometheus refuses the whole page.
Row* Table::mended(Values values) {
  std::vector<std::string> changed;
  for (const std::string_view value : values) changed.push_back(to_utf8(value));
  const std::vector<std::string_view> views(changed.begin(), changed.end());
  return lookup(views);
}

Row* Table::lookup(Values values) {
  const std::uint64_t hash = hash_of(values, seed_);
  const Shard shard = this_shard();
  if (!shard.owned) {
    if (!all_utf8(values)) return mended(values);
    const std::scoped_lock lock(mutex_);
    return find_or_add(hash, values);
  }
  Known& known = known_[shard.index];
  if (!known.slots.empty()) {
    const std::size_t mask = known.slots.size() - 1;
    for (std::size_t at = hash & mask; known.slots[at] != nullptr; at = (at + 1) & mask) {
      if (same(*known.slots[at], hash, values)) return known.slots[at];
    }
  }
  if (!all_utf8(values)) return mended(values);
  Row* row = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    row = find_or_add(hash, values);
    if (row == other_) return row;
  }
  remember(known, row);
  return row;
}

void Table::remember(Known& known, Row* row) {
  const auto insert = [](std::vector<Row*>& slots, Row* entry) {
    const std::size_t mask = slots.size() - 1;
    std::size_t at = entry->hash & mask;
    while (slots[at] != nullptr) at = (at + 1) & mask;
    slots[at] = entry;
  };
  if ((known.used + 1) * 2 > known.slots.size()) {
    std::vector<Row*> larger(std::max<std::size_t>(16, known.slots.size() * 2));
    for (Row* entry : known.slots) {
      if (entry != nullptr) insert(larger, entry);
    }
    known.slots = std::move(larger);
  }
  insert(known.slots, row);
  ++known.used;
}

Row* Table::find_or_add(std::uint64_t hash, Values values) {
  const auto [first, last] = by_hash_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    if (same(*it->second, hash, values)) return it->second;
  }
  if (rows_.size() >= options_.series_max) return other();
  rows_.emplace_back(hash, std::vector<std::string>(values.begin(), values.end()), metrics_.size());
  Row* row = &rows_.back();
  for (std::size_t i = 0; i < metrics_.size(); ++i) row->series[i].bounds = metrics_[i].bounds;
  by_hash_.emplace(hash, row);
  return row;
}

Row* Table::other() {
  if (other_ == nullptr) {
    rows_.emplace_back(0, std::vector<std::string>(label_names_.size(), "other"), metrics_.size());
    other_ = &rows_.back();
    for (std::size_t i = 0; i < metrics_.size(); ++i) {
      other_->series[i].bounds = metrics_[i].bounds;
    }
  }
  return other_;
}

namespace {

void append_escaped(std::string& out, std::string_view text, bool with_quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && with_quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

struct Sum {
  bool recorded = false;
  std::vector<std::uint64_t> counts;
  double sum = 0;
};

Sum sum_of(const Series& series) {
  const std::size_t cells = series.bounds.empty() ? 1 : series.bounds.size() + 2;
  Sum total;
  total.counts.resize(cells);
  for (const auto& shard : series.cells) {
    const Cell* own = shard.load(std::memory_order_acquire);
    if (own == nullptr) continue;
    total.recorded = true;
    const std::size_t counts = series.bounds.empty() ? 1 : cells - 1;
    for (std::size_t i = 0; i < counts; ++i) {
      total.counts[i] += own[i].load(std::memory_order_relaxed);
    }
    if (!series.bounds.empty()) {
      total.sum += std::bit_cast<double>(own[cells - 1].load(std::memory_order_relaxed));
    }
  }
  return total;
}

/// "{a="x",b="y"}" without the closing brace, or "" if there are no labels.
std::string labels_text(const Row& row, std::span<const std::pair<std::string, int>> printed,
                        std::string_view app_id) {
  std::string out;
  for (const auto& [name, index] : printed) {
    out += out.empty() ? '{' : ',';
    out += name;
    out += "=\"";
    append_escaped(
        out, index < 0 ? app_id : std::string_view(row.values[static_cast<std::size_t>(index)]),
        true);
    out += '"';
  }
  return out;
}

void append_histogram(std::string& out, std::string_view name, const std::string& labels,
                      std::span<const double> bounds, const Sum& total) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    count += total.counts[i];
    out.append(name).append("_bucket").append(labels);
    out += labels.empty() ? "{le=\"" : ",le=\"";
    if (i < bounds.size()) {
      append_metric_number(out, bounds[i]);
    } else {
      out += "+Inf";
    }
    out += "\"} ";
    append_metric_number(out, static_cast<double>(count));
    out += '\n';
  }
  const std::string_view close = labels.empty() ? "" : "}";
  out.append(name).append("_sum").append(labels).append(close).append(" ");
  append_metric_number(out, total.sum);
  out.append("\n").append(name).append("_count").append(labels).append(close).append(" ");
  append_metric_number(out, static_cast<double>(count));
  out += '\n';
}

}  // namespace

void Table::render(std::map<std::string, std::string>& out) {
  const std::scoped_lock lock(mutex_);
  std::vector<Row*> rows;
  rows.reserve(rows_.size());
  for (Row& row : rows_) rows.push_back(&row);
  std::ranges::sort(rows, [this](const Row* a, const Row* b) {
    for (const auto& [name, index] : printed_) {
      if (index < 0) continue;
      const int order = a->values[static_cast<std::size_t>(index)].compare(
          b->values[static_cast<std::size_t>(index)]);
      if (order != 0) return order < 0;
    }
    return false;
  });
  for (std::size_t slot = 0; slot < metrics_.size(); ++slot) {
    std::string text;
    render_metric(slot, rows, text);
    if (!text.empty()) out.emplace(metrics_[slot].name, std::move(text));
  }
}

void Table::render_metric(std::size_t slot, std::span<Row* const> rows, std::string& out) const {
  const Metric& metric = metrics_[slot];
  for (const Row* row : rows) {
    const Sum total = sum_of(row->series[slot]);
    if (!total.recorded) continue;
    if (out.empty()) {
      constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram"};
      out.append("# HELP ").append(metric.name).append(" ");
      append_escaped(out, metric.help, false);
      out.append("\n# TYPE ").append(metric.name).append(" ");
      out.append(kKinds[static_cast<std::size_t>(metric.kind)]).append("\n");
    }
    const std::string labels = labels_text(*row, printed_, options_.app_id);
    if (metric.kind == Kind::histogram) {
      append_histogram(out, metric.name, labels, metric.bounds, total);
      continue;
    }
    out.append(metric.name).append(labels).append(labels.empty() ? " " : "} ");
    append_metric_number(out, metric.kind == Kind::gauge ? std::bit_cast<double>(total.counts[0])
                                                         : static_cast<double>(total.counts[0]));
    out += '\n';
  }
}

}  // namespace outrigger::telemetry::detail
