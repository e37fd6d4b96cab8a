#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// etcd's v3 data model and requests, as plain values.
namespace outrigger::components::etcd {

struct KeyValue {
  std::string key;
  std::string value;
  /// Of the store, when the key came to be and when it was last changed.
  std::int64_t create_revision = 0;
  std::int64_t mod_revision = 0;
  /// How often it was put since it came to be.
  std::int64_t version = 0;
  /// 0: bound to none.
  std::int64_t lease = 0;
};

/// The end of the range of all keys that begin with `prefix`; for an empty prefix that of all keys.
[[nodiscard]] std::string prefix_end(std::string_view prefix);

/// Reads keys, in the order of their bytes.
struct Range {
  std::string key;
  /// Exclusive; empty: `key` alone.
  std::string end;
  /// 0: none. RangeReply::more tells that it has cut the answer.
  std::int64_t limit = 0;
  /// 0: the newest.
  std::int64_t revision = 0;
  bool keys_only = false;
  bool count_only = false;
};

struct RangeReply {
  std::vector<KeyValue> items;
  std::int64_t count = 0;  ///< Of all keys in the range.
  bool more = false;
  std::int64_t revision = 0;  ///< Of the store.
};

struct Put {
  std::string key;
  std::string value;
  std::int64_t lease = 0;
};

struct Remove {
  std::string key;
  std::string end;  ///< As Range::end.
};

/// A condition of a transaction on one key; a key that is absent has version and revisions 0.
struct Compare {
  enum class Target : std::uint8_t { version, create_revision, mod_revision, value, lease };
  enum class Relation : std::uint8_t { equal, greater, less, not_equal };
  std::string key;
  Target target = Target::mod_revision;
  Relation relation = Relation::equal;
  std::int64_t number = 0;
  std::string value;  ///< With Target::value.
};

using Operation = std::variant<Range, Put, Remove>;

/// Does `success` if all comparisons hold, else `failure`, as one step.
struct Txn {
  std::vector<Compare> compare;
  std::vector<Operation> success;
  std::vector<Operation> failure;
};

/// What one operation of a transaction gave: what was read, or how many keys were removed.
struct OperationReply {
  RangeReply range;
  std::int64_t removed = 0;
};

struct TxnReply {
  bool succeeded = false;
  std::int64_t revision = 0;
  /// One for each operation of the branch that was done.
  std::vector<OperationReply> replies;
};

struct Event {
  enum class Kind : std::uint8_t { put, removed };
  Kind kind = Kind::put;
  /// Of a removed key only the key and its mod_revision.
  KeyValue item;
};

struct Events {
  std::vector<Event> events;
  /// Of the store: what has happened until then is known.
  std::int64_t revision = 0;
};

}  // namespace outrigger::components::etcd
