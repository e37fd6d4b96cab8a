#include <algorithm>

#include "base/base64.h"
#include "base/json.h"
#include "base/strings.h"
#include "components/clients/redis/client.h"
#include "components/state/redis_query.h"
#include "components/state/redis_scripts.h"
#include "components/state/registry.h"

namespace outrigger::components::state {
namespace {

using redis::Command;
using redis::Reply;

// How long a write with strong consistency waits for the replicas.
constexpr int kReplicasMs = 1000;
// Beyond this EXPIRE would refuse the number, in milliseconds since 1970 a 64-bit integer.
constexpr std::int64_t kTtlSecondsMax = 9'000'000'000'000'000;
// Commands of one bulk call that are under way at once.
constexpr std::size_t kBulkMax = 1000;
// Keys that one SCAN looks at.
constexpr std::string_view kScanCount = "1000";

struct StoreOptions {
  std::optional<std::int64_t> ttl_seconds;
  std::string query_indexes;
};
constexpr Field<StoreOptions> kFields[] = {
    {{.name = "ttlInSeconds"}, &StoreOptions::ttl_seconds},
    {{.name = "queryIndexes"}, &StoreOptions::query_indexes},
};

bool wants_json(const Properties& metadata) {
  const auto found = metadata.find("contentType");
  return found != metadata.end() && found->second == "application/json";
}

/// What a write is on the server: the arguments of its script.
struct Write {
  std::string etag = "0";
  std::string value;
  std::string ttl;
  bool json = false;
};

Result<std::string> read_etag(const SetRequest& request) {
  if (request.concurrency == Concurrency::last_write || !request.has_etag()) return "0";
  const auto number = parse_int<std::int64_t>(*request.etag);
  if (!number) {
    return fail(
        etag_invalid("strconv.Atoi: parsing " + quoted(*request.etag) + ": invalid syntax"));
  }
  return std::to_string(*number);
}

Result<std::string> read_ttl(const Properties& metadata, std::optional<std::int64_t> by_default) {
  std::optional<std::int64_t> seconds = by_default;
  const auto found = metadata.find(kTtlInSeconds);
  if (found != metadata.end() && !found->second.empty()) {
    seconds = parse_int<std::int64_t>(found->second);
    if (!seconds || *seconds > kTtlSecondsMax) {
      return fail(Code::invalid_argument,
                  "failed to parse ttl from metadata: " + quoted(found->second) +
                      " is not a number of seconds");
    }
  }
  return seconds ? std::to_string(*seconds) : std::string();
}

/// The document `{"data":...}`: JSON as it is, other bytes as a string in base64.
std::string document(const SetRequest& request) {
  std::string text;
  json::Writer writer(text, json::Html::keep);
  writer.begin_object().key("data");
  if (json::is_valid(request.value)) {
    writer.raw(request.value);
  } else {
    writer.value(base64_encode(request.value));
  }
  writer.end_object();
  return text;
}

Error not_set(const SetRequest& request) {
  const std::string what = "failed to set key " + request.key;
  const bool conditional = request.has_etag() || request.concurrency == Concurrency::first_write;
  if (conditional) return etag_mismatch(what);
  // Written first-write before, so that a write without an ETag is no longer accepted.
  return Error(Code::internal, what +
                                   ": it was written with first-write concurrency and needs "
                                   "its etag");
}

Result<std::optional<Item>> read_hash(const Reply& reply) {
  if (!reply.is_list() || reply.items.empty()) return std::nullopt;
  const Reply* data = reply.find("data");
  const Reply* version = reply.find("version");
  if (data == nullptr || version == nullptr) {
    return fail(Code::internal, "required hash field 'data' or 'version' was not found");
  }
  return Item{.value = data->text, .etag = version->text};
}

Result<std::optional<Item>> read_document(const Reply& reply) {
  if (reply.is_null()) return std::nullopt;
  Item item;
  json::ObjectReader members(reply.text);
  item.value = "null";
  while (members.next()) {
    if (members.key() == "data") {
      item.value.clear();
      if (!json::append_compact(item.value, members.value())) break;
    } else if (members.key() == "version" && members.value() != "null") {
      item.etag = std::string(members.value());
    }
  }
  if (!members.ok()) return fail(Code::internal, "the document is not a JSON object");
  return item;
}

/// A pattern of SQL LIKE as a glob of Redis.
std::string glob_of(std::string_view like) {
  std::string glob;
  for (std::size_t i = 0; i < like.size(); ++i) {
    char c = like[i];
    const bool escaped = c == '\\';
    if (escaped && ++i < like.size()) c = like[i];
    if (!escaped && c == '%') {
      glob += '*';
    } else if (!escaped && c == '_') {
      glob += '?';
    } else {
      if (std::string_view("*?[]\\^-").contains(c)) glob += '\\';
      glob += c;
    }
  }
  return glob;
}

class RedisStore final : public Store,
                         private Transactional,
                         private KeysLister,
                         private Queriable {
 public:
  RedisStore(std::unique_ptr<redis::Client> client, StoreOptions options,
             redis_query::Schemas schemas)
      : client_(std::move(client)), options_(std::move(options)), schemas_(std::move(schemas)) {}

  Task<Result<>> init() override {
    auto opened = co_await client_->open();
    if (!opened) {
      co_return fail(std::move(opened).error().context(
          "redis store: error connecting to redis at " + client_->host()));
    }
    auto ready = co_await look_around();
    co_return ready;
  }

  Task<Result<std::optional<Item>>> get(GetRequest request) override {
    if (has_json_ && wants_json(request.metadata)) {
      auto command = Command::keyed(request.key, {"JSON.GET", request.key});
      OUT_CO_TRY(auto reply, co_await client_->run(std::move(command)));
      co_return read_document(reply);
    }
    auto command = Command::keyed(request.key, {"HGETALL", request.key});
    auto reply = co_await client_->call(std::move(command));
    if (reply && !reply->is_error()) co_return read_hash(*reply);
    if (!reply) co_return fail(std::move(reply).error());
    if (!reply->is_error("WRONGTYPE")) co_return fail(redis::error_of(*reply));
    // Very old versions wrote plain strings.
    auto older = Command::keyed(request.key, {"GET", request.key});
    OUT_CO_TRY(auto plain, co_await client_->run(std::move(older)));
    if (plain.is_null()) co_return std::nullopt;
    co_return Item{.value = std::move(plain.text)};
  }

  Task<Result<>> set(SetRequest request) override {
    OUT_CO_TRY(const auto write, prepare(request, false));
    const bool first = request.concurrency == Concurrency::first_write;
    const std::string_view words[] = {
        "1", request.key, write.etag, value_of(write, request), first ? "0" : "1", write.ttl};
    const auto& script = write.json ? redis_scripts::set_json : redis_scripts::set;
    auto command = Command::evaluate(script, words, redis::key_slot(request.key));
    if (first || write.etag != "0") command = std::move(command).once_only();
    Result<Reply> reply;
    if (request.consistency == Consistency::strong && replicas_ > 0) {
      reply = co_await client_->call_and_wait(std::move(command), replicas_, kReplicasMs);
    } else {
      reply = co_await client_->call(std::move(command));
    }
    if (!reply)
      co_return fail(std::move(reply).error().context("failed to set key " + request.key));
    if (reply->is_error()) {
      co_return fail(error_of(*reply).context("failed to set key " + request.key));
    }
    if (reply->is_null()) co_return fail(not_set(request));
    co_return Result<>();
  }

  Task<Result<>> remove(DeleteRequest request) override {
    const bool json = has_json_ && wants_json(request.metadata);
    const bool conditional = request.has_etag() && *request.etag != "0";
    Result<Reply> reply;
    if (!conditional) {
      auto command = Command::keyed(request.key, {"DEL", request.key});
      reply = co_await client_->call(std::move(command));
    } else {
      const std::string_view words[] = {"1", request.key, *request.etag};
      const auto& script = json ? redis_scripts::remove_json : redis_scripts::remove;
      auto command = Command::evaluate(script, words, redis::key_slot(request.key));
      reply = co_await client_->call(std::move(command));
    }
    if (!reply) co_return fail(std::move(reply).error().context("failed to delete " + request.key));
    if (reply->is_error()) {
      co_return fail(error_of(*reply).context("failed to delete " + request.key));
    }
    if (reply->is_null()) co_return fail(etag_mismatch("failed to delete " + request.key));
    co_return Result<>();
  }

  // Commands share a connection: there is nothing to be spared by doing few at a time.
  Task<Result<std::vector<BulkItem>>> bulk_get(std::vector<GetRequest> requests,
                                               BulkOptions) override {
    return Store::bulk_get(std::move(requests), {.parallelism = kBulkMax});
  }
  Task<Result<std::vector<BulkFailure>>> bulk_set(std::vector<SetRequest> requests,
                                                  BulkOptions) override {
    return Store::bulk_set(std::move(requests), {.parallelism = kBulkMax});
  }
  Task<Result<std::vector<BulkFailure>>> bulk_remove(std::vector<DeleteRequest> requests,
                                                     BulkOptions) override {
    return Store::bulk_remove(std::move(requests), {.parallelism = kBulkMax});
  }

  Task<Result<>> ping() override {
    auto done = co_await client_->ping();
    if (done) co_return done;
    co_return fail(std::move(done).error().context("redis store: error connecting to redis at " +
                                                   client_->host()));
  }

  Task<void> close() override { co_await client_->close(); }

  [[nodiscard]] Traits traits() const noexcept override { return {.etag = true, .ttl = true}; }
  Transactional* transactional() noexcept override { return this; }
  KeysLister* keys_lister() noexcept override { return this; }
  Queriable* queriable() noexcept override { return has_json_ ? this : nullptr; }

 private:
  /// What the server is and has, and the indexes that queries need.
  Task<Result<>> look_around() {
    auto replication = Command::keyless({"INFO", "replication"});
    OUT_CO_TRY(auto info, co_await client_->run(std::move(replication)));
    for (const auto line : split(info.text, '\n')) {
      constexpr std::string_view kReplicas = "connected_slaves:";
      if (line.starts_with(kReplicas)) {
        replicas_ = parse_int<int>(trim(line.substr(kReplicas.size()))).value_or(0);
      }
    }
    auto registered = co_await redis_query::create_indexes(client_.get(), &schemas_);
    if (!registered) {
      co_return fail(
          std::move(registered).error().context("redis store: error registering query schemas"));
    }
    OUT_CO_TRY(has_json_, co_await client_->has_json());
    co_return Result<>();
  }

  Result<Write> prepare(const SetRequest& request, bool transaction_is_json) const {
    Write write;
    OUT_TRY(write.etag, read_etag(request));
    OUT_TRY(write.ttl, read_ttl(request.metadata, options_.ttl_seconds));
    write.json = has_json_ && (transaction_is_json || wants_json(request.metadata));
    if (write.json) write.value = document(request);
    return write;
  }
  static std::string_view value_of(const Write& write, const SetRequest& request) noexcept {
    return write.json ? write.value : request.value;
  }

  Task<Result<>> multi(TransactionRequest request) override {
    if (request.operations.empty()) co_return Result<>();
    OUT_CO_TRY(auto command, transaction_of(request));
    OUT_CO_TRY(auto reply, co_await client_->run(std::move(command)));
    if (reply.integer == 0) co_return Result<>();
    const auto index = static_cast<std::size_t>(reply.integer - 1);
    const auto key = [](const auto& one) { return one.key; };
    const bool known = index < request.operations.size();
    co_return fail(etag_mismatch(
        "failed in key " + (known ? std::visit(key, request.operations[index]) : std::string())));
  }

  Result<Command> transaction_of(const TransactionRequest& request) const {
    const bool all_json = wants_json(request.metadata);
    std::vector<Write> writes;  // What `words` refers to.
    writes.reserve(request.operations.size());
    const std::string count = std::to_string(request.operations.size());
    std::vector<std::string_view> keys = {count};
    std::vector<std::string_view> words;
    bool conditional = false;
    for (const auto& operation : request.operations) {
      if (const auto* set = std::get_if<SetRequest>(&operation)) {
        OUT_TRY(auto write, prepare(*set, all_json));
        const Write& kept = writes.emplace_back(std::move(write));
        keys.push_back(set->key);
        words.insert(words.end(),
                     {kept.json ? "jset" : "set", kept.etag, value_of(kept, *set), kept.ttl});
        conditional = conditional || kept.etag != "0";
      } else {
        const auto& removal = std::get<DeleteRequest>(operation);
        const bool json = has_json_ && (all_json || wants_json(removal.metadata));
        std::string_view etag = "0";
        if (removal.has_etag()) etag = *removal.etag;
        keys.push_back(removal.key);
        words.insert(words.end(), {json ? "jdel" : "del", etag, "", ""});
        conditional = conditional || removal.has_etag();
      }
    }
    const auto slot = redis::key_slot(keys[1]);
    const auto elsewhere = [slot](std::string_view key) { return redis::key_slot(key) != slot; };
    if (client_->options().is_cluster() && std::any_of(keys.begin() + 1, keys.end(), elsewhere)) {
      return fail(Code::internal, "CROSSSLOT Keys in request don't hash to the same slot");
    }
    keys.insert(keys.end(), words.begin(), words.end());
    auto command = Command::evaluate(redis_scripts::transaction, keys, slot);
    if (conditional) command = std::move(command).once_only();
    return command;
  }

  Task<Result<KeysLikeAnswer>> keys_like(KeysLikeRequest request) override {
    if (request.pattern.empty()) co_return fail(empty_pattern());
    const std::string glob = glob_of(request.pattern);
    std::vector<std::string> keys;
    const auto owners = client_->owners();
    for (const auto& slot : owners) {
      auto scanned = co_await scan(slot, &glob, &keys);
      if (!scanned) co_return fail(std::move(scanned).error());
    }
    // SCAN may name a key twice.
    std::ranges::sort(keys);
    keys.erase(std::ranges::unique(keys).begin(), keys.end());
    std::size_t from = 0;
    if (request.continuation_token) {
      from = parse_int<std::size_t>(*request.continuation_token).value_or(0);
      from = std::min(from, keys.size());
    }
    std::size_t to = keys.size();
    if (request.page_size.value_or(0) > 0) to = std::min(to, from + *request.page_size);
    KeysLikeAnswer answer;
    if (to < keys.size()) answer.continuation_token = std::to_string(to);
    answer.keys.assign(std::make_move_iterator(keys.begin() + static_cast<std::ptrdiff_t>(from)),
                       std::make_move_iterator(keys.begin() + static_cast<std::ptrdiff_t>(to)));
    co_return answer;
  }

  Task<Result<>> scan(std::optional<std::uint16_t> slot, const std::string* glob,
                      std::vector<std::string>* keys) {
    std::string cursor = "0";
    do {
      const std::string_view words[] = {"SCAN", cursor, "MATCH", *glob, "COUNT", kScanCount};
      auto command = Command::make(words, slot);
      OUT_CO_TRY(auto reply, co_await client_->run(std::move(command)));
      if (reply.items.size() != 2 || !reply.items[0].is_text()) {
        co_return fail(Code::internal, "redis SCAN failed: unexpected SCAN response");
      }
      cursor = reply.items[0].text;
      for (auto& key : reply.items[1].items) keys->push_back(std::move(key.text));
    } while (cursor != "0");
    co_return Result<>();
  }

  Task<Result<QueryAnswer>> query(Query query, Properties metadata) override {
    OUT_CO_TRY(auto search, redis_query::make_search(query, metadata, schemas_));
    OUT_CO_TRY(auto reply, co_await client_->run(std::move(search.command)));
    co_return redis_query::read_answer(reply, search);
  }

  std::unique_ptr<redis::Client> client_;
  StoreOptions options_;
  redis_query::Schemas schemas_;
  int replicas_ = 0;
  bool has_json_ = false;
};

}  // namespace

Result<std::unique_ptr<Store>> make_redis(const Metadata& metadata, ComponentContext&) {
  OUT_TRY(auto options, redis::parse_options(metadata, redis::Block::state));
  OUT_TRY(auto own, parse_fields<StoreOptions>(metadata, kFields));
  OUT_TRY(auto schemas, redis_query::read_schemas(own.query_indexes));
  OUT_TRY(auto client, redis::Client::make(std::move(options)));
  return std::make_unique<RedisStore>(std::move(client), std::move(own), std::move(schemas));
}

std::vector<FieldInfo> redis_fields() {
  redis::Options defaults;
  std::vector<FieldInfo> fields;
  for (const auto& field : redis::client_fields()) {
    fields.push_back(detail::describe_field(field.rule, field.target(defaults)));
  }
  std::ranges::move(describe(kFields), std::back_inserter(fields));
  return fields;
}

}  // namespace outrigger::components::state
