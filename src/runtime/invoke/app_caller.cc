#include "runtime/invoke/app_caller.h"

#include "base/json.h"
#include "base/strings.h"
#include "net/uri.h"
#include "runtime/invoke/chunks.h"
#include "runtime/invoke/envelope.h"
#include "runtime/invoke/status.h"

namespace outrigger::runtime::invoke {
namespace {

constexpr int kTooManyRequests = 429;
constexpr std::string_view kOnInvoke = "/dapr.proto.runtime.v1.AppCallback/OnInvoke";

std::string base_of(const app::Channel& channel) {
  using Protocol = app::ChannelOptions::Protocol;
  const app::ChannelOptions& options = channel.options();
  const bool tls = options.protocol == Protocol::https || options.protocol == Protocol::grpcs;
  return std::string(tls ? "https://" : "http://") + options.address + ":" +
         std::to_string(options.port);
}

bool has_control(std::string_view text) noexcept {
  return std::ranges::any_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

// The characters Go leaves in a path as they came (net/url, validEncoded).
bool stays_in_path(char c) noexcept {
  constexpr std::string_view kMarks = "!$&'()*+,;=:@[]%/-_.~";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kMarks.find(c) != std::string_view::npos;
}

Error parse_error(std::string_view base, std::string_view path, std::string_view why) {
  return {Code::unknown,
          "parse " + quoted(std::string(base) + std::string(path)) + ": " + std::string(why)};
}

/// An HTTP error as Go formats the one of its app channel.
Error channel_error(const Error& error, Verb verb, std::string_view url) {
  // The gate's refusal is a status in upstream, everything else a plain error.
  if (error.code() == Code::internal && error.message() == "app is not in a healthy state") {
    return rpc_error(Code::internal, error.message());
  }
  return http_call_error(verb, url, error);
}

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

}  // namespace

Result<std::string> app_target(std::string_view method, std::string_view query,
                               std::string_view base) {
  std::string target;
  target.reserve(method.size() + query.size() + 2);
  if (!method.starts_with('/')) target += '/';
  target += method;
  if (has_control(method) || has_control(query)) {
    return fail(parse_error(base, target, "net/url: invalid control character in URL"));
  }
  if (!std::ranges::all_of(target, stays_in_path) || target.find('%') != std::string::npos) {
    auto decoded = net::path_unescape(target);
    if (!decoded) return fail(parse_error(base, target, decoded.error().message()));
    if (!std::ranges::all_of(target, stays_in_path)) target = net::escape_path(*decoded);
  }
  // A fragment is never sent.
  query = query.substr(0, query.find('#'));
  if (query.empty()) return target;
  target += '?';
  for (const char c : query) {
    if (c == ' ') {
      target += "%20";
    } else {
      target += c;
    }
  }
  return target;
}

Error http_call_error(Verb verb, std::string_view url, const Error& error) {
  std::string text(to_string(verb));
  for (std::size_t i = 1; i < text.size(); ++i) text[i] = to_lower(text[i]);
  text.append(" ").append(quoted(url)).append(": ").append(error.message());
  return {error.code() == Code::cancelled || error.code() == Code::deadline_exceeded
              ? error.code()
              : Code::unknown,
          std::move(text)};
}

Result<net::Request> http_request(const RequestView& request,
                                  std::optional<std::uint64_t> content_length,
                                  const TraceContext& trace, std::string_view base) {
  if (!request.has_http_extension) {
    return fail(rpc_error(Code::invalid_argument, "missing HTTP extension field"));
  }
  if (request.verb == Verb::none || request.verb == Verb::connect) {
    return fail(rpc_error(Code::invalid_argument, "invalid HTTP verb"));
  }
  net::Request out;
  out.method = to_string(request.verb);
  OUT_TRY(out.target, app_target(request.method, request.query, base));
  out.headers = http_request_headers(request, trace);
  if (wants_events(request.metadata_value("accept"))) {
    out.headers.set("Accept", "text/event-stream");
  }
  out.content_length = content_length;
  return out;
}

std::string over_limit_text(std::string_view app_id, Duration wait) {
  return "the limit of app " + std::string(app_id) + " is reached; ask again in " +
         std::to_string(resiliency::retry_after_seconds(wait)) + " s";
}

Reply reply_of(net::Response response) {
  Reply reply;
  reply.status = response.status;
  reply.content_type = response.headers.value("content-type");
  reply.headers = metadata_of_http_response(response.headers);
  reply.body = std::move(response.body);
  settle(reply.body);
  return reply;
}

void AppCaller::set_channel(app::Channel* channel) {
  channel_ = channel;
  base_ = channel == nullptr ? std::string() : base_of(*channel);
}

Result<AppCaller::Prepared> AppCaller::prepare(const RequestView& request,
                                               std::optional<std::uint64_t> content_length,
                                               const TraceContext& trace) const {
  Prepared prepared;
  prepared.verb = request.verb;
  prepared.method = request.method;
  if (!channel_->is_grpc()) {
    OUT_TRY(prepared.http, http_request(request, content_length, trace, base_));
    return prepared;
  }
  encode_message(prepared.grpc_message, request);
  prepared.type_url = request.type_url;
  prepared.grpc_metadata = grpc_request_metadata(request, trace);
  return prepared;
}

void AppCaller::limit_by(const resiliency::Policies& policies, std::string app_id) {
  policies_ = &policies;
  app_id_ = std::move(app_id);
}

std::shared_ptr<resiliency::Limit> AppCaller::limit() const {
  return policies_ == nullptr ? nullptr : policies_->limit(app_id_);
}

Reply AppCaller::refusal(Duration wait) const {
  const std::string seconds = std::to_string(resiliency::retry_after_seconds(wait));
  Reply reply;
  reply.headers.add("retry-after", seconds);
  const std::string why = over_limit_text(app_id_, wait);
  if (is_grpc()) {
    reply.status = static_cast<int>(Code::resource_exhausted);
    reply.status_message = why;
    return reply;
  }
  reply.status = kTooManyRequests;
  reply.content_type = "application/json";
  json::Writer writer(reply.body.whole);
  writer.begin_object().member("errorCode", "ERR_TOO_MANY_REQUESTS").member("message", why);
  writer.end_object();
  return reply;
}

Task<Result<Reply>> AppCaller::call_limited(std::shared_ptr<resiliency::Limit> limit,
                                            Prepared request, net::Body body) {
  auto pass = limit->enter(std::chrono::steady_clock::now());
  if (!pass) {
    if (body.stream) body.stream->close();
    co_return refusal(pass.error());
  }
  if (channel_->is_grpc()) {
    auto reply = co_await call_grpc(std::move(request), std::move(body));
    co_return reply;
  }
  auto reply = co_await call_http(std::move(request), std::move(body));
  co_return reply;
}

Task<Result<Reply>> AppCaller::call(Prepared request, net::Body body) {
  if (auto limit = this->limit()) {
    return call_limited(std::move(limit), std::move(request), std::move(body));
  }
  // Not a coroutine of its own: the hot path has one frame less.
  if (channel_->is_grpc()) return call_grpc(std::move(request), std::move(body));
  return call_http(std::move(request), std::move(body));
}

Task<Result<Reply>> AppCaller::call_http(Prepared request, net::Body body) {
  const TimePoint started = std::chrono::steady_clock::now();
  telemetry::HttpMetrics::Request seen{};
  seen.method = to_string(request.verb);
  seen.path = request.method;
  metrics_.http.client_request_started(seen.method, seen.path, body.whole.size());
  const std::string url = base_ + std::string(without_query(request.http.target));
  request.http.body = std::move(body);
  auto response = co_await channel_->http(std::move(request.http));
  seen.elapsed = std::chrono::steady_clock::now() - started;
  if (!response) {
    seen.status = 500;
    metrics_.http.client_request(seen);
    co_return std::unexpected(channel_error(response.error(), request.verb, url));
  }
  seen.status = response->status;
  seen.response_bytes = response->content_length.value_or(response->body.whole.size());
  metrics_.http.client_request(seen);
  co_await gather(response->body, response->content_length);
  co_return reply_of(*std::move(response));
}

Task<Result<Reply>> AppCaller::call_grpc(Prepared request, net::Body body) {
  auto data = co_await body.read_all(channel_->options().body_bytes_max);
  if (!data) co_return std::unexpected(std::move(data).error());
  finish_message(request.grpc_message, request.type_url, *data);
  net::grpc::CallOptions options;
  options.metadata = std::move(request.grpc_metadata);
  auto answer = co_await channel_->grpc(std::string(kOnInvoke), std::move(request.grpc_message),
                                        std::move(options));
  if (!answer) co_return std::unexpected(channel_error(answer.error(), Verb::post, base_));
  Reply reply;
  reply.status = static_cast<int>(answer->status.code);
  reply.status_message = std::move(answer->status.message);
  reply.status_details = split_details(answer->status.details_bin);
  reply.headers = metadata_of_grpc_fields(answer->headers);
  reply.trailers = metadata_of_grpc_fields(answer->trailers);
  if (!answer->status.ok()) co_return reply;
  OUT_CO_TRY(const auto response, decode_invoke_response(answer->message));
  reply.content_type = response.content_type;
  reply.type_url = response.type_url;
  reply.body.whole = response.data;
  co_return reply;
}

}  // namespace outrigger::runtime::invoke
