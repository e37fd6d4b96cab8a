#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/task.h"
#include "components/metadata.h"

/// State stores: key/value stores behind the state API and the actors.
namespace outrigger::components::state {

enum class Concurrency : std::uint8_t { unspecified, first_write, last_write };
enum class Consistency : std::uint8_t { unspecified, eventual, strong };

/// From "first-write", "last-write" or "". Other texts are Code::invalid_argument with upstream's
/// message.
[[nodiscard]] Result<Concurrency> parse_concurrency(std::string_view text);
/// From "strong", "eventual" or "". The same.
[[nodiscard]] Result<Consistency> parse_consistency(std::string_view text);

/// What the bytes of a value are. Stores that keep JSON apart from bytes (SQL columns, documents)
/// must know: upstream keeps a value that came as JSON as JSON, and one that came as bytes as
/// bytes.
enum class ValueKind : std::uint8_t { bytes, json };

struct GetRequest {
  std::string key;
  Consistency consistency = Consistency::unspecified;
  Properties metadata;
};

struct SetRequest {
  std::string key;
  std::string value;
  ValueKind kind = ValueKind::bytes;
  /// Write only if the stored ETag is this. An empty text is the same as none.
  std::optional<std::string> etag;
  Concurrency concurrency = Concurrency::unspecified;
  Consistency consistency = Consistency::unspecified;
  Properties metadata;
  std::optional<std::string> content_type;

  [[nodiscard]] bool has_etag() const noexcept { return etag && !etag->empty(); }
};

struct DeleteRequest {
  std::string key;
  std::optional<std::string> etag;
  Concurrency concurrency = Concurrency::unspecified;
  Consistency consistency = Consistency::unspecified;
  Properties metadata;

  [[nodiscard]] bool has_etag() const noexcept { return etag && !etag->empty(); }
};

struct Item {
  std::string value;
  std::optional<std::string> etag;
  /// Has kTtlExpireTime if the item expires.
  Properties metadata;
  std::optional<std::string> content_type;
};

/// Key of Item::metadata: when the item expires, RFC 3339 in UTC.
inline constexpr std::string_view kTtlExpireTime = "ttlExpireTime";
/// Key of SetRequest::metadata: the time to live.
inline constexpr std::string_view kTtlInSeconds = "ttlInSeconds";

/// One answer of a bulk get: the item, or nullopt if there is none, or why it could not be read.
struct BulkItem {
  std::string key;
  Result<std::optional<Item>> item;
};
/// One request of a bulk write that failed; the others were done.
struct BulkFailure {
  std::string key;
  Error error;
};
struct BulkOptions {
  /// How many requests run at once; 0: as many as is good. There are never more than a thousand. A
  /// store with a bulk call of its own may ignore it.
  std::size_t parallelism = 0;
};

using Operation = std::variant<SetRequest, DeleteRequest>;
struct TransactionRequest {
  std::vector<Operation> operations;
  Properties metadata;
};

/// The errors of a conditional write. Code::aborted: the ETag given is not the stored one, or the
/// item is there already and first-write was asked for. Code::invalid_argument with
/// kInvalidEtagTag: the text can be no ETag of this store. `detail` may be empty. For these two the
/// state API has statuses of its own (409 and 400); every other error of a store is 500 to it, but
/// one with details, which says itself what it is.
inline constexpr std::string_view kInvalidEtagTag = "ETAG_INVALID";
[[nodiscard]] Error etag_mismatch(std::string_view detail = {});
[[nodiscard]] Error etag_invalid(std::string_view detail = {});
[[nodiscard]] inline bool is_etag_mismatch(const Error& error) noexcept {
  return error.code() == Code::aborted && error.details() == nullptr;
}
[[nodiscard]] inline bool is_etag_invalid(const Error& error) noexcept {
  return error.code() == Code::invalid_argument && error.tag() == kInvalidEtagTag;
}
[[nodiscard]] inline bool is_etag_error(const Error& error) noexcept {
  return is_etag_mismatch(error) || is_etag_invalid(error);
}

/// `ttlInSeconds` of a request as most stores read it: -1 (never expires) or more, at most 2^31-1;
/// nullopt if absent or empty.
[[nodiscard]] Result<std::optional<std::int64_t>> parse_ttl(const Properties& metadata);
/// What Go says of a text that is not a whole number: `strconv.Atoi: parsing "x": invalid syntax`.
[[nodiscard]] std::string go_number_error(std::string_view function, std::string_view text);

/// Several writes as one: all or none is done.
class Transactional {
 public:
  /// An ETag that does not match fails the whole with etag_mismatch().
  virtual Task<Result<>> multi(TransactionRequest request) = 0;
  /// For stores that must be asked for their limit: called before operations_max().
  virtual Task<void> learn_limit() { co_return; }
  /// The most operations of one call; nullopt: no limit.
  [[nodiscard]] virtual std::optional<std::size_t> operations_max() const noexcept {
    return std::nullopt;
  }

