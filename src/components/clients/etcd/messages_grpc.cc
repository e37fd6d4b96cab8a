#include "components/clients/etcd/messages.h"
#include "etcd/rpc.pb.h"

namespace outrigger::components::etcd {
namespace {

namespace pb = etcdserverpb;

template <class Message>
Result<Message> parse(std::string_view bytes) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return fail(Code::internal, "etcd: an answer that is not a " + message.GetTypeName());
}

void fill(pb::RangeRequest& out, const Range& request) {
  out.set_key(request.key);
  out.set_range_end(request.end);
  out.set_limit(request.limit);
  out.set_revision(request.revision);
  out.set_keys_only(request.keys_only);
  out.set_count_only(request.count_only);
}

void fill(pb::PutRequest& out, const Put& request) {
  out.set_key(request.key);
  out.set_value(request.value);
  out.set_lease(request.lease);
}

void fill(pb::DeleteRangeRequest& out, const Remove& request) {
  out.set_key(request.key);
  out.set_range_end(request.end);
}

void fill(pb::RequestOp& out, const Operation& operation) {
  if (const auto* range = std::get_if<Range>(&operation))
    fill(*out.mutable_request_range(), *range);
  if (const auto* put = std::get_if<Put>(&operation)) fill(*out.mutable_request_put(), *put);
  if (const auto* remove = std::get_if<Remove>(&operation)) {
    fill(*out.mutable_request_delete_range(), *remove);
  }
}

void fill(pb::Compare& out, const Compare& compare) {
  out.set_key(compare.key);
  switch (compare.relation) {
    case Compare::Relation::equal: out.set_result(pb::Compare::EQUAL); break;
    case Compare::Relation::greater: out.set_result(pb::Compare::GREATER); break;
    case Compare::Relation::less: out.set_result(pb::Compare::LESS); break;
    case Compare::Relation::not_equal: out.set_result(pb::Compare::NOT_EQUAL); break;
  }
  switch (compare.target) {
    case Compare::Target::version:
      out.set_target(pb::Compare::VERSION);
      out.set_version(compare.number);
      break;
    case Compare::Target::create_revision:
      out.set_target(pb::Compare::CREATE);
      out.set_create_revision(compare.number);
      break;
    case Compare::Target::mod_revision:
      out.set_target(pb::Compare::MOD);
      out.set_mod_revision(compare.number);
      break;
    case Compare::Target::value:
      out.set_target(pb::Compare::VALUE);
      out.set_value(compare.value);
      break;
    case Compare::Target::lease:
      out.set_target(pb::Compare::LEASE);
      out.set_lease(compare.number);
      break;
  }
}

KeyValue take(mvccpb::KeyValue& from) {
  KeyValue item;
  item.key = std::move(*from.mutable_key());
  item.value = std::move(*from.mutable_value());
  item.create_revision = from.create_revision();
  item.mod_revision = from.mod_revision();
  item.version = from.version();
  item.lease = from.lease();
  return item;
}

RangeReply take(pb::RangeResponse& from) {
  RangeReply reply;
  reply.items.reserve(static_cast<std::size_t>(from.kvs_size()));
  for (mvccpb::KeyValue& item : *from.mutable_kvs()) reply.items.push_back(take(item));
  reply.count = from.count();
  reply.more = from.more();
  reply.revision = from.header().revision();
  return reply;
}

}  // namespace

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      ++end.back();
      return end;
    }
    end.pop_back();
  }
  return std::string(1, '\0');
}

std::string encode(const Range& request) {
  pb::RangeRequest message;
  fill(message, request);
  return message.SerializeAsString();
}

std::string encode(const Put& request) {
  pb::PutRequest message;
  fill(message, request);
  return message.SerializeAsString();
}

std::string encode(const Remove& request) {
  pb::DeleteRangeRequest message;
  fill(message, request);
  return message.SerializeAsString();
}

std::string encode(const Txn& request) {
  pb::TxnRequest message;
  for (const Compare& compare : request.compare) fill(*message.add_compare(), compare);
  for (const Operation& operation : request.success) fill(*message.add_success(), operation);
  for (const Operation& operation : request.failure) fill(*message.add_failure(), operation);
  return message.SerializeAsString();
}

Result<RangeReply> decode_range(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::RangeResponse>(bytes));
  return take(message);
}

Result<std::int64_t> decode_put(std::string_view bytes) {
  OUT_TRY(const auto message, parse<pb::PutResponse>(bytes));
  return message.header().revision();
}

Result<std::int64_t> decode_remove(std::string_view bytes) {
  OUT_TRY(const auto message, parse<pb::DeleteRangeResponse>(bytes));
  return message.deleted();
}

Result<TxnReply> decode_txn(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::TxnResponse>(bytes));
  TxnReply reply;
  reply.succeeded = message.succeeded();
  reply.revision = message.header().revision();
  for (pb::ResponseOp& one : *message.mutable_responses()) {
    OperationReply& out = reply.replies.emplace_back();
    if (one.has_response_range()) out.range = take(*one.mutable_response_range());
    if (one.has_response_delete_range()) out.removed = one.response_delete_range().deleted();
  }
  return reply;
}

std::string encode_grant(std::int64_t seconds) {
  pb::LeaseGrantRequest message;
  message.set_ttl(seconds);
  return message.SerializeAsString();
}

Result<std::int64_t> decode_grant(std::string_view bytes) {
  OUT_TRY(const auto message, parse<pb::LeaseGrantResponse>(bytes));
  if (!message.error().empty()) return fail(Code::unknown, "etcd: " + message.error());
  return message.id();
}

std::string encode_renew(std::int64_t lease) {
  pb::LeaseKeepAliveRequest message;
  message.set_id(lease);
  return message.SerializeAsString();
}

Result<std::int64_t> decode_renew(std::string_view bytes) {
  OUT_TRY(const auto message, parse<pb::LeaseKeepAliveResponse>(bytes));
  return message.ttl();
}

std::string encode_revoke(std::int64_t lease) {
  pb::LeaseRevokeRequest message;
  message.set_id(lease);
  return message.SerializeAsString();
}

std::string encode_authenticate(std::string_view username, std::string_view password) {
  pb::AuthenticateRequest message;
  message.set_name(std::string(username));
  message.set_password(std::string(password));
  return message.SerializeAsString();
}

Result<std::string> decode_authenticate(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::AuthenticateResponse>(bytes));
  return std::move(*message.mutable_token());
}

std::string encode_watch(std::string_view key, std::string_view end, std::int64_t revision) {
  pb::WatchRequest message;
  pb::WatchCreateRequest& create = *message.mutable_create_request();
  create.set_key(std::string(key));
  create.set_range_end(std::string(end));
  create.set_start_revision(revision);
  create.set_fragment(true);
  // So that a quiet watch learns the store's revision, and is not begun anew behind a compaction.
  create.set_progress_notify(true);
  return message.SerializeAsString();
}

Result<WatchNews> decode_watch(std::string_view bytes) {
  OUT_TRY(auto message, parse<pb::WatchResponse>(bytes));
  WatchNews news;
  news.events.revision = message.header().revision();
  for (mvccpb::Event& event : *message.mutable_events()) {
    const bool removed = event.type() == mvccpb::Event::DELETE;
    news.events.events.push_back(
        {removed ? Event::Kind::removed : Event::Kind::put, take(*event.mutable_kv())});
  }
  news.created = message.created();
  news.fragment = message.fragment();
  news.canceled = message.canceled();
  news.compact_revision = message.compact_revision();
  news.reason = message.cancel_reason();
  return news;
}

}  // namespace outrigger::components::etcd
