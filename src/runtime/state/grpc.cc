#include "runtime/state/grpc.h"

#include <google/protobuf/arena.h>

#include "dapr/proto/runtime/v1/dapr.pb.h"
#include "runtime/api/grpc_gate.h"
#include "runtime/state/json_error.h"
#include "runtime/state/json_value.h"
#include "runtime/state/service.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::state {
namespace {

namespace pb = dapr::proto::runtime::v1;
namespace common = dapr::proto::common::v1;
using net::grpc::Call;
using StringMap = google::protobuf::Map<std::string, std::string>;

/// A message on an arena that begins on the stack: most requests and replies need no other memory.
template <class Message>
class OnStack {
 public:
  OnStack() : arena_(options(block_)) {}
  Message& operator*() noexcept { return *message_; }
  Message* operator->() noexcept { return message_; }

  Result<> parse(std::string_view bytes) {
    if (bytes.size() <= INT_MAX &&
        message_->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return {};
    }
    return fail(Code::internal, "grpc: error unmarshalling request: malformed " +
                                    std::string(message_->GetTypeName()));
  }

 private:
  static google::protobuf::ArenaOptions options(char* block) {
    google::protobuf::ArenaOptions made;
    made.initial_block = block;
    made.initial_block_size = kBlockBytes;
    return made;
  }
  static constexpr std::size_t kBlockBytes = 1024;
  alignas(8) char block_[kBlockBytes];
  google::protobuf::Arena arena_;
  Message* message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
};

void take(StringMap& from, Properties& into) {
  for (auto& [key, value] : from) into.insert_or_assign(key, std::move(value));
}
void put(Properties& from, StringMap& into) {
  for (auto& [key, value] : from) into[key] = std::move(value);
}

stores::Consistency consistency_of(common::StateOptions::StateConsistency value) {
  switch (value) {
    case common::StateOptions::CONSISTENCY_EVENTUAL: return stores::Consistency::eventual;
    case common::StateOptions::CONSISTENCY_STRONG: return stores::Consistency::strong;
    default: return stores::Consistency::unspecified;
  }
}

stores::Concurrency concurrency_of(common::StateOptions::StateConcurrency value) {
  switch (value) {
    case common::StateOptions::CONCURRENCY_FIRST_WRITE: return stores::Concurrency::first_write;
    case common::StateOptions::CONCURRENCY_LAST_WRITE: return stores::Concurrency::last_write;
    default: return stores::Concurrency::unspecified;
  }
}

/// The fields that all kinds of writes have.
template <class Item, class Request>
void take_common(Item& item, Request& request) {
  request.key = std::move(*item.mutable_key());
  if (item.has_etag()) request.etag = std::move(*item.mutable_etag()->mutable_value());
  if (item.has_options()) {
    request.concurrency = concurrency_of(item.options().concurrency());
    request.consistency = consistency_of(item.options().consistency());
  }
  take(*item.mutable_metadata(), request.metadata);
}

Save take_save(common::StateItem& item) {
  Save save;
  save.request.value = std::move(*item.mutable_value());
  take_common(item, save.request);
  return save;
}

Remove take_remove(common::StateItem& item) {
  Remove remove;
  take_common(item, remove.request);
  return remove;
}

/// A value that is said to be JSON must be, and is stored as upstream stores JSON. `encrypted`: as
/// it is, bytes.
Result<> check_json(stores::SetRequest& request, bool encrypted) {
  const auto content_type = request.metadata.find("contentType");
  if (content_type == request.metadata.end() || content_type->second != "application/json") {
    return {};
  }
  if (auto wrong = json_syntax_error(request.value, JsonExtent::whole)) {
    return fail(Code::unknown, *std::move(wrong));
  }
  if (encrypted) return {};
  std::string value;
  std::string_view number;
  if (!append_value(value, request.value, number)) {
    return fail(Code::unknown, "json: cannot unmarshal number " + std::string(number) +
                                   " into Go value of type float64");
  }
  request.value = std::move(value);
  request.kind = stores::ValueKind::json;
  return {};
}

Result<Get> parse_get(std::string_view message) {
  OnStack<pb::GetStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  Get request;
  request.store = std::move(*parsed->mutable_store_name());
  request.request.key = std::move(*parsed->mutable_key());
  request.request.consistency = consistency_of(parsed->consistency());
  take(*parsed->mutable_metadata(), request.request.metadata);
  request.face = Face::grpc;
  return request;
}

std::string encode_item(Item item) {
  OnStack<pb::GetStateResponse> reply;
  *reply->mutable_data() = std::move(item.value);
  if (item.etag) *reply->mutable_etag() = *std::move(item.etag);
  if (!item.metadata.empty()) put(item.metadata, *reply->mutable_metadata());
  return reply->SerializeAsString();
}

void note_call(Call& call, std::string_view store) {
  telemetry::note_store_call(api::span_of(call), "state", store, call.path);
}

Task<Result<std::string>> get(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto request, parse_get(message));
  note_call(call, request.store);
  auto item = co_await service.get(std::move(request));
  if (!item) co_return std::unexpected(std::move(item).error());
  if (!*item) co_return std::string();
  co_return encode_item(**std::move(item));
}