 protected:
  ~Transactional() = default;
};

struct Query;  // components/state/query.h
struct QueryItem {
  std::string key;
  std::string value;
  std::optional<std::string> etag;
  std::string error;
  std::optional<std::string> content_type;
};
struct QueryAnswer {
  std::vector<QueryItem> results;
  std::string token;
  Properties metadata;
};
/// The query API (alpha).
class Queriable {
 public:
  virtual Task<Result<QueryAnswer>> query(Query query, Properties metadata) = 0;

 protected:
  ~Queriable() = default;
};

/// Removes what actors leave behind.
class PrefixDeleter {
 public:
  /// Deletes the keys that are `prefix` and one more part without "||" in it, and answers how many.
  /// `prefix` ends in "||" (normalise it with delete_prefix()).
  virtual Task<Result<std::int64_t>> delete_with_prefix(std::string prefix) = 0;

 protected:
  ~PrefixDeleter() = default;
};
/// The prefix with "||" at its end; Code::invalid_argument if nothing else is left of it.
[[nodiscard]] Result<std::string> delete_prefix(std::string prefix);

struct KeysLikeRequest {
  /// SQL LIKE: % and _, escaped by a backslash. Must not be empty.
  std::string pattern;
  /// Where the page before this one ended, as its answer said.
  std::optional<std::string> continuation_token;
  std::optional<std::uint32_t> page_size;
};
struct KeysLikeAnswer {
  std::vector<std::string> keys;
  /// Set if a page_size was given and there may be more.
  std::optional<std::string> continuation_token;
};
/// Finds keys by a pattern, in an order that paging can rely on.
class KeysLister {
 public:
  virtual Task<Result<KeysLikeAnswer>> keys_like(KeysLikeRequest request) = 0;

 protected:
  ~KeysLister() = default;
};
/// The error of an empty pattern.
[[nodiscard]] Error empty_pattern();

/// A key/value store. One object per configured component and loop (components/component.h).
/// Calls may overlap; the owner starts none after close().
class Store {
 public:
  virtual ~Store() = default;
  virtual Task<Result<>> init() = 0;
  /// The item, or nullopt if there is none (or it has expired): that is not an error.
  virtual Task<Result<std::optional<Item>>> get(GetRequest request) = 0;
  /// Done means durable as far as the store can be asked for it.
  virtual Task<Result<>> set(SetRequest request) = 0;
  /// Deleting what is not there is not an error, unless an ETag was given.
  virtual Task<Result<>> remove(DeleteRequest request) = 0;
  /// One answer for each request, in no particular order. By default get()s, many at once.
  virtual Task<Result<std::vector<BulkItem>>> bulk_get(std::vector<GetRequest> requests,
                                                       BulkOptions options);
  /// The requests that failed. An error: the call failed as a whole and may be repeated as a whole.
  /// By default set()s, many at once.
  virtual Task<Result<std::vector<BulkFailure>>> bulk_set(std::vector<SetRequest> requests,
                                                          BulkOptions options);
  virtual Task<Result<std::vector<BulkFailure>>> bulk_remove(std::vector<DeleteRequest> requests,
                                                             BulkOptions options);
  /// Whether the store can be reached.
  virtual Task<Result<>> ping();
  virtual Task<void> close() = 0;

  /// Abilities that have no call of their own. Valid after init().
  struct Traits {
    bool etag = false;
    bool ttl = false;
    bool partition_key = false;
  };
  [[nodiscard]] virtual Traits traits() const noexcept = 0;
  /// Abilities: `this` in a store that has them. Valid after init().
  virtual Transactional* transactional() noexcept { return nullptr; }
  virtual Queriable* queriable() noexcept { return nullptr; }
  virtual PrefixDeleter* prefix_deleter() noexcept { return nullptr; }
  virtual KeysLister* keys_lister() noexcept { return nullptr; }
};

/// The store's abilities in upstream's words: "ETAG", "TRANSACTIONAL", "TTL", ... (To a store with
/// the first two the runtime adds "ACTOR".)
[[nodiscard]] std::vector<std::string> features(Store& store);

}  // namespace outrigger::components::state
