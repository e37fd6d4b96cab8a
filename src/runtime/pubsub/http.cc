#include "runtime/pubsub/http.h"

#include "base/json.h"
#include "runtime/api/render.h"
#include "runtime/pubsub/bulk_body.h"
#include "runtime/pubsub/errors.h"
#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {
namespace {

using runtime::api::HttpCall;

// The message of a body that cannot be read, without what HttpCall::body() puts before it.
std::string read_error(const Error& error) {
  constexpr std::string_view kPrefix = "failed to read request body: ";
  std::string_view message = error.message();
  if (message.starts_with(kPrefix)) message.remove_prefix(kPrefix.size());
  return std::string(message);
}

Task<net::Response> publish(Service& service, HttpCall& call) {
  Publish request;
  request.face = Face::http;
  request.pubsub_name = call.param("pubsubname");
  request.topic = call.param("topic");
  request.metadata = call.metadata();
  const auto checked =
      service.check(request.pubsub_name, request.topic, request.metadata, Face::http);
  if (!checked) co_return runtime::api::render(checked.error());
  auto body = co_await call.body();
  if (!body) {
    co_return runtime::api::render(
        PublishErrors(request.pubsub_name).not_published(request.topic, read_error(body.error())));
  }
  request.data = *std::move(body);
  request.content_type = call.request.headers.value("content-type");
  request.trace = call.trace;
  const auto published = co_await service.publish(std::move(request));
  if (!published) co_return runtime::api::render(published.error());
  co_return runtime::api::empty_response();
}

// A header's value must stay on its line.
std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') c = ' ';
  }
  return text;
}

net::Response render_failures(const BulkPublished& outcome) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  if (!outcome.failures.empty()) {
    out.key("failedEntries").begin_array();
    for (const auto& failure : outcome.failures) {
      out.begin_object().member("entryId", failure.entry_id);
      if (!failure.error.message().empty()) out.member("error", failure.error.message());
      out.end_object();
    }
    out.end_array();
  }
  out.member("errorCode", outcome.error->tag()).end_object();
  net::Response response =
      runtime::api::json_response(outcome.error->http_status(), std::string(body));
  response.headers.add("metadata.responseData", one_line(std::move(body)));
  response.headers.add("metadata.error", one_line("api error: code = " +
                                                  std::string(to_string(outcome.error->code())) +
                                                  " desc = " + outcome.error->message()));
  return response;
}

Task<net::Response> bulk_publish(Service& service, HttpCall& call) {
  BulkPublish request;
  request.face = Face::http;
  request.pubsub_name = call.param("pubsubname");
  request.topic = call.param("topic");
  request.metadata = call.metadata();
  request.span_name = call.path;
  const PublishErrors errors(request.pubsub_name);
  const auto checked =
      service.check(request.pubsub_name, request.topic, request.metadata, Face::http);
  if (!checked) co_return runtime::api::render(checked.error());
  const auto raw = is_raw_payload(request.metadata);
  if (!raw) co_return runtime::api::render(errors.bad_metadata(request.metadata, raw.error()));
  auto body = co_await call.body();
  std::string why;
  if (!body) {
    why = read_error(body.error());
  } else if (auto entries = read_bulk_body(*body)) {
    if (auto data = convert_events(*std::move(entries))) {
      request.entries = *std::move(data);
    } else {
      co_return runtime::api::render(
          errors.bad_event(request.topic, service.app_id(), data.error().message()));
    }
  } else {
    why = entries.error().message();
  }
  if (!why.empty()) {
    co_return runtime::api::render(errors.unreadable_entries(request.topic, service.app_id(), why));
  }
  request.trace = call.trace;
  const BulkPublished outcome = co_await service.bulk_publish(std::move(request));
  if (!outcome.error) co_return runtime::api::empty_response();
  // The list of entries goes with failed publications only; a refused request is a plain error.
  if (outcome.error->tag() != "ERR_PUBSUB_PUBLISH_MESSAGE") {
    co_return runtime::api::render(*outcome.error);
  }
  co_return render_failures(outcome);
}

}  // namespace

void add_http_routes(runtime::api::Router& router, Service& service) {
  const auto add = [&](std::string_view pattern, std::string_view version, std::string_view name,
                       auto handler) {
    runtime::api::Route route;
    route.methods = "POST,PUT";
    route.pattern = pattern;
    route.group = "publish";
    route.version = version;
    route.name = name;
    route.handler = [&service, handler](HttpCall& call) { return handler(service, call); };
    router.add(std::move(route));
  };
  add("/v1.0/publish/bulk/{pubsubname}/{topic*}", "v1", "BulkPublishEvent", &bulk_publish);
  add("/v1.0-alpha1/publish/bulk/{pubsubname}/{topic*}", "v1alpha1", "BulkPublishEvent",
      &bulk_publish);
  add("/v1.0/publish/{pubsubname}/{topic*}", "v1", "PublishEvent", &publish);
}

}  // namespace outrigger::pubsub
