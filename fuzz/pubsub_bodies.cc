// What applications and clients say about events beside the events themselves: bulk bodies, an
// outbox's messages, protobuf events, metadata that goes into an envelope.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "runtime/pubsub/bulk_body.h"
#include "runtime/pubsub/cloudevents.h"
#include "runtime/pubsub/cloudevents_parse.h"
#include "runtime/pubsub/cloudevents_protobuf.h"
#include "runtime/pubsub/outbox_event.h"
#include "runtime/pubsub/subscription_config.h"

namespace {

using namespace outrigger;
using namespace outrigger::pubsub;

void bulk(std::string_view input) {
  auto entries = read_bulk_body(input);
  if (!entries) return;
  for (const auto& entry : *entries) {
    OUT_ASSERT(entry.event.empty() || json::is_valid(entry.event));
  }
  (void)convert_events(std::move(*entries));
}

void outbox(std::string_view input) {
  const auto message = readdress(input, "p", "t");
  if (!message) return;
  components::state::SetRequest item;
  item.key = message->id;
  item.value = message->data;
  item.metadata = {{"cloudevent.type", message->content_type}, {"k", std::string(input)}};
  const OutboxEvent event{.id = "1", .source = "a", .pubsub_name = "p"};
  const auto made = make_outbox_event(event, item, item);
  if (!made) return;
  OUT_ASSERT(json::is_valid(*made));
  OUT_ASSERT(readdress(*made, "p", "t").has_value());
}

void envelope(std::string_view input) {
  // Names and values in turn, a line each.
  Properties metadata;
  for (std::string_view rest = input; !rest.empty();) {
    const std::size_t name_end = std::min(rest.find('\n'), rest.size());
    const std::string_view name = rest.substr(0, name_end);
    rest.remove_prefix(std::min(name_end + 1, rest.size()));
    const std::size_t value_end = std::min(rest.find('\n'), rest.size());
    metadata.insert_or_assign(std::string(name), std::string(rest.substr(0, value_end)));
    rest.remove_prefix(std::min(value_end + 1, rest.size()));
  }
  (void)message_ttl(metadata);
  (void)is_raw_payload(metadata);
  Publication publication{.topic = "t", .data = "1"};
  apply_overrides(publication, metadata);
  const auto text = make_envelope(publication);
  OUT_ASSERT(text && json::is_valid(*text));
  const std::string raw = wrap_raw_payload(input, "t", "p", metadata);
  OUT_ASSERT(json::is_valid(raw));
  metadata.insert_or_assign("content-type", "application/octet-stream");
  const CloudEvent::Message message{.data = std::string(input), .topic = "t", .pubsub_name = "p"};
  const auto event = CloudEvent::read(message, metadata);
  if (!event) return;
  (void)event->value();
  for (const auto& field : event->fields()) OUT_ASSERT(json::is_valid(field.json));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  bulk(input);
  outbox(input);
  envelope(input);
  (void)is_protobuf_cloud_event(input);
  const auto app = parse_app_subscriptions(input);
  const auto event = CloudEvent::parse(R"({"id":"1","type":"a","data":{"n":1}})");
  if (!app) return 0;
  for (const auto& subscription : app->subscriptions) {
    (void)find_route(*subscription, event->value());
    OUT_ASSERT(subscription->bulk.messages_max() > 0);
  }
  return 0;
}
