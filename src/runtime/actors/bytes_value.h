#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The little protobuf that is written by hand. Private to this folder.
namespace outrigger::runtime::actors {

/// google.protobuf.BytesValue{value = 1}.
[[nodiscard]] std::string bytes_value(std::string_view bytes);
/// nullopt if it is malformed.
[[nodiscard]] std::optional<std::string> bytes_of_value(std::string_view message);

/// Appends field `number`, below 16, that has these bytes.
void append_field(std::string& out, std::uint32_t number, std::string_view bytes);

/// InternalInvokeRequest{actor = 4}, Actor{actor_type = 1, actor_id = 2}.
void append_actor(std::string& out, std::string_view type, std::string_view id);
struct ActorView {
  std::string_view type, id;
};
/// Views into the message; empty if there is no actor. nullopt if it is malformed.
[[nodiscard]] std::optional<ActorView> actor_of_request(std::string_view message);

}  // namespace outrigger::runtime::actors
