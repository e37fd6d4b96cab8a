#include "runtime/pubsub/errors.h"

namespace outrigger::pubsub {
namespace {

using Properties = components::Properties;

struct Kind {
  Code code;
  int http_status;
  std::string_view tag;
  std::string_view reason;
};

constexpr Kind kNotFound{Code::invalid_argument, 404, "ERR_PUBSUB_NOT_FOUND",
                         "DAPR_PUBSUB_NOT_FOUND"};
constexpr Kind kNameEmpty{Code::invalid_argument, 404, "ERR_PUBSUB_EMPTY",
                          "DAPR_PUBSUB_NAME_EMPTY"};
constexpr Kind kTopicEmpty{Code::invalid_argument, 404, "ERR_TOPIC_NAME_EMPTY",
                           "DAPR_PUBSUB_TOPIC_NAME_EMPTY"};
constexpr Kind kMetadata{Code::invalid_argument, 400, "ERR_PUBSUB_REQUEST_METADATA",
                         "DAPR_PUBSUB_METADATA_DESERIALIZATION"};
constexpr Kind kEnvelope{Code::invalid_argument, 500, "ERR_PUBSUB_CLOUD_EVENTS_SER",
                         "DAPR_PUBSUB_CLOUD_EVENT_CREATION"};
constexpr Kind kEvent{Code::invalid_argument, 400, "ERR_PUBSUB_EVENTS_SER",
                      "DAPR_PUBSUB_MARSHAL_ENVELOPE"};
constexpr Kind kEntries{Code::invalid_argument, 400, "ERR_PUBSUB_EVENTS_SER",
                        "DAPR_PUBSUB_MARSHAL_EVENTS"};
constexpr Kind kUnreadable{Code::invalid_argument, 400, "ERR_PUBSUB_EVENTS_SER",
                           "DAPR_PUBSUB_UNMARSHAL_EVENTS"};
constexpr Kind kForbidden{Code::permission_denied, 403, "ERR_PUBSUB_FORBIDDEN",
                          "DAPR_PUBSUB_FORBIDDEN"};
constexpr Kind kGone{Code::not_found, 400, "ERR_PUBSUB_NOT_FOUND", "DAPR_PUBSUB_TEST_NOT_FOUND"};
constexpr Kind kNotPublished{Code::internal, 500, "ERR_PUBSUB_PUBLISH_MESSAGE",
                             "DAPR_PUBSUB_PUBLISH_MESSAGE"};

std::string text(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) out += part;
  return out;
}

std::map<std::string, std::string> plain(const Properties& metadata) {
  return {metadata.begin(), metadata.end()};
}

std::map<std::string, std::string> of_app(std::string_view app_id, std::string_view why) {
  return {{"appID", std::string(app_id)}, {"error", std::string(why)}};
}

std::map<std::string, std::string> of_topic(std::string_view topic, std::string_view why) {
  return {{"topic", std::string(topic)}, {"error", std::string(why)}};
}

// `pubsub` empty: the error names no resource.
Error make(const Kind& kind, std::string message, std::map<std::string, std::string> metadata,
           std::optional<std::string_view> pubsub) {
  ErrorDetails details;
  details.reason = kind.reason;
  details.metadata = std::move(metadata);
  if (pubsub) details.resources.push_back({"pubsub", std::string(*pubsub), "", message});
  return Error(kind.code, kind.tag, std::move(message))
      .with_http_status(kind.http_status)
      .with_details(std::move(details));
}

}  // namespace

Error PublishErrors::not_found(const Properties& metadata) const {
  return make(kNotFound, text({"pubsub ", name_, " is not found"}), plain(metadata), std::nullopt);
}

Error PublishErrors::name_empty(const Properties& metadata) const {
  return make(kNameEmpty, "pubsub name is empty", plain(metadata), name_);
}

Error PublishErrors::topic_empty(const Properties& metadata) const {
  return make(kTopicEmpty, text({"topic is empty in pubsub ", name_}), plain(metadata), name_);
}

Error PublishErrors::bad_metadata(const Properties& metadata, const Error& why) const {
  return make(kMetadata, text({"failed deserializing metadata. Error: ", why.message()}),
              plain(metadata), name_);
}

Error PublishErrors::no_envelope(std::string_view app_id, const Error& why) const {
  return make(kEnvelope, "cannot create cloudevent", of_app(app_id, why.message()), name_);
}

Error PublishErrors::bad_event(std::string_view topic, std::string_view app_id,
                               std::string_view why) const {
  return make(kEvent,
              text({"error when marshalling cloud event envelope for topic ", topic, " pubsub ",
                    name_, ": ", why}),
              of_app(app_id, why), name_);
}

Error PublishErrors::bad_entries(std::string_view topic, std::string_view app_id,
                                 std::string_view why) const {
  return make(kEntries,
              text({"error marshaling events to bytes for topic ", topic, " pubsub ", name_,
                    ". error: ", why}),
              of_app(app_id, why), name_);
}

Error PublishErrors::unreadable_entries(std::string_view topic, std::string_view app_id,
                                        std::string_view why) const {
  return make(
      kUnreadable,
      text({"error when unmarshaling the request for topic ", topic, " pubsub ", name_, ": ", why}),
      {{"appID", std::string(app_id)}}, name_);
}

Error PublishErrors::forbidden(std::string_view topic, std::string_view app_id) const {
  const std::string message = text({"topic ", topic, " is not allowed for app id ", app_id});
  return make(kForbidden, message, of_topic(topic, message), name_);
}

Error PublishErrors::gone(std::string_view topic) const {
  const std::string message = text({"pubsub '", name_, "' not found"});
  return make(kGone, message, of_topic(topic, message), name_);
}

Error PublishErrors::not_published(std::string_view topic, std::string_view why) const {
  return make(kNotPublished,
              text({"error when publishing to topic ", topic, " in pubsub ", name_, ": ", why}),
              of_topic(topic, why), name_);
}

Error outbox_error(std::string_view app_id, const Error& why) {
  constexpr Kind kOutbox{Code::internal, 500, "ERR_PUBLISH_OUTBOX", "DAPR_PUBSUB_OUTBOX"};
  return make(kOutbox, text({"error while publishing outbox message: ", why.message()}),
              of_app(app_id, why.message()), std::nullopt);
}

}  // namespace outrigger::pubsub