struct SaveMessage {
  std::string store;
  std::vector<Save> writes;
};

/// The store and the keys are looked at before the values, as upstream.
Result<SaveMessage> parse_save(const Service& service, Call& call, std::string_view message) {
  OnStack<pb::SaveStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  note_call(call, parsed->store_name());
  OUT_CHECK(service.check(parsed->store_name(), Face::grpc));
  const bool encrypted = service.find(parsed->store_name())->encryption() != nullptr;
  SaveMessage read;
  read.store = std::move(*parsed->mutable_store_name());
  read.writes.reserve(static_cast<std::size_t>(parsed->states_size()));
  const StoreErrors errors(read.store, Face::grpc);
  for (common::StateItem& item : *parsed->mutable_states()) {
    Save save = take_save(item);
    if (save.request.key.empty()) return fail(errors.empty_key());
    if (!is_legal_key(save.request.key)) return fail(errors.illegal_key(save.request.key));
    OUT_CHECK(check_json(save.request, encrypted));
    read.writes.push_back(std::move(save));
  }
  return read;
}

Task<Result<std::string>> save(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto request, parse_save(service, call, message));
  auto saved =
      co_await service.save(std::move(request.store), std::move(request.writes), Face::grpc);
  if (!saved) co_return std::unexpected(std::move(saved).error());
  co_return std::string();
}

Result<std::pair<std::string, Remove>> parse_remove(std::string_view message) {
  OnStack<pb::DeleteStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  Remove remove;
  take_common(*parsed, remove.request);
  return std::pair(std::move(*parsed->mutable_store_name()), std::move(remove));
}

Task<Result<std::string>> remove(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto request, parse_remove(message));
  note_call(call, request.first);
  auto removed =
      co_await service.remove(std::move(request.first), std::move(request.second), Face::grpc);
  if (!removed) co_return std::unexpected(std::move(removed).error());
  co_return std::string();
}

Result<std::pair<std::string, std::vector<Remove>>> parse_bulk_remove(std::string_view message) {
  OnStack<pb::DeleteBulkStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  std::vector<Remove> removes;
  for (common::StateItem& item : *parsed->mutable_states()) removes.push_back(take_remove(item));
  return std::pair(std::move(*parsed->mutable_store_name()), std::move(removes));
}

Task<Result<std::string>> bulk_remove(Service& service, Call&, std::string message) {
  OUT_CO_TRY(auto request, parse_bulk_remove(message));
  auto removed = co_await service.bulk_remove(std::move(request.first), std::move(request.second));
  if (!removed) co_return std::unexpected(std::move(removed).error());
  co_return std::string();
}

Result<BulkGet> parse_bulk_get(std::string_view message) {
  OnStack<pb::GetBulkStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  BulkGet request;
  request.store = std::move(*parsed->mutable_store_name());
  for (std::string& key : *parsed->mutable_keys()) request.keys.push_back(std::move(key));
  request.parallelism = parsed->parallelism();
  take(*parsed->mutable_metadata(), request.metadata);
  request.face = Face::grpc;
  return request;
}

