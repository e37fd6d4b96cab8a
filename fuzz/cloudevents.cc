// Whatever is published becomes a valid JSON object, and whatever comes from a broker is read or
// refused; what we wrap we can read again, with the same data.
#include "runtime/pubsub/cloudevents.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "runtime/pubsub/cloudevents_parse.h"
#include "runtime/pubsub/subscription_config.h"

namespace {

using namespace outrigger;
using namespace outrigger::pubsub;

void publish(std::string_view content_type, std::string_view data) {
  Publication publication;
  publication.content_type = content_type;
  publication.data = data;
  publication.topic = "t";
  const auto envelope = make_envelope(publication);
  if (!envelope) return;
  OUT_ASSERT(json::is_valid(*envelope));
  const auto event = CloudEvent::parse(*envelope);
  OUT_ASSERT(event.has_value());
  OUT_ASSERT(event->text("topic") == "t");
  const auto read = event->data();
  if (is_binary_content_type(content_type)) OUT_ASSERT(read && *read == data);
  if (is_text_content_type(content_type)) OUT_ASSERT(read.has_value());
}

void deliver(std::string_view data) {
  const Properties metadata = {{"traceparent", "00-x"}};
  const CloudEvent::Message message{.data = std::string(data), .topic = "t", .pubsub_name = "p"};
  const auto event = CloudEvent::read(message, metadata);
  if (!event) return;
  (void)event->data();
  (void)event->extensions();
  (void)event->expired(WallTime());
  for (const auto& field : event->fields()) OUT_ASSERT(json::is_valid(field.json));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const std::string_view content_type :
       {"application/json", "application/cloudevents+json", "text/plain",
        "application/octet-stream", "application/x-protobuf", "image/png"}) {
    publish(content_type, input);
  }
  deliver(input);
  (void)parse_app_subscriptions(input);
  return 0;
}
