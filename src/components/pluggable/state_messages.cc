#include "components/pluggable/state_messages.h"

#include "base/json.h"
#include "components/pluggable/messages.h"
#include "dapr/proto/components/v1/state.pb.h"

namespace outrigger::components::pluggable {
namespace {

namespace proto = dapr::proto::components::v1;

proto::StateOptions::StateConsistency to_proto(state::Consistency consistency) {
  switch (consistency) {
    case state::Consistency::eventual: return proto::StateOptions::CONSISTENCY_EVENTUAL;
    case state::Consistency::strong: return proto::StateOptions::CONSISTENCY_STRONG;
    case state::Consistency::unspecified: break;
  }
  return proto::StateOptions::CONSISTENCY_UNSPECIFIED;
}

proto::StateOptions::StateConcurrency to_proto(state::Concurrency concurrency) {
  switch (concurrency) {
    case state::Concurrency::first_write: return proto::StateOptions::CONCURRENCY_FIRST_WRITE;
    case state::Concurrency::last_write: return proto::StateOptions::CONCURRENCY_LAST_WRITE;
    case state::Concurrency::unspecified: break;
  }
  return proto::StateOptions::CONCURRENCY_UNSPECIFIED;
}

void fill(const state::GetRequest& request, proto::GetRequest* out) {
  out->set_key(request.key);
  out->set_consistency(to_proto(request.consistency));
  copy_to(request.metadata, out->mutable_metadata());
}

// What writes and deletions have in common.
template <class Request, class Message>
void fill_write(const Request& request, Message* out) {
  out->set_key(request.key);
  if (request.etag) out->mutable_etag()->set_value(*request.etag);
  copy_to(request.metadata, out->mutable_metadata());
  out->mutable_options()->set_concurrency(to_proto(request.concurrency));
  out->mutable_options()->set_consistency(to_proto(request.consistency));
}
void fill(const state::SetRequest& request, proto::SetRequest* out) {
  fill_write(request, out);
  out->set_value(request.value);
  if (request.content_type) out->set_content_type(*request.content_type);
}
void fill(const state::DeleteRequest& request, proto::DeleteRequest* out) {
  fill_write(request, out);
}

template <class Message, class Request>
std::string one(const Request& request) {
  Message message;
  fill(request, &message);
  return message.SerializeAsString();
}

template <class Message, class Request>
std::string many(const std::vector<Request>& requests, const state::BulkOptions& options) {
  Message message;
  for (const Request& request : requests) fill(request, message.add_items());
  message.mutable_options()->set_parallelism(static_cast<std::int64_t>(options.parallelism));
  return message.SerializeAsString();
}

std::optional<std::string> if_not_empty(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

template <class Message>
std::optional<std::string> etag_of(const Message& message) {
  if (!message.has_etag()) return std::nullopt;
  return message.etag().value();
}

template <class Message>
state::Item to_item(const Message& message) {
  return {.value = message.data(),
          .etag = etag_of(message),
          .metadata = to_properties(message.metadata()),
          .content_type = if_not_empty(message.content_type())};
}

// The wire has no word for "there is none"; upstream takes empty data for it.
template <class Message>
std::optional<state::Item> to_optional_item(const Message& message) {
  if (message.data().empty() && !message.has_etag()) return std::nullopt;
  return to_item(message);
}

void write_literal(json::Writer& out, const state::Literal& literal) {
  struct Visitor {
    json::Writer& out;
    void operator()(std::monostate) const { out.null(); }
    void operator()(bool truth) const { out.value(truth); }
    void operator()(double number) const { out.value(number); }
    void operator()(const std::string& text) const { out.value(text); }
    void operator()(const state::JsonText& json) const { out.raw(json.text); }
  };
  std::visit(Visitor{out}, literal);
}

std::string_view name_of(state::Filter::Kind kind) noexcept {
  using Kind = state::Filter::Kind;
  switch (kind) {
    case Kind::eq: return "EQ";
    case Kind::neq: return "NEQ";
    case Kind::gt: return "GT";
    case Kind::gte: return "GTE";
    case Kind::lt: return "LT";
    case Kind::lte: return "LTE";
    case Kind::in: return "IN";
    case Kind::all_of: return "AND";
    case Kind::any_of: return "OR";
  }
  return "EQ";
}

// No deeper than state::kFilterDepthMax.
void write_operand(json::Writer& out, const state::Filter& filter) {
  using Kind = state::Filter::Kind;
  if (filter.kind == Kind::all_of || filter.kind == Kind::any_of) {
    out.begin_array();
    for (const state::Filter& child : filter.children) {
      out.begin_object().key(name_of(child.kind));
      write_operand(out, child);
      out.end_object();
    }
    out.end_array();
    return;
  }
  out.begin_object().key(filter.key);
  if (filter.kind == Kind::in) {
    out.begin_array();
    for (const state::Literal& literal : filter.values) write_literal(out, literal);
    out.end_array();
  } else if (filter.values.empty()) {
    out.null();
  } else {
    write_literal(out, filter.values.front());
  }
  out.end_object();
}

}  // namespace

std::string to_message(const state::GetRequest& request) { return one<proto::GetRequest>(request); }
std::string to_message(const state::SetRequest& request) { return one<proto::SetRequest>(request); }
std::string to_message(const state::DeleteRequest& request) {
  return one<proto::DeleteRequest>(request);
}
std::string to_message(const std::vector<state::GetRequest>& requests,
                       const state::BulkOptions& options) {
  return many<proto::BulkGetRequest>(requests, options);
}
std::string to_message(const std::vector<state::SetRequest>& requests,
                       const state::BulkOptions& options) {
  return many<proto::BulkSetRequest>(requests, options);
}
std::string to_message(const std::vector<state::DeleteRequest>& requests,
                       const state::BulkOptions& options) {
  return many<proto::BulkDeleteRequest>(requests, options);
}

std::string to_message(const state::TransactionRequest& request) {
  proto::TransactionalStateRequest message;
  copy_to(request.metadata, message.mutable_metadata());
  for (const state::Operation& operation : request.operations) {
    auto* const out = message.add_operations();
    if (const auto* set = std::get_if<state::SetRequest>(&operation)) {
      fill(*set, out->mutable_set());
    } else {
      fill(std::get<state::DeleteRequest>(operation), out->mutable_delete_());
    }
  }
  return message.SerializeAsString();
}

std::string operand_json(const state::Filter& filter) {
  std::string text;
  json::Writer out(text);
  write_operand(out, filter);
  return text;
}

std::string to_message(const state::Query& query, const Properties& metadata) {
  proto::QueryRequest message;
  copy_to(metadata, message.mutable_metadata());
  auto* const out = message.mutable_query();
  for (const state::Filter& filter : query.filter) {
    (*out->mutable_filter())[std::string(name_of(filter.kind))].set_value(operand_json(filter));
  }
  for (const state::Query::Sorting& sorting : query.sort) {
    auto* const each = out->add_sort();
    each->set_key(sorting.key);
    each->set_order(sorting.order == "DESC" ? proto::Sorting::DESC : proto::Sorting::ASC);
  }
  out->mutable_pagination()->set_limit(query.limit);
  out->mutable_pagination()->set_token(query.token);
  return message.SerializeAsString();
}

Result<std::optional<state::Item>> read_item(const std::string& message) {
  OUT_TRY(const auto answer, read_message<proto::GetResponse>(message));
  return to_optional_item(answer);
}

Result<std::vector<state::BulkItem>> read_items(const std::string& message) {
  OUT_TRY(const auto answer, read_message<proto::BulkGetResponse>(message));
  std::vector<state::BulkItem> items;
  items.reserve(static_cast<std::size_t>(answer.items_size()));
  for (const auto& item : answer.items()) {
    if (item.error().empty()) {
      items.push_back({item.key(), to_optional_item(item)});
    } else {
      items.push_back({item.key(), fail(Code::internal, item.error())});
    }
  }
  return items;
}

Result<state::QueryAnswer> read_query_answer(const std::string& message) {
  OUT_TRY(const auto response, read_message<proto::QueryResponse>(message));
  state::QueryAnswer answer;
  answer.token = response.token();
  answer.metadata = to_properties(response.metadata());
  for (const auto& item : response.items()) {
    answer.results.push_back({.key = item.key(),
                              .value = item.data(),
                              .etag = etag_of(item),
                              .error = item.error(),
                              .content_type = if_not_empty(item.content_type())});
  }
  return answer;
}

Result<std::int64_t> read_multi_max_size(const std::string& message) {
  OUT_TRY(const auto answer, read_message<proto::MultiMaxSizeResponse>(message));
  return answer.max_size();
}

}  // namespace outrigger::components::pluggable
