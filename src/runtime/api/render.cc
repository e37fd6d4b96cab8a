#include "runtime/api/render.h"

#include "base/json.h"

namespace outrigger::runtime::api {
namespace {

constexpr std::string_view kTypePrefix = "type.googleapis.com/google.rpc.";

void begin_detail(json::Writer& out, std::string_view type) {
  out.begin_object().member("@type", std::string(kTypePrefix) + std::string(type));
}

// In upstream's order: bad requests, help, resources, and the error info last.
void write_details(json::Writer& out, const ErrorDetails& details) {
  out.begin_array();
  for (const auto& violation : details.field_violations) {
    begin_detail(out, "BadRequest");
    out.key("field_violations").begin_array().begin_object();
    if (!violation.field.empty()) out.member("field", violation.field);
    out.member("description", violation.description);
    out.end_object().end_array().end_object();
  }
  for (const auto& link : details.help_links) {
    begin_detail(out, "Help");
    out.key("links").begin_array().begin_object();
    out.member("description", link.description).member("url", link.url);
    out.end_object().end_array().end_object();
  }
  for (const auto& resource : details.resources) {
    begin_detail(out, "ResourceInfo");
    out.member("description", resource.description).member("owner", resource.owner);
    out.member("resource_name", resource.name).member("resource_type", resource.type);
    out.end_object();
  }
  if (!details.reason.empty()) {
    begin_detail(out, "ErrorInfo");
    out.member("domain", details.domain).key("metadata");
    if (details.metadata.empty()) {
      out.null();
    } else {
      out.begin_object();
      for (const auto& [key, value] : details.metadata) out.member(key, value);
      out.end_object();
    }
    out.member("reason", details.reason).end_object();
  }
  out.end_array();
}

}  // namespace

std::string error_code(const Error& error) {
  if (!error.tag().empty()) return error.tag();
  if (error.details() != nullptr && !error.details()->reason.empty()) {
    return error.details()->reason;
  }
  return "ERROR";
}

std::string_view error_category(const Error& error) {
  struct Family {
    std::string_view prefix, category;
  };
  static constexpr Family kFamilies[] = {
      {"DAPR_SCHEDULER_", "job"},
      {"ERR_ACTOR_", "actor"},
      {"ERR_STATE_", "state"},
      {"ERR_NOT_SUPPORTED_STATE_", "state"},
      {"ERR_CONFIGURATION_", "configuration"},
      {"ERR_CRYPTO", "crypto"},
      {"ERR_SECRET_", "secret"},
      {"ERR_PERMISSION_DENIED", "secret"},
      {"ERR_PUBSUB_", "pubsub"},
      {"ERR_TOPIC_", "pubsub"},
      {"ERR_PUBLISH_", "pubsub"},
      {"ERR_CONVERSATION_", "conversation"},
      {"ERR_DIRECT_INVOKE", "service-invocation"},
      {"ERR_INVOKE_OUTPUT_BINDING", "binding"},
      {"ERR_LOCK_", "lock"},
      {"ERR_TRY_LOCK", "lock"},
      {"ERR_UNLOCK", "lock"},
      {"ERR_HEALTH_", "health"},
      {"ERR_OUTBOUND_HEALTH_", "health"},
      {"ERR_INSTANCE_ID_", "workflow"},
      {"ERR_WORKFLOW_", "workflow"},
  };
  const std::string code = error_code(error);
  for (const Family& family : kFamilies) {
    if (code.starts_with(family.prefix)) return family.category;
  }
  if (code.ends_with("_WORKFLOW")) return "workflow";
  // One code of two blocks: its details tell which.
  const ErrorDetails* details = error.details();
  if (details != nullptr && details->reason.starts_with("DAPR_STATE_")) return "state";
  return "common";
}

int http_status_of(Code code) noexcept {
  switch (code) {
    case Code::ok: return 200;
    case Code::cancelled: return 408;
    case Code::unknown: return 500;
    case Code::invalid_argument: return 400;
    case Code::deadline_exceeded: return 504;
    case Code::not_found: return 404;
    case Code::already_exists: return 409;
    case Code::permission_denied: return 403;
    case Code::resource_exhausted: return 429;
    case Code::failed_precondition: return 400;
    case Code::aborted: return 409;
    case Code::out_of_range: return 400;
    case Code::unimplemented: return 501;
    case Code::internal: return 500;
    case Code::unavailable: return 503;
    case Code::data_loss: return 500;
    case Code::unauthenticated: return 401;
  }
  return 500;
}

net::Response render(const Error& error) {
  std::string body;
  json::Writer out(body);
  out.begin_object().member("errorCode", error_code(error)).member("message", error.message());
  if (error.details() != nullptr) {
    out.key("details");
    write_details(out, *error.details());
  }
  out.end_object();
  const int status = error.http_status() != 0 ? error.http_status() : http_status_of(error.code());
  net::Response response = json_response(status, std::move(body));
  response.error = std::make_shared<const Error>(error);
  return response;
}

net::Response json_response(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

net::Response text_response(int status, std::string body) {
  net::Response response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

net::Response empty_response() {
  net::Response response;
  response.status = 204;
  return response;
}

}  // namespace outrigger::runtime::api
