#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "components/state/store.h"
#include "runtime/resiliency/policies.h"
#include "runtime/state/errors.h"
#include "runtime/state/open_store.h"
#include "runtime/state/outbox_hook.h"

namespace outrigger::runtime::state {

namespace stores = components::state;
using components::Properties;
using stores::Item;

/// Keys in requests and answers are the application's: prefixes are put on and taken off here.
struct Get {
  std::string store;
  stores::GetRequest request;
  Face face = Face::http;
};

struct BulkGet {
  std::string store;
  std::vector<std::string> keys;
  Properties metadata;
  /// Reads at a time; 0 or less: all.
  std::int64_t parallelism = 0;
  Face face = Face::http;
};

/// One write as a client asked for it. `refusal`: an option that no store takes; it becomes the
/// store's answer to this one write.
template <class Request>
struct Write {
  Request request;
  std::optional<Error> refusal;
};
using Save = Write<stores::SetRequest>;
using Remove = Write<stores::DeleteRequest>;

/// An operation that is neither "upsert" nor "delete".
struct UnknownOperation {
  std::string type;
  std::string key;
};
/// An operation that cannot be read; its error is the answer to the transaction.
struct MalformedOperation {
  Error error;
};
using TransactionStep = std::variant<Save, Remove, UnknownOperation, MalformedOperation>;

struct Transaction {
  std::string store;
  std::vector<TransactionStep> steps;
  Properties metadata;
  telemetry::TraceContext trace;
  Face face = Face::http;
};

struct Query {
  std::string store;
  std::string text;
  Properties metadata;
  Face face = Face::http;
};

/// The state API on one loop. Calls may overlap; all of them belong to the loop. Every error is as
/// clients of the face see it.
class Service {
 public:
  struct Settings {
    std::string app_id;
    /// nullptr: nothing is counted.
    const telemetry::ComponentMetrics* metrics = nullptr;
    /// Of this loop; nullptr: calls go straight to the stores.
    const resiliency::Policies* policies = nullptr;
  };
  explicit Service(Settings settings);
  ~Service();
  [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
  /// Before the first store is added. The hook must outlive this object.
  void set_outbox(OutboxHook& outbox) noexcept { outbox_ = &outbox; }

  /// Whether there is such a store; for faces that read their body later.
  [[nodiscard]] Result<> check(std::string_view store, Face face) const;
  /// The same, and whether it can do transactions.
  [[nodiscard]] Result<> check_transactional(std::string_view store, Face face) const;

  Task<Result<std::optional<Item>>> get(Get request);
  /// One answer for each key in the order of the keys, unless the store has another. An error of
  /// one key is in its answer, as plain text.
  Task<Result<std::vector<stores::BulkItem>>> bulk_get(BulkGet request);
  /// One write goes to the store alone, several in bulk. Nothing is written if a key is illegal.
  Task<Result<>> save(std::string store, std::vector<Save> writes, Face face);
  Task<Result<>> remove(std::string store, Remove write, Face face);
  /// The gRPC API's.
  Task<Result<>> bulk_remove(std::string store, std::vector<Remove> writes);
  Task<Result<>> transact(Transaction request);
  /// Answers without a result have nothing else either.
  Task<Result<stores::QueryAnswer>> query(Query request);

  /// For the outbox: keys as they are in the store. Not counted, not repeated; the store's errors.
  Task<Result<bool>> contains(std::string store, std::string stored_key);
  Task<Result<>> erase(std::string store, std::string stored_key);

  /// Puts it into use. Gives the one whose place it took, for the caller to close; or nullptr.
  std::shared_ptr<OpenStore> add(std::shared_ptr<OpenStore> store);
  /// Takes the store out of use and gives it, for the caller to close; nullptr if there is none.
  std::shared_ptr<OpenStore> take_out(std::string_view name);
  /// For other blocks (actors, workflows): the store itself, or nullptr. Hold a Use during calls.
  [[nodiscard]] std::shared_ptr<OpenStore> find(std::string_view name) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  /// `app_id`: whether HTTP clients are told it.
  [[nodiscard]] Result<std::shared_ptr<OpenStore>> open_store(std::string_view name, Face face,
                                                              bool tell_app_id = true) const;
  [[nodiscard]] resiliency::Policy policy_of(const OpenStore& store) const {
    return resiliency::component_policy(settings_.policies, store.name(),
                                        resiliency::ComponentKind::state,
                                        resiliency::Direction::outbound);
  }
  using Operation = telemetry::OperationMetrics OpenStore::Operations::*;
  /// What failed, as the store said it.
  template <class Request>
  Task<std::optional<Error>> write(std::shared_ptr<OpenStore> store,
                                   std::vector<Write<Request>> writes, Operation operation,
                                   Face face);

  Settings settings_;
  OutboxHook* outbox_ = nullptr;
  std::unordered_map<std::string, std::shared_ptr<OpenStore>, Hash, std::equal_to<>> stores_;
};

}  // namespace outrigger::runtime::state
