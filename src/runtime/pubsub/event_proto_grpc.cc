#include <google/protobuf/struct.pb.h>

#include "base/json.h"
#include "base/log.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "runtime/pubsub/event_proto.h"

namespace outrigger::pubsub {
namespace {

namespace rt = ::dapr::proto::runtime::v1;

const Logger log("dapr.runtime.processor.pubsub.subscription.grpc");

// Each level is three nested messages; readers of protobuf give up at some depth, and so do we.
constexpr int kDepthMax = 1000;

bool set_value(google::protobuf::Value& out, std::string_view raw, int depth);

bool set_struct(google::protobuf::Struct& out, std::string_view raw, int depth) {
  json::ObjectReader members(raw);
  while (members.next()) {
    if (!set_value((*out.mutable_fields())[std::string(members.key())], members.value(), depth)) {
      return false;
    }
  }
  return members.ok();
}

bool set_value(google::protobuf::Value& out, std::string_view raw, int depth) {
  if (depth > kDepthMax) return false;
  switch (json::type_of(raw)) {
    case json::Type::null: out.set_null_value(google::protobuf::NULL_VALUE); return true;
    case json::Type::boolean:
      out.set_bool_value(json::bool_value(raw).value_or(false));
      return true;
    case json::Type::number: out.set_number_value(json::double_value(raw).value_or(0)); return true;
    case json::Type::string: {
      auto text = json::string_value(raw);
      if (!text) return false;
      out.set_string_value(*std::move(text));
      return true;
    }
    case json::Type::array: {
      json::ArrayReader elements(raw);
      auto& list = *out.mutable_list_value();
      while (elements.next()) {
        if (!set_value(*list.add_values(), elements.value(), depth + 1)) return false;
      }
      return elements.ok();
    }
    case json::Type::object: return set_struct(*out.mutable_struct_value(), raw, depth + 1);
    case json::Type::invalid: break;
  }
  return false;
}

// A field `data` of other types than text and JSON is not for gRPC applications: upstream sends
// them nothing then, and they may rely on it.
bool has_payload(const CloudEvent& event) {
  const auto encoded = event.raw("data_base64");
  if ((encoded && *encoded != "null") || !event.raw("data")) return true;
  const std::string type = event.text("datacontenttype");
  return is_text_content_type(type) || is_json_content_type(type) ||
         is_cloud_event_content_type(type);
}

template <class Message>
Result<> fill_event(Message& message, const CloudEvent& event) {
  message.set_id(event.text("id"));
  message.set_source(event.text("source"));
  message.set_type(event.text("type"));
  message.set_spec_version(event.text("specversion"));
  message.set_data_content_type(event.text("datacontenttype"));
  if (has_payload(event)) {
    OUT_TRY(auto data, event.data());
    message.set_data(std::move(data));
  }
  auto& extensions = *message.mutable_extensions()->mutable_fields();
  for (const CloudEvent::Field* field : event.extensions()) {
    if (!set_value(extensions[field->name], field->json, 0)) {
      return fail(Code::invalid_argument,
                  "error processing internal cloud event data: unable to unmarshal cloudEvent "
                  "extensions to proto struct");
    }
  }
  return {};
}

}  // namespace

Result<> fill(rt::TopicEventRequest& message, const Delivery& delivery) {
  message.set_topic(std::string(delivery.topic));
  message.set_pubsub_name(std::string(delivery.pubsub_name));
  message.set_path(std::string(delivery.path));
  return fill_event(message, delivery.event);
}

Result<> fill(rt::TopicEventCERequest& message, const CloudEvent& event) {
  return fill_event(message, event);
}

Answer answer_of(int status, std::string_view id) {
  const std::string event(id);
  switch (status) {
    case rt::TopicEventResponse::SUCCESS: return {};
    case rt::TopicEventResponse::DROP:
      log.warn("DROP status returned from app while processing pub/sub event ", event);
      return {Answer::Outcome::drop, "success", {}};
    case rt::TopicEventResponse::RETRY:
      return Answer::retry(Error(
          Code::unknown, "RETRY status returned from app while processing pub/sub event " + event));
    default: break;
  }
  return Answer::retry(
      Error(Code::unknown, "unknown status returned from app while processing pub/sub event " +
                               event + ", status: " + std::to_string(status)));
}

}  // namespace outrigger::pubsub
