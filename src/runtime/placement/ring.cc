#include "runtime/placement/ring.h"

#include <algorithm>

#include "runtime/placement/blake2b.h"

namespace outrigger::runtime::placement {
namespace {

// Points of one host; upstream's default is 100.
constexpr std::int64_t kFactorMax = 10'000;

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1" || host == "[::1]";
}

}  // namespace

bool RingHost::same_as(const RingHost& other) const {
  return key == other.key && port == other.port && location.address == other.location.address &&
         location.app_id == other.location.app_id;
}

const std::vector<std::uint64_t>& PointCache::points(const std::string& key, std::int64_t factor) {
  Entry& entry = entries_[key];
  if (entry.factor == factor) return entry.points;
  entry.factor = factor;
  entry.points.clear();
  entry.points.reserve(static_cast<std::size_t>(factor));
  for (std::int64_t i = 0; i < factor; ++i) {
    entry.points.push_back(blake2b_512_prefix(key + std::to_string(i)));
  }
  return entry.points;
}

void PointCache::trim(std::size_t hosts) {
  if (entries_.size() > 2 * hosts + 64) entries_.clear();
}

Ring::Ring(std::vector<RingHost> hosts, std::int64_t factor, PointCache& cache,
           const Ring* previous)
    : hosts_(std::move(hosts)), factor_(factor) {
  if (previous != nullptr && previous->factor_ != factor) previous = nullptr;
  std::vector<Point> added = points_of_new_hosts(previous, cache);
  std::ranges::sort(added);
  const std::vector<Point> kept = points_kept(previous);
  points_.reserve(kept.size() + added.size());
  std::ranges::merge(kept, added, std::back_inserter(points_));
}

std::vector<Ring::Point> Ring::points_of_new_hosts(const Ring* previous, PointCache& cache) const {
  std::vector<Point> added;
  for (std::uint32_t i = 0; i < hosts_.size(); ++i) {
    if (previous != nullptr &&
        std::ranges::binary_search(previous->hosts_, hosts_[i].key, {}, &RingHost::key)) {
      continue;
    }
    for (const std::uint64_t hash : cache.points(hosts_[i].key, factor_)) {
      added.push_back({hash, i});
    }
  }
  return added;
}

// Those of hosts that stay, in their order: both lists of hosts are sorted by key.
std::vector<Ring::Point> Ring::points_kept(const Ring* previous) const {
  std::vector<Point> kept;
  if (previous == nullptr) return kept;
  constexpr std::uint32_t kGone = ~std::uint32_t{0};
  std::vector<std::uint32_t> place_now(previous->hosts_.size(), kGone);
  for (std::size_t i = 0; i < place_now.size(); ++i) {
    const auto found =
        std::ranges::lower_bound(hosts_, previous->hosts_[i].key, {}, &RingHost::key);
    if (found == hosts_.end() || found->key != previous->hosts_[i].key) continue;
    place_now[i] = static_cast<std::uint32_t>(found - hosts_.begin());
  }
  kept.reserve(previous->points_.size());
  for (const Point& point : previous->points_) {
    const std::uint32_t host = place_now[point.host];
    if (host != kGone) kept.push_back({point.hash, host});
  }
  return kept;
}

const Location* Ring::find(std::string_view actor_id) const noexcept {
  if (points_.empty()) return nullptr;
  const std::uint64_t hash = blake2b_512_prefix(actor_id);
  auto point = std::ranges::lower_bound(points_, hash, {}, &Point::hash);
  if (point == points_.end()) point = points_.begin();
  return &hosts_[point->host].location;
}

bool Ring::made_of(const std::vector<RingHost>& hosts, std::int64_t factor) const {
  const auto same = [](const RingHost& a, const RingHost& b) { return a.same_as(b); };
  return factor_ == factor && std::ranges::equal(hosts_, hosts, same);
}

const Location* Tables::find(std::string_view type, std::string_view id) const {
  const auto ring = rings.find(type);
  return ring == rings.end() ? nullptr : ring->second->find(id);
}

Result<std::shared_ptr<const Tables>> make_tables(TableSource source, const Tables* previous,
                                                  PointCache& cache) {
  if (source.factor < 0 || source.factor > kFactorMax) {
    return fail(Code::invalid_argument,
                "placement tables with a replication factor of " + std::to_string(source.factor));
  }
  auto tables = std::make_shared<Tables>();
  tables->version = source.version;
  std::shared_ptr<const Ring> latest;
  std::size_t hosts_in_all = 0;
  for (auto& [type, hosts] : source.hosts) {
    hosts_in_all += hosts.size();
    std::ranges::sort(hosts, {}, &RingHost::key);
    std::shared_ptr<const Ring>& ring = tables->rings[type];
    if (previous != nullptr) {
      const auto old = previous->rings.find(type);
      if (old != previous->rings.end()) ring = old->second;
    }
    if (ring && ring->made_of(hosts, source.factor)) continue;
    // Types of one application have the same hosts, and sorting their points is most of the work.
    if (!latest || !latest->made_of(hosts, source.factor)) {
      latest = std::make_shared<const Ring>(std::move(hosts), source.factor, cache, ring.get());
    }
    ring = latest;
  }
  cache.trim(hosts_in_all);
  return tables;
}

std::shared_ptr<const Tables> tables_of(const std::map<std::string, Location>& home_by_type) {
  PointCache cache;
  TableSource source;
  source.version = 1;
  source.factor = 1;
  for (const auto& [type, home] : home_by_type) {
    source.hosts[type].push_back({.key = home.address, .location = home});
  }
  auto made = make_tables(std::move(source), nullptr, cache);
  OUT_ASSERT(made);
  return *std::move(made);
}

std::vector<std::string> changed_types(const Tables* before, const Tables& after) {
  std::vector<std::string> changed;
  for (const auto& [type, ring] : after.rings) {
    const Ring* old = nullptr;
    if (before != nullptr) {
      const auto found = before->rings.find(type);
      if (found != before->rings.end()) old = found->second.get();
    }
    if (old != ring.get()) changed.push_back(type);
  }
  if (before == nullptr) return changed;
  for (const auto& [type, ring] : before->rings) {
    if (!after.rings.contains(type)) changed.push_back(type);
  }
  std::ranges::sort(changed);
  return changed;
}

bool is_local(std::string_view address, std::string_view host, int port) {
  if (address == join_host_port(host, port)) return true;
  if (!is_this_machine(host)) return false;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return false;
  return address.substr(colon + 1) == std::to_string(port) &&
         is_this_machine(address.substr(0, colon));
}

std::string join_host_port(std::string_view host, int port) {
  std::string out;
  const bool brackets = host.contains(':');
  if (brackets) out += '[';
  out += host;
  if (brackets) out += ']';
  return out + ':' + std::to_string(port);
}

}  // namespace outrigger::runtime::placement
