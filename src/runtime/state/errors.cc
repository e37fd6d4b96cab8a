#include "runtime/state/errors.h"

#include "components/state/store.h"
#include "runtime/state/key_prefix.h"

namespace outrigger::runtime::state {
namespace {

namespace stores = components::state;

Code code_of_status(int http_status) {
  switch (http_status) {
    case 400: return Code::invalid_argument;
    case 409: return Code::aborted;
    default: return Code::internal;
  }
}

ErrorDetails about_app(std::string_view reason, std::string_view app_id) {
  ErrorDetails details;
  details.reason = reason;
  if (!app_id.empty()) details.metadata.emplace("appID", app_id);
  return details;
}

/// The HTTP status of an error that a store gave.
int status_of(const Error& why) {
  if (stores::is_etag_mismatch(why)) return 409;
  if (stores::is_etag_invalid(why)) return 400;
  return is_rich(why) && why.http_status() != 0 ? why.http_status() : 500;
}

Code write_code(const Error& why) {
  if (stores::is_etag_mismatch(why)) return Code::aborted;
  return stores::is_etag_invalid(why) ? Code::invalid_argument : Code::internal;
}

}  // namespace

bool is_rich(const Error& error) noexcept { return error.details() != nullptr; }

std::string text_of(const Error& error) {
  if (!is_rich(error)) return error.message();
  return "api error: code = " + std::string(to_string(error.code())) + " desc = " + error.message();
}

Error simple_error(int http_status, std::string_view tag, std::string message) {
  return Error(code_of_status(http_status), tag, std::move(message)).with_http_status(http_status);
}

Error StoreErrors::basic(Code code, int http_status, std::string_view tag,
                         std::string message) const {
  if (face_ == Face::http) return simple_error(http_status, tag, std::move(message));
  ErrorDetails details;
  details.reason = tag;
  return Error(code, std::move(message))
      .with_http_status(http_status)
      .with_details(std::move(details));
}

ErrorDetails StoreErrors::about_store(std::string_view reason) const {
  ErrorDetails details;
  details.reason = reason;
  details.resources.push_back({"state", std::string(store_), "", ""});
  return details;
}

Error StoreErrors::not_configured(std::string_view app_id) const {
  const std::string_view told = face_ == Face::http ? app_id : std::string_view();
  return Error(Code::failed_precondition, "ERR_STATE_STORE_NOT_CONFIGURED",
               "state store " + std::string(store_) + " is not configured")
      .with_http_status(500)
      .with_details(about_app("DAPR_STATE_NOT_CONFIGURED", told));
}

Error StoreErrors::not_found(std::string_view app_id) const {
  const std::string_view told = face_ == Face::http ? app_id : std::string_view();
  return Error(Code::invalid_argument, "ERR_STATE_STORE_NOT_FOUND",
               "state store " + std::string(store_) + " is not found")
      .with_http_status(400)
      .with_details(about_app("DAPR_STATE_NOT_FOUND", told));
}

Error StoreErrors::illegal_key(std::string_view key, std::string_view field) const {
  std::string message = illegal_key_message(key);
  // Upstream's HTTP API wraps the error in one of the same kind.
  if (face_ == Face::http) message.insert(0, "api error: code = InvalidArgument desc = ");
  ErrorDetails details = about_store("DAPR_STATE_ILLEGAL_KEY");
  details.field_violations.push_back({std::string(field), message});
  return Error(Code::invalid_argument, "ERR_MALFORMED_REQUEST", std::move(message))
      .with_http_status(400)
      .with_details(std::move(details));
}

Error StoreErrors::empty_key() const {
  if (face_ == Face::http) {
    return simple_error(400, "ERR_MALFORMED_REQUEST", "\"key\" is a required field");
  }
  return basic(Code::invalid_argument, 400, "ERR_STATE_SAVE", "state key cannot be empty");
}

Error StoreErrors::not_gotten(std::string_view key, const Error& why) const {
  if (face_ == Face::grpc && is_rich(why)) return why;
  const int status = is_rich(why) && why.http_status() != 0 ? why.http_status() : 500;
  return basic(Code::internal, status, "ERR_STATE_GET",
               "fail to get " + std::string(key) + " from state store " + std::string(store_) +
                   ": " + text_of(why));
}

Error StoreErrors::not_gotten_in_bulk(const Error& why) const {
  if (face_ == Face::http) {
    const int status = is_rich(why) && why.http_status() != 0 ? why.http_status() : 500;
    return simple_error(status, "ERR_STATE_BULK_GET", text_of(why));
  }
  if (is_rich(why)) return why;
  // Upstream hands the component's error out as it is.
  const bool ended = why.code() == Code::cancelled || why.code() == Code::deadline_exceeded;
  return Error(ended ? why.code() : Code::unknown, why.message());
}

Error StoreErrors::write_error(std::string_view tag, const std::string& what,
                               const Error& why) const {
  if (face_ == Face::http) return simple_error(status_of(why), tag, what + text_of(why));
  if (is_rich(why)) return why;
  return basic(write_code(why), 500, tag, what + why.message());
}

Error StoreErrors::not_saved(const Error& why) const {
  return write_error("ERR_STATE_SAVE",
                     "failed saving state in state store " + std::string(store_) + ": ", why);
}

Error StoreErrors::not_deleted(std::string_view key, const Error& why) const {
  return write_error("ERR_STATE_DELETE",
                     "failed deleting state with key " + std::string(key) + ": ", why);
}

Error StoreErrors::not_deleted_in_bulk(const Error& why) const {
  return write_error("ERR_STATE_BULK_DELETE",
                     "failed deleting state in state store " + std::string(store_) + ": ", why);
}

Error StoreErrors::no_transactions() const {
  ErrorDetails details = about_store("DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED");
  details.help_links.push_back(
      {"Check the list of state stores and the features they support",
       "https://docs.dapr.io/reference/components-reference/supported-state-stores/"});
  return Error(Code::unimplemented, "ERR_STATE_STORE_NOT_SUPPORTED",
               "state store " + std::string(store_) + " doesn't support transactions")
      .with_http_status(500)
      .with_details(std::move(details));
}

Error StoreErrors::too_many_operations(std::size_t count, std::size_t max) const {
  ErrorDetails details = about_store("DAPR_STATE_TOO_MANY_TRANSACTIONS");
  details.metadata.emplace("currentOpsTransaction", std::to_string(count));
  details.metadata.emplace("maxOpsPerTransaction", std::to_string(max));
  return Error(Code::invalid_argument, "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
               "the transaction contains " + std::to_string(count) +
                   " operations, which is more than what the state store supports: " +
                   std::to_string(max))
      .with_http_status(400)
      .with_details(std::move(details));
}

Error StoreErrors::unknown_operation(std::string_view operation) const {
  const int status = face_ == Face::http ? 400 : 500;
  return basic(Code::unimplemented, status, "ERR_NOT_SUPPORTED_STATE_OPERATION",
               "operation type " + std::string(operation) + " not supported");
}

Error StoreErrors::not_transacted(const Error& why) const {
  return basic(Code::internal, 500, "ERR_STATE_TRANSACTION",
               "error while executing state transaction: " + text_of(why));
}

Error StoreErrors::not_queriable() const {
  return Error(Code::internal, "ERR_STATE_STORE_NOT_SUPPORTED",
               "state store does not support querying")
      .with_http_status(500)
      .with_details(about_store("DAPR_STATE_QUERYING_NOT_SUPPORTED"));
}

Error StoreErrors::not_queried(const Error& why) const {
  return is_rich(why) ? why : bad_query(why.message());
}

Error StoreErrors::bad_query(std::string_view why) const {
  return Error(Code::internal, "ERR_STATE_QUERY",
               "state store " + std::string(store_) + " query failed: " + std::string(why))
      .with_http_status(500)
      .with_details(about_store("DAPR_STATE_QUERY_FAILED"));
}

}  // namespace outrigger::runtime::state
