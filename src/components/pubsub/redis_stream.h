#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/time_format.h"
#include "components/clients/redis/command.h"
#include "components/clients/redis/reply.h"
#include "components/pubsub/broker.h"

/// The commands and replies of Redis streams, without I/O. An entry has the fields `data` and
/// `metadata` (a JSON object of strings), as upstream writes them.
namespace outrigger::components::pubsub::redis_stream {

struct Trim {
  std::int64_t length = 0;               ///< About so many entries are kept; 0: all.
  std::chrono::nanoseconds lifetime{0};  ///< Older ones are dropped; 0: none. Not with `length`.
};
[[nodiscard]] redis::Command add(const PublishRequest& request, const Trim& trim, WallTime now);

/// A stream, a group of consumers of it, and the name under which this program consumes.
struct Group {
  std::string stream;
  std::string name;
  std::string consumer;
};
[[nodiscard]] redis::Command create(const Group& group);
[[nodiscard]] redis::Command read_new(const Group& group, std::size_t count,
                                      std::chrono::milliseconds block);
[[nodiscard]] redis::Command acknowledge(const Group& group, std::string_view id);
/// What was given to consumers and not acknowledged, from entry `from` on ("-": the first).
[[nodiscard]] redis::Command list_pending(const Group& group, std::string_view from,
                                          std::size_t count);
[[nodiscard]] redis::Command claim(const Group& group, std::chrono::milliseconds idle,
                                   const std::vector<std::string>& ids);
/// Whether the stream has the entry.
[[nodiscard]] redis::Command look_up(const Group& group, std::string_view id);

struct Entry {
  std::string id;
  std::string data;
  Properties metadata;
};
struct Entries {
  std::vector<Entry> entries;
  /// Some are gone from the stream although they were asked for (Redis before 7.0).
  bool some_gone = false;
};
/// The entries in the reply of a read ("no message" has none) or of a claim.
[[nodiscard]] Result<Entries> entries_of_read(redis::Reply reply);
[[nodiscard]] Result<Entries> entries_of_claim(redis::Reply reply);

struct Pending {
  std::string id;
  std::chrono::milliseconds idle{0};
};
[[nodiscard]] Result<std::vector<Pending>> pending_of(const redis::Reply& reply);
/// The smallest id that is greater: "1-5" after "1-4". "-" if it is no id.
[[nodiscard]] std::string id_after(std::string_view id);

}  // namespace outrigger::components::pubsub::redis_stream
