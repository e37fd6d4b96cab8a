#include "components/pubsub/redis_stream.h"

#include <limits>

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::components::pubsub::redis_stream {
namespace {

using redis::Command;
using redis::Reply;

std::unexpected<Error> unexpected_reply(std::string_view command) {
  return fail(Code::internal, "redis: unexpected reply to " + std::string(command));
}

Properties read_metadata(std::string_view text) {
  Properties metadata;
  json::ObjectReader members(text);
  while (members.next()) {
    auto value = json::string_value(members.value());
    if (value) metadata.insert_or_assign(std::string(members.key()), std::move(*value));
  }
  return metadata;
}

/// An entry is its id and a flat list of fields and values.
std::optional<Entry> read_entry(Reply& reply) {
  if (reply.items.size() != 2 || !reply.items[0].is_text() || !reply.items[1].is_list()) {
    return std::nullopt;
  }
  Entry entry{.id = std::move(reply.items[0].text)};
  auto& fields = reply.items[1].items;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    if (fields[i].text == "data") entry.data = std::move(fields[i + 1].text);
    if (fields[i].text == "metadata") entry.metadata = read_metadata(fields[i + 1].text);
  }
  return entry;
}

void read_entries(Reply& list, Entries& out) {
  for (auto& item : list.items) {
    if (auto entry = read_entry(item)) {
      out.entries.push_back(std::move(*entry));
    } else {
      out.some_gone = true;
    }
  }
}

}  // namespace

Command add(const PublishRequest& request, const Trim& trim, WallTime now) {
  std::vector<std::string_view> words = {"XADD", request.topic};
  std::string limit;
  if (trim.length > 0) {
    limit = std::to_string(trim.length);
    words.insert(words.end(), {"MAXLEN", "~", limit});
  } else if (trim.lifetime.count() > 0) {
    const auto oldest = std::chrono::floor<std::chrono::milliseconds>(now - trim.lifetime);
    limit = std::to_string(std::max<std::int64_t>(oldest.time_since_epoch().count(), 0)) + "-1";
    words.insert(words.end(), {"MINID", "~", limit});
  }
  words.insert(words.end(), {"*", "data", request.data});
  std::string metadata;
  if (!request.metadata.empty()) {
    json::Writer writer(metadata);
    writer.begin_object();
    for (const auto& [name, value] : request.metadata) writer.member(name, value);
    writer.end_object();
    words.insert(words.end(), {"metadata", metadata});
  }
  return Command::make(words, redis::key_slot(request.topic));
}

Command create(const Group& group) {
  return Command::keyed(group.stream,
                        {"XGROUP", "CREATE", group.stream, group.name, "0", "MKSTREAM"});
}

Command read_new(const Group& group, std::size_t count, std::chrono::milliseconds block) {
  const std::string most = std::to_string(count);
  const std::string wait = std::to_string(block.count());
  return Command::keyed(group.stream, {"XREADGROUP", "GROUP", group.name, group.consumer, "COUNT",
                                       most, "BLOCK", wait, "STREAMS", group.stream, ">"});
}

Command acknowledge(const Group& group, std::string_view id) {
  return Command::keyed(group.stream, {"XACK", group.stream, group.name, id});
}

Command list_pending(const Group& group, std::string_view from, std::size_t count) {
  const std::string most = std::to_string(count);
  return Command::keyed(group.stream, {"XPENDING", group.stream, group.name, from, "+", most});
}

Command claim(const Group& group, std::chrono::milliseconds idle,
              const std::vector<std::string>& ids) {
  const std::string least = std::to_string(idle.count());
  std::vector<std::string_view> words = {"XCLAIM", group.stream, group.name, group.consumer, least};
  words.insert(words.end(), ids.begin(), ids.end());
  return Command::make(words, redis::key_slot(group.stream));
}

Command look_up(const Group& group, std::string_view id) {
  return Command::keyed(group.stream, {"XRANGE", group.stream, id, id});
}

Result<Entries> entries_of_read(Reply reply) {
  Entries out;
  if (reply.is_null()) return out;
  if (!reply.is_list()) return unexpected_reply("XREADGROUP");
  if (reply.type == Reply::Type::map) {
    for (std::size_t i = 1; i < reply.items.size(); i += 2) read_entries(reply.items[i], out);
    return out;
  }
  for (auto& stream : reply.items) {
    if (stream.items.size() != 2) return unexpected_reply("XREADGROUP");
    read_entries(stream.items[1], out);
  }
  return out;
}

Result<Entries> entries_of_claim(Reply reply) {
  Entries out;
  if (reply.is_null()) {
    out.some_gone = true;
    return out;
  }
  if (!reply.is_list()) return unexpected_reply("XCLAIM");
  read_entries(reply, out);
  return out;
}

Result<std::vector<Pending>> pending_of(const Reply& reply) {
  std::vector<Pending> pending;
  if (reply.is_null()) return pending;
  if (!reply.is_list()) return unexpected_reply("XPENDING");
  for (const auto& item : reply.items) {
    if (item.items.size() < 3 || !item.items[0].is_text()) return unexpected_reply("XPENDING");
    const auto idle = item.items[2].as_integer();
    if (!idle) return unexpected_reply("XPENDING");
    pending.push_back({.id = item.items[0].text, .idle = std::chrono::milliseconds(*idle)});
  }
  return pending;
}

std::string id_after(std::string_view id) {
  const auto parts = cut(id, "-");
  if (!parts) return "-";
  const auto time = parse_int<std::uint64_t>(parts->first);
  const auto number = parse_int<std::uint64_t>(parts->second);
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  if (!time || !number || (*time == kMax && *number == kMax)) return "-";
  if (*number == kMax) return std::to_string(*time + 1) + "-0";
  return std::to_string(*time) + "-" + std::to_string(*number + 1);
}

}  // namespace outrigger::components::pubsub::redis_stream
