#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

/// The errors of the actor API as clients see them (facts/errors.tsv, category Actor), and their
/// texts inside one another, which are Go's.
namespace outrigger::runtime::actors {

/// The text of an error inside another one: "api error: code = ..." if it has an error code of the
/// API, "rpc error: code = ..." if a peer gave it, else its message alone.
[[nodiscard]] std::string go_text(const Error& error);
/// `prefix` and the text of the error, with its gRPC code: what gRPC clients get, while HTTP knows
/// only that an invocation failed. Its own go_text() is its message.
[[nodiscard]] Error wrapped(std::string_view prefix, const Error& error);
[[nodiscard]] bool is_wrapped(const Error& error) noexcept;

[[nodiscard]] Error type_reserved(std::string_view type);
[[nodiscard]] Error no_placement();
[[nodiscard]] Error no_state_store();
[[nodiscard]] Error runtime_closed();
[[nodiscard]] Error instance_missing();
[[nodiscard]] Error stack_too_deep();
[[nodiscard]] Error invoke_failed(const Error& why);
[[nodiscard]] Error state_get_failed(const Error& why);
[[nodiscard]] Error state_save_failed(const Error& why);
[[nodiscard]] Error reminder_not_hosted();
/// Told to a peer that calls an actor here which is not here (any more): it looks again.
inline constexpr std::string_view kMoved = "remote actor moved";
[[nodiscard]] Error actor_moved();
[[nodiscard]] Error reminder_create_failed(const Error& why);
[[nodiscard]] Error reminder_get_failed(const Error& why);
[[nodiscard]] Error reminder_delete_failed(const Error& why);
[[nodiscard]] Error reminder_not_found(std::string_view name);
[[nodiscard]] Error reminder_exists(std::string_view name);
[[nodiscard]] Error timer_create_failed(const Error& why);
[[nodiscard]] Error malformed_request(std::string_view why);
[[nodiscard]] Error bad_request(std::string_view why);

/// The application does not know the method, which it will not learn: no policy asks again.
[[nodiscard]] Error method_missing(std::string_view method);
[[nodiscard]] bool is_method_missing(const Error& error) noexcept;

/// The actor is being deactivated, or its type is not hosted any more: to be asked again, perhaps
/// elsewhere.
[[nodiscard]] Error actor_closed(std::string_view method);
[[nodiscard]] bool is_closed(const Error& error) noexcept;

}  // namespace outrigger::runtime::actors