std::string encode_items(std::vector<stores::BulkItem> answers) {
  OnStack<pb::GetBulkStateResponse> reply;
  for (stores::BulkItem& answer : answers) {
    auto* one = reply->add_items();
    one->set_key(std::move(answer.key));
    if (!answer.item) {
      one->set_error(text_of(answer.item.error()));
    } else if (*answer.item) {
      Item& item = **answer.item;
      one->set_data(std::move(item.value));
      if (item.etag) one->set_etag(*std::move(item.etag));
      put(item.metadata, *one->mutable_metadata());
    }
  }
  return reply->SerializeAsString();
}

Task<Result<std::string>> bulk_get(Service& service, Call&, std::string message) {
  OUT_CO_TRY(auto request, parse_bulk_get(message));
  auto answers = co_await service.bulk_get(std::move(request));
  if (!answers) co_return std::unexpected(std::move(answers).error());
  co_return encode_items(*std::move(answers));
}

Result<Transaction> parse_transaction(std::string_view message) {
  OnStack<pb::ExecuteStateTransactionRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  Transaction request;
  request.store = std::move(*parsed->mutable_storename());
  for (pb::TransactionalStateOperation& operation : *parsed->mutable_operations()) {
    common::StateItem& item = *operation.mutable_request();
    if (operation.operationtype() == "upsert") {
      request.steps.emplace_back(take_save(item));
    } else if (operation.operationtype() == "delete") {
      request.steps.emplace_back(take_remove(item));
    } else {
      request.steps.emplace_back(UnknownOperation{std::move(*operation.mutable_operationtype()),
                                                  std::move(*item.mutable_key())});
    }
  }
  take(*parsed->mutable_metadata(), request.metadata);
  request.face = Face::grpc;
  return request;
}

Task<Result<std::string>> transact(Service& service, Call& call, std::string message) {
  OUT_CO_TRY(auto request, parse_transaction(message));
  request.trace = api::trace_of(call);
  auto done = co_await service.transact(std::move(request));
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return std::string();
}

Result<Query> parse_query(std::string_view message) {
  OnStack<pb::QueryStateRequest> parsed;
  OUT_CHECK(parsed.parse(message));
  Query request;
  request.store = std::move(*parsed->mutable_store_name());
  request.text = std::move(*parsed->mutable_query());
  take(*parsed->mutable_metadata(), request.metadata);
  return request;
}

std::string encode_answer(stores::QueryAnswer answer) {
  OnStack<pb::QueryStateResponse> reply;
  for (stores::QueryItem& item : answer.results) {
    auto* one = reply->add_results();
    one->set_key(std::move(item.key));
    one->set_data(std::move(item.value));
    if (item.etag) one->set_etag(*std::move(item.etag));
    one->set_error(std::move(item.error));
  }
  reply->set_token(std::move(answer.token));
  put(answer.metadata, *reply->mutable_metadata());
  return reply->SerializeAsString();
}

Task<Result<std::string>> query(Service& service, Call&, std::string message) {
  OUT_CO_TRY(auto request, parse_query(message));
  auto answer = co_await service.query(std::move(request));
  if (!answer) co_return std::unexpected(std::move(answer).error());
  co_return encode_answer(*std::move(answer));
}

}  // namespace

void add_grpc_methods(net::grpc::Service& server, Service& service) {
  const auto add = [&](std::string_view name, auto method) {
    server.unary("/dapr.proto.runtime.v1.Dapr/" + std::string(name),
                 [&service, method](Call& call, std::string message) {
                   return method(service, call, std::move(message));
                 });
  };
  add("GetState", &get);
  add("SaveState", &save);
  add("DeleteState", &remove);
  add("GetBulkState", &bulk_get);
  add("DeleteBulkState", &bulk_remove);
  add("ExecuteStateTransaction", &transact);
  add("QueryStateAlpha1", &query);
}

}  // namespace outrigger::runtime::state
