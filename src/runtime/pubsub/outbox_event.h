#pragma once

#include <string>
#include <string_view>

#include "components/state/store.h"
#include "runtime/pubsub/cloudevents.h"

/// The messages of the outbox, as text.
namespace outrigger::pubsub {

/// What an item's event says beyond the item.
struct OutboxEvent {
  std::string_view id;
  std::string_view source;
  std::string_view pubsub_name;
  std::string_view trace_parent;
  std::string_view trace_state;
};

/// The event of an item: `payload` has its data and content type, `item` the metadata that becomes
/// fields of the event (all but data and id). Upstream sends JSON that has no content type as Go
/// prints it; here objects and arrays stay JSON, and strings and numbers are text as they are
/// upstream.
Result<std::string> make_outbox_event(const OutboxEvent& event,
                                      const components::state::SetRequest& item,
                                      const components::state::SetRequest& payload);

/// An internal message on its way to its topic.
struct OutboxMessage {
  std::string id;
  std::string content_type;
  std::string data;
};
/// Code::invalid_argument if it is not a JSON object.
Result<OutboxMessage> readdress(std::string_view internal, std::string_view pubsub_name,
                                std::string_view topic);

}  // namespace outrigger::pubsub
