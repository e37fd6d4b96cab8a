#include "runtime/pubsub/outbox_event.h"

#include <map>

#include "base/json.h"

namespace outrigger::pubsub {
namespace {

using Members = std::map<std::string, std::string, std::less<>>;

Result<Members> members_of(std::string_view event) {
  Members members;
  const bool object = json::for_each_member(event, [&](auto name, auto value) {
    members.insert_or_assign(std::string(name), std::string(value));
  });
  if (!object) return fail(Code::invalid_argument, "the event is not a JSON object");
  return members;
}

std::string text_of(const Members& members) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [name, value] : members) writer.raw_member(name, value);
  writer.end_object();
  return out;
}

std::string text_member(const Members& members, std::string_view name) {
  const auto found = members.find(name);
  if (found == members.end()) return {};
  return json::string_value(found->second).value_or("");
}

struct Payload {
  std::string data;
  std::string content_type;
};

Payload payload_of(const components::state::SetRequest& request) {
  using components::state::ValueKind;
  Payload payload;
  payload.data = request.value;
  if (request.content_type) {
    payload.content_type = *request.content_type;
  } else if (const auto found = request.metadata.find("contentType");
             found != request.metadata.end()) {
    payload.content_type = found->second;
  }
  if (request.kind != ValueKind::json || is_json_content_type(payload.content_type)) {
    return payload;
  }
  const json::Type type = json::type_of(payload.data);
  if (type == json::Type::string) {
    payload.data = json::string_value(payload.data).value_or(payload.data);
  } else if (payload.content_type.empty() &&
             (type == json::Type::object || type == json::Type::array)) {
    payload.content_type = "application/json";
  }
  return payload;
}

}  // namespace

Result<std::string> make_outbox_event(const OutboxEvent& event,
                                      const components::state::SetRequest& item,
                                      const components::state::SetRequest& source) {
  const Payload payload = payload_of(source);
  // A value that calls itself a CloudEvent is data all the same: the event is ours.
  const bool is_event = is_cloud_event_content_type(payload.content_type);
  Publication publication;
  publication.id = event.id;
  publication.source = event.source;
  publication.pubsub_name = event.pubsub_name;
  publication.content_type = is_event ? std::string_view() : payload.content_type;
  publication.data = payload.data;
  publication.trace_parent = event.trace_parent;
  publication.trace_state = event.trace_state;
  publication.time = wall_now();
  OUT_TRY(auto text, make_envelope(publication));
  if (item.metadata.empty() && !is_event) return text;
  OUT_TRY(auto members, members_of(text));
  if (is_event) members["datacontenttype"] = json::quote(payload.content_type);
  for (const auto& [name, value] : item.metadata) {
    if (name != "data" && name != "id") members.insert_or_assign(name, json::quote(value));
  }
  return text_of(members);
}

Result<OutboxMessage> readdress(std::string_view internal, std::string_view pubsub_name,
                                std::string_view topic) {
  OUT_TRY(auto members, members_of(internal));
  members["topic"] = json::quote(topic);
  members["pubsubname"] = json::quote(pubsub_name);
  OutboxMessage message;
  message.id = text_member(members, "id");
  message.content_type = text_member(members, "datacontenttype");
  message.data = text_of(members);
  return message;
}

}  // namespace outrigger::pubsub
