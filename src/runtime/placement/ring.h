#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "runtime/placement/service.h"

/// Which host an actor lives at: consistent hashing, equal to that of every other sidecar
/// (facts/wire_notes.md, section 6). Private to this folder.
namespace outrigger::runtime::placement {

/// One host of an actor type, as the tables say it.
struct RingHost {
  /// What its points on the ring are made of.
  std::string key;
  std::int64_t port = 0;
  Location location;

  /// Whether the two stand for the same.
  [[nodiscard]] bool same_as(const RingHost& other) const;
};

/// The points of hosts on the ring, kept between tables.
class PointCache {
 public:
  /// `factor` points of this host.
  const std::vector<std::uint64_t>& points(const std::string& key, std::int64_t factor);
  /// Starts anew when it holds many more hosts than these, most of which are gone then.
  void trim(std::size_t hosts);

 private:
  struct Entry {
    std::int64_t factor = 0;
    std::vector<std::uint64_t> points;
  };
  std::unordered_map<std::string, Entry> entries_;
};

/// The hosts of an actor type. Immutable.
class Ring {
 public:
  /// `hosts` sorted by key, without duplicates. `previous` (may be nullptr) makes it quicker where
  /// most of the hosts are the same.
  Ring(std::vector<RingHost> hosts, std::int64_t factor, PointCache& cache,
       const Ring* previous = nullptr);

  /// nullptr if there is no host.
  [[nodiscard]] const Location* find(std::string_view actor_id) const noexcept;
  /// Whether it gives every actor the same host as one made of these would.
  [[nodiscard]] bool made_of(const std::vector<RingHost>& hosts, std::int64_t factor) const;

 private:
  struct Point {
    std::uint64_t hash;
    std::uint32_t host;
    auto operator<=>(const Point&) const = default;
  };
  std::vector<Point> points_of_new_hosts(const Ring* previous, PointCache& cache) const;
  std::vector<Point> points_kept(const Ring* previous) const;

  std::vector<RingHost> hosts_;
  std::int64_t factor_;
  std::vector<Point> points_;
};

/// All rings, by actor type. Immutable once made; shared by all loops.
struct Tables {
  std::uint64_t version = 0;
  std::map<std::string, std::shared_ptr<const Ring>, std::less<>> rings;

  /// nullptr if nobody hosts the type.
  [[nodiscard]] const Location* find(std::string_view type, std::string_view id) const;
};

/// What tables are made of, by type; hosts in any order.
struct TableSource {
  std::uint64_t version = 0;
  std::int64_t factor = 0;
  std::map<std::string, std::vector<RingHost>, std::less<>> hosts;
};

/// The tables, with the rings of `previous` (may be nullptr) where nothing changed. An error for a
/// replication factor that no service uses, for its size would be ours to bear.
Result<std::shared_ptr<const Tables>> make_tables(TableSource source, const Tables* previous,
                                                  PointCache& cache);
/// The types whose actors may live elsewhere, those that came and those that went; sorted.
std::vector<std::string> changed_types(const Tables* before, const Tables& after);

/// Whether `address` ("host:port") is the sidecar at host and port; names of this machine count as
/// one.
bool is_local(std::string_view address, std::string_view host, int port);
/// "host:port", with brackets where the host has colons.
std::string join_host_port(std::string_view host, int port);

}  // namespace outrigger::runtime::placement
