#include "runtime/invoke/http.h"

#include "net/uri.h"
#include "runtime/api/render.h"
#include "runtime/invoke/chunks.h"
#include "runtime/invoke/content_type.h"
#include "runtime/invoke/status.h"
#include "runtime/invoke/status_json.h"
#include "runtime/invoke/target.h"
#include "runtime/telemetry/span_notes.h"

namespace outrigger::runtime::invoke {
namespace {

bool is_error_status(int status) noexcept { return status < 200 || status > 399; }

Request request_of(api::HttpCall& call, std::string method) {
  Request request;
  request.method = std::move(method);
  request.has_http_extension = true;
  request.verb = verb_of(call.request.method);
  request.query = call.query;
  request.content_type = call.request.headers.value("content-type");
  request.metadata = metadata_of_http_request(call.request.headers);
  request.content_length = call.request.content_length;
  request.body = std::move(call.request.body);
  const bool has_body = request.body.is_stream() || !request.body.whole.empty();
  request.streamed = has_body && !request.content_length;
  settle(request.body);
  return request;
}

/// A gRPC application's status as HTTP: its message is the body only if it is OK.
Result<> turn_to_http(Reply& reply) {
  const int status = api::http_status_of(static_cast<Code>(std::min(reply.status, 17)));
  if (reply.status == 0) {
    reply.status = 200;
    return {};
  }
  auto json = status_json(reply.status, reply.status_message, reply.status_details);
  if (reply.body.stream) reply.body.stream->close();
  reply.content_type.clear();
  reply.type_url.clear();
  reply.status = status;
  if (!json) return fail(std::move(json).error());
  reply.body = net::Body(*std::move(json));
  return {};
}

void set_event_stream(net::Headers& headers) {
  headers.set("Content-Type", "text/event-stream");
  headers.set("Cache-Control", "no-cache");
}

/// `http_answer`: the application spoke HTTP, so its errors are those of upstream's error renderer.
net::Response response_of(Reply reply, const std::string& accept, bool unbounded,
                          bool http_answer) {
  net::Response response;
  response.status = reply.status;
  response.headers = http_reply_headers(reply, {});
  response.body = std::move(reply.body);
  response.body.trailers.clear();
  const bool failed = http_answer && is_error_status(response.status);
  if (wants_events(accept) && (!failed || unbounded)) {
    set_event_stream(response.headers);
  } else if (!response.headers.contains("content-type")) {
    if (failed && !unbounded) response.headers.add("Content-Type", "application/json");
  }
  if (failed && !unbounded) {
    // Upstream says this length also in answer to HEAD.
    if (!response.body.is_stream()) response.content_length = response.body.whole.size();
    // Counted as upstream does, though the answer is the application's own.
    response.error = std::make_shared<const Error>(Code::internal, "ERR_DIRECT_INVOKE", "");
  }
  return response;
}

/// Fills in the type that Go's server would: judged by the first bytes, which are waited for.
Task<void> show_content_type(Service& service, net::Response& response) {
  if (response.headers.contains("content-type")) co_return;
  if (response.body.is_stream()) {
    auto first = co_await response.body.stream->read();
    if (!first || first->empty()) co_return;
    response.headers.add("Content-Type", sniff_content_type(*first));
    prepend(service.scope(), response.body, *std::move(first));
  } else if (!response.body.whole.empty()) {
    response.headers.add("Content-Type", sniff_content_type(response.body.whole));
  }
}

Task<net::Response> invoke(Service& service, api::HttpCall& call) {
  const auto path = net::path_unescape(net::split_target(call.request.target).path);
  if (!path) co_return api::text_response(400, path.error().message() + "\n");
  if (call.wants_name) call.name = "InvokeService";
  auto to = find_destination(*path, call.request.headers);
  if (!to) {
    const Error nobody =
        Error(Code::not_found, "ERR_DIRECT_INVOKE",
              "failed getting app id either from the URL path or the header dapr-app-id")
            .with_http_status(404);
    co_return api::render(nobody);
  }
  if (call.wants_name) call.name += "/" + to->app;
  if (call.span != nullptr) {
    telemetry::note_app_call(*call.span, to->app, to->method);
    call.span->set("net.peer.name", to->app);
  }
  Request request = request_of(call, std::move(to->method));
  co_await gather(request.body, request.content_length);
  const bool unbounded = request.is_unbounded();
  const std::string accept(call.request.headers.value("accept"));
  const std::uint64_t bytes =
      request.body.is_stream() ? request.content_length.value_or(0) : request.body.whole.size();
  if (call.body_bytes_max != 0 && bytes > call.body_bytes_max) {
    if (request.body.stream) request.body.stream->close();
    const Error too_large(Code::unknown, std::string(kTooLarge));
    co_return api::render(direct_invoke_error(to->app, too_large));
  }
  auto reply = co_await service.invoke(to->app, std::move(request), call.trace);
  if (!reply) co_return api::render(direct_invoke_error(to->app, reply.error()));
  const bool http_answer = reply->is_http();
  if (!http_answer) {
    if (auto turned = turn_to_http(*reply); !turned) {
      const Error malformed(Code::internal, "ERR_MALFORMED_RESPONSE", turned.error().message());
      co_return api::render(malformed);
    }
  }
  net::Response response = response_of(*std::move(reply), accept, unbounded, http_answer);
  co_await show_content_type(service, response);
  co_return response;
}

}  // namespace

void add_http_routes(api::Router& router, Service& service) {
  api::Route route;
  route.methods = "ANY";
  // The handler reads the path itself, for the id may be a URL.
  route.pattern = "/v1.0/invoke/{target*}";
  route.group = "invoke";
  route.name = "InvokeService";
  route.version = "v1";
  route.handler = make_fallback(service);
  router.add(std::move(route));
}

api::HttpHandler make_fallback(Service& service) {
  return [&service](api::HttpCall& call) { return invoke(service, call); };
}

}  // namespace outrigger::runtime::invoke
