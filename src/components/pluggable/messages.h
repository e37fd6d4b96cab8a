#pragma once

#include <string>
#include <string_view>

#include "components/metadata.h"
#include "components/pluggable/errors.h"
#include "net/grpc/channel.h"

/// Between protobuf messages and ours, for types of either that have the usual members.
namespace outrigger::components::pluggable {

template <class Map>
void copy_to(const Properties& from, Map* to) {
  for (const auto& [key, value] : from) (*to)[key] = value;
}

template <class Map>
Properties to_properties(const Map& from) {
  Properties to;
  for (const auto& [key, value] : from) to.insert_or_assign(key, value);
  return to;
}

template <class Message>
Result<Message> read_message(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) return fail(malformed_answer());
  return message;
}

/// The message of a reply that is OK, or what `to_error` makes of its status.
template <class Message>
Result<Message> read_reply(const Result<net::grpc::Reply>& reply,
                           Error (*to_error)(const net::grpc::Status& status)) {
  if (!reply) return fail(reply.error());
  if (!reply->status.ok()) return fail(to_error(reply->status));
  return read_message<Message>(reply->message);
}

}  // namespace outrigger::components::pluggable
