#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "components/clients/sqlite/database.h"
#include "components/clients/sqlite/migrations.h"
#include "components/metadata.h"

namespace outrigger::components::pubsub {

/// The tables of pubsub.sqlite and what is done with them. Every function runs inside a transaction
/// of its caller's, and may be run again if that was undone. Times are milliseconds: `now`, `due`
/// and leases on the monotonic clock of the machine, which all its processes share; `wall` since
/// 1970.
class SqliteTables {
 public:
  /// `prefix` must be empty or fit into an identifier.
  explicit SqliteTables(const std::string& prefix);

  /// How the tables come to be.
  [[nodiscard]] sqlite::Migrations migrations() const;
  /// Ends all leases and delays if the machine was started anew since the last call, for its
  /// monotonic clock was too and its processes are no more. `boot` names the run of the machine.
  Result<> note_boot(sqlite::Database& database, std::string_view boot) const;

  struct NewMessage {
    std::string topic;
    std::string data;
    Properties metadata;
    std::optional<std::string> content_type;
    std::int64_t wall = 0;
    /// When it may be forgotten; nullopt: when the retention time is over.
    std::optional<std::int64_t> expires;
  };
  /// False: nothing was stored, for the topic has no group that would get it.
  Result<bool> insert(sqlite::Database& database, const NewMessage& message) const;

  struct Group {
    std::int64_t id = 0;
    std::int64_t topic_id = 0;
  };
  /// The group of that name, which gets all messages from the moment it was joined first.
  Result<Group> join(sqlite::Database& database, const std::string& topic, const std::string& name,
                     std::int64_t wall) const;

  /// What one consumer tells and asks, all at once.
  struct Exchange {
    Group group;
    std::int64_t owner = 0;  ///< Names the consumer; not 0.
    std::int64_t now = 0;
    std::int64_t wall = 0;
    std::vector<std::int64_t> done;      ///< Need not be given again.
    std::vector<std::int64_t> failed;    ///< To be given again from `retry_at` on.
    std::vector<std::int64_t> released;  ///< To be given again at once.
    std::vector<std::int64_t> renewed;   ///< Still being handled.
    std::int64_t retry_at = 0;
    std::int64_t lease_until = 0;
    std::size_t wanted = 0;  ///< How many more it can take.
    std::size_t bytes_max = 0;
    bool strict = false;  ///< Takes none while any that was taken before is not done.
    bool touch = false;   ///< Notes that the group is in use.
  };
  struct Taken {
    std::int64_t id = 0;
    std::string data;
    std::string metadata;  ///< As stored: unpack_properties().
    std::optional<std::string> content_type;
  };
  struct Exchanged {
    std::vector<Taken> taken;         ///< Leased until `lease_until`, in order.
    std::vector<std::int64_t> lost;   ///< Of `renewed`: these were given to others meanwhile.
    bool more = false;                ///< There may be more to take right now.
    std::optional<std::int64_t> due;  ///< When the next one can be taken, if no other comes.
    bool gone = false;                ///< The group was forgotten: join again.
  };
  Result<Exchanged> exchange(sqlite::Database& database, const Exchange& exchange) const;

  struct Outlook {
    bool ready = false;
    std::optional<std::int64_t> due;
  };
  /// Whether an exchange would find anything; reads only.
  Result<Outlook> look(sqlite::Database& database, const Group& group, std::int64_t now) const;

  struct Cleaning {
    std::int64_t wall = 0;
    std::int64_t retention_ms = 0;  ///< 0: for ever.
    std::int64_t limit = 0;         ///< Rows to delete of each kind.
  };
  /// Deletes messages that every group is done with, that are expired or older than the retention
  /// time, and groups that nobody has used for as long. True if there may be more.
  Result<bool> clean(sqlite::Database& database, const Cleaning& cleaning) const;

 private:
  /// Made once, for the database keeps what it prepared by the text.
  struct Statements {
    std::string insert;
    std::string add_topic, find_topic, add_group, find_group;
    std::string finish, retry, renew, touch, cursor, set_cursor, lease, lease_again;
    std::string take_new, take_due, outstanding, next_due, any_new;
    std::string clean_done, clean_expired, clean_old;
    std::string forget_deliveries, forget_groups, forget_messages, forget_topics;
    std::string boot, set_boot, end_leases;
  };
  static Statements statements_for(const std::string& prefix);
  static void add_cleaning(const std::string& prefix, Statements& sql);

  Result<bool> settle(sqlite::Database& database, const Exchange& exchange, Exchanged& out) const;
  Result<> take_due(sqlite::Database& database, const Exchange& exchange, Exchanged& out) const;
  Result<> take_new(sqlite::Database& database, const Exchange& exchange, std::int64_t cursor,
                    Exchanged& out) const;

  std::string prefix_;
  Statements sql_;
};

/// Properties as one text, "4:name5:value" each, whatever bytes are in them.
[[nodiscard]] std::string pack_properties(const Properties& properties);
/// The other way round; nullopt if the text is not of that form.
[[nodiscard]] std::optional<Properties> unpack_properties(std::string_view text);

}  // namespace outrigger::components::pubsub
