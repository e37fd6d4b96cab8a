#include "runtime/actors/errors.h"

#include "base/strings.h"

namespace outrigger::runtime::actors {
namespace {

// Never shown: they mark what an error means to the parts of this folder.
constexpr std::string_view kWrapped = "actors.wrapped";
constexpr std::string_view kClosed = "actors.closed";
constexpr std::string_view kMethodMissing = "actor method not found: ";

Error api(Code code, int http_status, std::string_view tag, std::string message) {
  return Error(code, tag, std::move(message)).with_http_status(http_status);
}

Error failed(std::string_view tag, std::string_view what, const Error& why) {
  return api(Code::internal, 500, tag, std::string(what) + go_text(why));
}

}  // namespace

std::string go_text(const Error& error) {
  if (error.tag().starts_with("ERR_")) {
    return "api error: code = " + std::string(to_string(error.code())) +
           " desc = " + error.message();
  }
  switch (error.code()) {
    // Go has no codes for these where they arise.
    case Code::unknown: return error.message();
    case Code::cancelled:
      if (error.tag().empty()) return "context canceled";
      break;
    case Code::deadline_exceeded:
      if (error.tag().empty()) return "context deadline exceeded";
      break;
    default: break;
  }
  if (!error.tag().empty()) return error.message();
  return "rpc error: code = " + std::string(to_string(error.code())) + " desc = " + error.message();
}

Error wrapped(std::string_view prefix, const Error& error) {
  return {error.code(), kWrapped, std::string(prefix) + go_text(error)};
}

bool is_wrapped(const Error& error) noexcept { return error.tag() == kWrapped; }

Error type_reserved(std::string_view type) {
  return api(Code::permission_denied, 403, "ERR_ACTOR_TYPE_RESERVED",
             "actor type " + quoted(type) +
                 " is reserved for the Dapr workflow runtime; direct actor API access is not "
                 "permitted");
}

Error no_placement() {
  return api(Code::unavailable, 400, "ERR_ACTOR_NO_PLACEMENT",
             "placement service is not configured");
}

Error no_state_store() {
  return api(Code::internal, 500, "ERR_ACTOR_RUNTIME_NOT_FOUND",
             "the state store is not configured to use the actor runtime. Have you set the - name: "
             "actorStateStore value: \"true\" in your state store component file?");
}

Error runtime_closed() {
  return api(Code::unavailable, 503, "ERR_ACTOR_RUNTIME_CLOSED", "actor runtime is closed");
}

Error instance_missing() {
  return api(Code::internal, 400, "ERR_ACTOR_INSTANCE_MISSING", "actor instance is missing");
}

Error stack_too_deep() {
  return api(Code::resource_exhausted, 500, "ERR_ACTOR_STACK_DEPTH",
             "maximum stack depth exceeded");
}

Error invoke_failed(const Error& why) {
  return failed("ERR_ACTOR_INVOKE_METHOD", "error invoke actor method: ", why);
}
Error state_get_failed(const Error& why) {
  return failed("ERR_ACTOR_STATE_GET", "error getting actor state: ", why);
}
Error state_save_failed(const Error& why) {
  return failed("ERR_ACTOR_STATE_TRANSACTION_SAVE", "error saving actor transaction state: ", why);
}

Error actor_moved() { return {Code::unknown, std::string(kMoved)}; }

Error reminder_not_hosted() {
  return api(Code::permission_denied, 403, "ERR_ACTOR_REMINDER_NON_HOSTED",
             "operations on actor reminders are only possible on hosted actor types");
}
Error reminder_create_failed(const Error& why) {
  return failed("ERR_ACTOR_REMINDER_CREATE", "error creating actor reminder: ", why);
}
Error reminder_get_failed(const Error& why) {
  return failed("ERR_ACTOR_REMINDER_GET", "error getting actor reminder: ", why);
}
Error reminder_delete_failed(const Error& why) {
  return failed("ERR_ACTOR_REMINDER_DELETE", "error deleting actor reminder: ", why);
}
Error reminder_not_found(std::string_view name) {
  return api(Code::not_found, 404, "ERR_ACTOR_REMINDER_NOT_FOUND",
             "actor reminder not found: " + std::string(name));
}
Error reminder_exists(std::string_view name) {
  return api(Code::already_exists, 409, "ERR_ACTOR_REMINDER_ALREADY_EXISTS",
             "actor reminder already exists: " + std::string(name));
}
Error timer_create_failed(const Error& why) {
  return failed("ERR_ACTOR_TIMER_CREATE", "error creating actor timer: ", why);
}

Error malformed_request(std::string_view why) {
  return api(Code::invalid_argument, 400, "ERR_MALFORMED_REQUEST",
             "failed deserializing HTTP body: " + std::string(why));
}
Error bad_request(std::string_view why) {
  return api(Code::invalid_argument, 400, "ERR_BAD_REQUEST",
             "invalid request: " + std::string(why));
}

Error actor_closed(std::string_view method) {
  return {Code::unavailable, kClosed, "actor is closed, cannot handle " + std::string(method)};
}

Error method_missing(std::string_view method) {
  return {Code::unknown, std::string(kMethodMissing) + std::string(method)};
}

bool is_method_missing(const Error& error) noexcept {
  std::string_view text(error.message());
  // As another sidecar says it.
  constexpr std::string_view kRemote = "error invoke actor method: ";
  if (text.starts_with(kRemote)) text.remove_prefix(kRemote.size());
  return text.starts_with(kMethodMissing);
}

bool is_closed(const Error& error) noexcept { return error.tag() == kClosed; }

}  // namespace outrigger::runtime::actors
