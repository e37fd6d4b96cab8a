#include "components/pubsub/sqlite_tables.h"

#include "base/strings.h"

// Layout. A message is one row of <prefix>messages, written once and never changed; AUTOINCREMENT
// makes ids grow in the order of commits and never come again. A group's cursor is the last message
// that it has begun with: what is behind is new to it. Between "begun with" and "done" a message
// has a row in <prefix>deliveries: `due` is when it may be given (again), which is the end of the
// lease while a consumer has it (`owner` is not 0), or the end of the delay after a failure. So a
// consumer that dies needs nobody to notice: what it held becomes due by itself. A message that all
// groups have behind them and that has no delivery left is deleted by the clean-up. Topics exist as
// long as they have groups, and what is published to others is not stored.

namespace outrigger::components::pubsub {
namespace {

using sqlite::Database;
using sqlite::Parameter;

constexpr std::string_view kBootKey = "boot";

Parameter or_null(const std::optional<std::int64_t>& number) {
  return number ? Parameter(*number) : Parameter(nullptr);
}
Parameter or_null(const std::optional<std::string>& text) {
  return text ? Parameter(std::string_view(*text)) : Parameter(nullptr);
}

}  // namespace

std::string pack_properties(const Properties& properties) {
  std::string out;
  for (const auto& [name, value] : properties) {
    for (const std::string_view text : {std::string_view(name), std::string_view(value)}) {
      out += std::to_string(text.size());
      out += ':';
      out += text;
    }
  }
  return out;
}

std::optional<Properties> unpack_properties(std::string_view text) {
  const auto next = [&text]() -> std::optional<std::string_view> {
    const auto pair = cut(text, ":");
    if (!pair) return std::nullopt;
    const auto size = parse_int<std::uint64_t>(pair->first);
    if (!size || *size > pair->second.size()) return std::nullopt;
    text = pair->second.substr(*size);
    return pair->second.substr(0, *size);
  };
  Properties properties;
  while (!text.empty()) {
    const auto name = next();
    const auto value = next();
    if (!name || !value) return std::nullopt;
    properties.emplace(*name, *value);
  }
  return properties;
}

SqliteTables::SqliteTables(const std::string& prefix)
    : prefix_(prefix), sql_(statements_for(prefix)) {}

sqlite::Migrations SqliteTables::migrations() const {
  const std::string& p = prefix_;
  // Large columns last, so that the others are read without them.
  return {.metadata_table = p + "metadata",
          .statements = {
              "CREATE TABLE " + p +
                  "topics (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE)",
              "CREATE TABLE " + p +
                  "groups (id INTEGER PRIMARY KEY AUTOINCREMENT, topic_id INTEGER NOT NULL, "
                  "name TEXT NOT NULL, cursor INTEGER NOT NULL, seen INTEGER NOT NULL, "
                  "UNIQUE (topic_id, name))",
              "CREATE TABLE " + p +
                  "messages (id INTEGER PRIMARY KEY AUTOINCREMENT, topic_id INTEGER NOT NULL, "
                  "published INTEGER NOT NULL, expires INTEGER, content_type TEXT, "
                  "metadata TEXT NOT NULL, data TEXT NOT NULL)",
              "CREATE INDEX " + p + "messages_topic ON " + p + "messages (topic_id)",
              "CREATE INDEX " + p + "messages_expires ON " + p +
                  "messages (expires) WHERE expires IS NOT NULL",
              "CREATE TABLE " + p +
                  "deliveries (group_id INTEGER NOT NULL, message_id INTEGER NOT NULL, "
                  "due INTEGER NOT NULL, owner INTEGER NOT NULL, "
                  "PRIMARY KEY (group_id, message_id)) WITHOUT ROWID",
              "CREATE INDEX " + p + "deliveries_due ON " + p + "deliveries (group_id, due)",
          }};
}

SqliteTables::Statements SqliteTables::statements_for(const std::string& p) {
  Statements sql;
  sql.insert = "INSERT INTO " + p +
               "messages (topic_id, published, expires, content_type, metadata, data) "
               "SELECT id, ?2, ?3, ?4, ?5, ?6 FROM " +
               p + "topics WHERE name = ?1";
  sql.add_topic = "INSERT INTO " + p + "topics (name) VALUES (?) ON CONFLICT DO NOTHING";
  sql.find_topic = "SELECT id FROM " + p + "topics WHERE name = ?";
  sql.add_group = "INSERT INTO " + p +
                  "groups (topic_id, name, cursor, seen) SELECT ?1, ?2, "
                  "coalesce((SELECT seq FROM sqlite_sequence WHERE name = '" +
                  p + "messages'), 0), ?3 WHERE true " +
                  "ON CONFLICT (topic_id, name) DO UPDATE SET seen = ?3";
  sql.find_group = "SELECT id FROM " + p + "groups WHERE topic_id = ? AND name = ?";

  const std::string one = " WHERE group_id = ?1 AND message_id = ?2";
  sql.finish = "DELETE FROM " + p + "deliveries" + one;
  sql.retry = "UPDATE " + p + "deliveries SET due = ?4, owner = 0" + one + " AND owner = ?3";
  sql.renew = "UPDATE " + p + "deliveries SET due = ?4" + one + " AND owner = ?3";
  sql.touch = "UPDATE " + p + "groups SET seen = ?2 WHERE id = ?1";
  sql.cursor = "SELECT cursor FROM " + p + "groups WHERE id = ?";
  sql.set_cursor = "UPDATE " + p + "groups SET cursor = ?2 WHERE id = ?1";
  sql.lease =
      "INSERT INTO " + p + "deliveries (group_id, message_id, owner, due) VALUES (?1, ?2, ?3, ?4)";
  sql.lease_again = "UPDATE " + p + "deliveries SET owner = ?3, due = ?4" + one;

  sql.take_new = "SELECT id, expires, content_type, metadata, data FROM " + p +
                 "messages WHERE topic_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
  sql.take_due = "SELECT d.message_id, m.expires, m.content_type, m.metadata, m.data, m.id FROM " +
                 p + "deliveries d LEFT JOIN " + p +
                 "messages m ON m.id = d.message_id WHERE d.group_id = ?1 AND d.due <= ?2 "
                 "ORDER BY d.due, d.message_id LIMIT ?3";
  sql.outstanding = "SELECT 1 FROM " + p + "deliveries WHERE group_id = ? AND due > ? LIMIT 1";
  sql.next_due = "SELECT min(due) FROM " + p + "deliveries WHERE group_id = ? AND due > ?";
  sql.any_new = "SELECT 1 FROM " + p +
                "messages WHERE topic_id = ?2 AND id > (SELECT cursor FROM " + p +
                "groups WHERE id = ?1) LIMIT 1";

  sql.boot = "SELECT value FROM " + p + "metadata WHERE key = ?";
  sql.set_boot = "REPLACE INTO " + p + "metadata (key, value) VALUES (?, ?)";
  sql.end_leases = "UPDATE " + p + "deliveries SET due = 0, owner = 0";
  add_cleaning(p, sql);
  return sql;
}

void SqliteTables::add_cleaning(const std::string& p, Statements& sql) {
  sql.clean_done = "DELETE FROM " + p + "messages WHERE id IN (SELECT m.id FROM " + p +
                   "topics t CROSS JOIN " + p +
                   "messages m ON m.topic_id = t.id WHERE m.id <= (SELECT min(g.cursor) FROM " + p +
                   "groups g WHERE g.topic_id = t.id) AND NOT EXISTS (SELECT 1 FROM " + p +
                   "groups g CROSS JOIN " + p +
                   "deliveries d ON d.group_id = g.id AND d.message_id = m.id "
                   "WHERE g.topic_id = t.id) LIMIT ?)";
  sql.clean_expired = "DELETE FROM " + p + "messages WHERE id IN (SELECT id FROM " + p +
                      "messages WHERE expires IS NOT NULL AND expires <= ? LIMIT ?)";
  // The oldest come first; looking no further than at `limit` of them keeps this quick.
  sql.clean_old = "DELETE FROM " + p +
                  "messages WHERE id IN (SELECT id FROM (SELECT id, published FROM " + p +
                  "messages ORDER BY id LIMIT ?2) WHERE published <= ?1)";
  sql.forget_deliveries = "DELETE FROM " + p + "deliveries WHERE group_id IN (SELECT id FROM " + p +
                          "groups WHERE seen <= ?)";
  sql.forget_groups = "DELETE FROM " + p + "groups WHERE seen <= ?";
  const std::string without_groups = "NOT IN (SELECT topic_id FROM " + p + "groups)";
  sql.forget_messages = "DELETE FROM " + p + "messages WHERE id IN (SELECT m.id FROM " + p +
                        "topics t CROSS JOIN " + p + "messages m ON m.topic_id = t.id WHERE t.id " +
                        without_groups + " LIMIT ?)";
  sql.forget_topics = "DELETE FROM " + p + "topics WHERE id " + without_groups +
                      " AND NOT EXISTS (SELECT 1 FROM " + p + "messages WHERE topic_id = " + p +
                      "topics.id)";
}

Result<> SqliteTables::note_boot(Database& database, std::string_view boot) const {
  OUT_TRY(const auto known, database.value(sql_.boot, {kBootKey}));
  if (known == boot) return {};
  OUT_CHECK(database.execute(sql_.end_leases));
  OUT_CHECK(database.execute(sql_.set_boot, {kBootKey, boot}));
  return {};
}

Result<bool> SqliteTables::insert(Database& database, const NewMessage& message) const {
  const std::string metadata = pack_properties(message.metadata);
  OUT_TRY(const auto rows,
          database.execute(sql_.insert, {message.topic, message.wall, or_null(message.expires),
                                         or_null(message.content_type), metadata, message.data}));
  return rows > 0;
}

Result<SqliteTables::Group> SqliteTables::join(Database& database, const std::string& topic,
                                               const std::string& name, std::int64_t wall) const {
  const auto id_of = [](const std::optional<std::string>& text) {
    return text ? parse_int<std::int64_t>(*text) : std::nullopt;
  };
  OUT_CHECK(database.execute(sql_.add_topic, {topic}));
  OUT_TRY(const auto topic_id, database.value(sql_.find_topic, {topic}));
  const auto topic_number = id_of(topic_id);
  if (!topic_number) return fail(Code::internal, "topic " + topic + " was not stored");
  OUT_CHECK(database.execute(sql_.add_group, {*topic_number, name, wall}));
  OUT_TRY(const auto group_id, database.value(sql_.find_group, {*topic_number, name}));
  const auto group_number = id_of(group_id);
  if (!group_number) return fail(Code::internal, "consumer group " + name + " was not stored");
  return Group{.id = *group_number, .topic_id = *topic_number};
}

Result<bool> SqliteTables::settle(Database& database, const Exchange& exchange,
                                  Exchanged& out) const {
  const std::int64_t group = exchange.group.id;
  for (const auto id : exchange.done) {
    OUT_CHECK(database.execute(sql_.finish, {group, id}));
  }
  for (const auto id : exchange.failed) {
    OUT_CHECK(database.execute(sql_.retry, {group, id, exchange.owner, exchange.retry_at}));
  }
  for (const auto id : exchange.released) {
    OUT_CHECK(database.execute(sql_.retry, {group, id, exchange.owner, std::int64_t{0}}));
  }
  for (const auto id : exchange.renewed) {
    OUT_TRY(const auto rows,
            database.execute(sql_.renew, {group, id, exchange.owner, exchange.lease_until}));
    if (rows == 0) out.lost.push_back(id);
  }
  if (exchange.touch) {
    OUT_CHECK(database.execute(sql_.touch, {group, exchange.wall}));
  }
  if (!exchange.strict || exchange.wanted == 0) return true;
  OUT_TRY(const auto other, database.value(sql_.outstanding, {group, exchange.now}));
  return !other.has_value();
}

Result<> SqliteTables::take_due(Database& database, const Exchange& exchange,
                                Exchanged& out) const {
  const std::int64_t group = exchange.group.id;
  const auto wanted = static_cast<std::int64_t>(exchange.wanted);
  std::vector<std::int64_t> useless;
  {
    OUT_TRY(auto rows, database.query(sql_.take_due, {group, exchange.now, wanted}));
    std::size_t bytes = 0;
    while (bytes < exchange.bytes_max) {
      OUT_TRY(const bool found, rows.next());
      if (!found) break;
      const std::int64_t id = rows.integer(0);
      const bool expired = !rows.is_null(1) && rows.integer(1) <= exchange.wall;
      if (expired || rows.is_null(5)) {
        useless.push_back(id);
        continue;
      }
      Taken taken{
          .id = id, .data = std::string(rows.text(4)), .metadata = std::string(rows.text(3))};
      if (!rows.is_null(2)) taken.content_type = std::string(rows.text(2));
      bytes += taken.data.size();
      out.taken.push_back(std::move(taken));
    }
  }
  out.more = out.taken.size() + useless.size() > 0;
  for (const auto id : useless) {
    OUT_CHECK(database.execute(sql_.finish, {group, id}));
  }
  for (const auto& taken : out.taken) {
    OUT_CHECK(database.execute(sql_.lease_again,
                               {group, taken.id, exchange.owner, exchange.lease_until}));
  }
  return {};
}

Result<> SqliteTables::take_new(Database& database, const Exchange& exchange, std::int64_t cursor,
                                Exchanged& out) const {
  const std::int64_t group = exchange.group.id;
  const auto wanted = static_cast<std::int64_t>(exchange.wanted - out.taken.size());
  std::size_t bytes = 0;
  for (const auto& taken : out.taken) bytes += taken.data.size();
  std::int64_t seen = 0;
  std::int64_t last = cursor;
  {
    OUT_TRY(auto rows, database.query(sql_.take_new, {exchange.group.topic_id, cursor, wanted}));
    while (bytes < exchange.bytes_max) {
      OUT_TRY(const bool found, rows.next());
      if (!found) break;
      ++seen;
      last = rows.integer(0);
      if (!rows.is_null(1) && rows.integer(1) <= exchange.wall) continue;
      Taken taken{
          .id = last, .data = std::string(rows.text(4)), .metadata = std::string(rows.text(3))};
      if (!rows.is_null(2)) taken.content_type = std::string(rows.text(2));
      bytes += taken.data.size();
      OUT_CHECK(database.execute(sql_.lease, {group, last, exchange.owner, exchange.lease_until}));
      out.taken.push_back(std::move(taken));
    }
  }
  if (last != cursor) {
    OUT_CHECK(database.execute(sql_.set_cursor, {group, last}));
  }
  out.more = out.more || seen == wanted || bytes >= exchange.bytes_max;
  return {};
}

Result<SqliteTables::Exchanged> SqliteTables::exchange(Database& database,
                                                       const Exchange& exchange) const {
  Exchanged out;
  OUT_TRY(const auto cursor_text, database.value(sql_.cursor, {exchange.group.id}));
  const auto cursor = cursor_text ? parse_int<std::int64_t>(*cursor_text) : std::nullopt;
  if (!cursor) {
    out.gone = true;
    return out;
  }
  OUT_TRY(const bool may_take, settle(database, exchange, out));
  if (may_take && exchange.wanted > 0) {
    OUT_CHECK(take_due(database, exchange, out));
    if (out.taken.size() < exchange.wanted) {
      OUT_CHECK(take_new(database, exchange, *cursor, out));
    }
  }
  std::ranges::sort(out.taken, {}, &Taken::id);
  // If others must be done first, what is due already is none the earlier for it.
  const std::int64_t after = may_take ? INT64_MIN : exchange.now;
  OUT_TRY(const auto due, database.value(sql_.next_due, {exchange.group.id, after}));
  if (due) out.due = parse_int<std::int64_t>(*due);
  return out;
}

Result<SqliteTables::Outlook> SqliteTables::look(Database& database, const Group& group,
                                                 std::int64_t now) const {
  Outlook outlook;
  OUT_TRY(const auto due, database.value(sql_.next_due, {group.id, INT64_MIN}));
  if (due) outlook.due = parse_int<std::int64_t>(*due);
  OUT_TRY(const auto fresh, database.value(sql_.any_new, {group.id, group.topic_id}));
  outlook.ready = fresh.has_value() || (outlook.due && *outlook.due <= now);
  return outlook;
}

Result<bool> SqliteTables::clean(Database& database, const Cleaning& cleaning) const {
  bool more = false;
  const auto count = [&](const Result<std::int64_t>& rows) {
    more = more || (rows && *rows >= cleaning.limit);
    return rows ? Result<>() : Result<>(std::unexpected(rows.error()));
  };
  OUT_CHECK(count(database.execute(sql_.clean_done, {cleaning.limit})));
  OUT_CHECK(count(database.execute(sql_.clean_expired, {cleaning.wall, cleaning.limit})));
  if (cleaning.retention_ms == 0) return more;
  const std::int64_t oldest = cleaning.wall - cleaning.retention_ms;
  OUT_CHECK(count(database.execute(sql_.clean_old, {oldest, cleaning.limit})));
  OUT_CHECK(database.execute(sql_.forget_deliveries, {oldest}));
  OUT_CHECK(database.execute(sql_.forget_groups, {oldest}));
  OUT_CHECK(count(database.execute(sql_.forget_messages, {cleaning.limit})));
  OUT_CHECK(database.execute(sql_.forget_topics));
  return more;
}

}  // namespace outrigger::components::pubsub
