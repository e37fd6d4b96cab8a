#include "runtime/actors/http_callbacks.h"

#include "base/json.h"
#include "base/scope.h"
#include "base/strings.h"
#include "net/uri.h"
#include "runtime/actors/errors.h"

namespace outrigger::runtime::actors {
namespace {

// An answer is held whole; upstream has no limit, and no application gives as much.
constexpr std::size_t kReplyBytesMax = std::size_t{1} << 30;
constexpr Duration kRestLimit = std::chrono::milliseconds(100);
constexpr std::string_view kCallerId = "dapr-caller-app-id";

/// The same, decoded; nullopt if it has broken escapes, of which prepare() tells.
std::optional<std::string> as_read(const std::string& path) {
  auto decoded = net::path_unescape("/" + path);
  if (!decoded) return std::nullopt;
  return *std::move(decoded);
}

std::unexpected<Error> unexpected_status(int status, std::string_view body) {
  return fail(Code::unknown,
              "error from actor service: (" + std::to_string(status) + ") " + std::string(body));
}

std::unexpected<Error> no_channel(const std::string& type) {
  return fail(Code::unknown, "app channel for actor type " + type + " is nil");
}

std::unexpected<Error> leads_elsewhere(std::string_view path) {
  return fail(Code::unknown, "the path leads to another resource: " + quoted(path));
}

}  // namespace

Result<std::string> actor_path(const ActorRef& actor) {
  OUT_CHECK(check_name(actor.type));
  OUT_CHECK(check_name(actor.id));
  std::string path = "actors/" + actor.type + "/" + actor.id;
  if (actor.type.empty() || actor.id.empty()) return leads_elsewhere(path);
  if (path.find('%') == std::string::npos) return path;
  const auto read = as_read(path);
  if (read && net::clean_path(*read) != *read) return leads_elsewhere(path);
  return path;
}

Result<std::string> method_path(const ActorRef& actor, std::string_view method) {
  OUT_TRY(std::string path, actor_path(actor));
  path += "/method";
  const std::size_t own = path.size();
  path.append("/").append(method);
  if (path.find('%') == std::string::npos) return path;
  const auto home = as_read(path.substr(0, own));
  const auto read = as_read(path);
  if (!home || !read) return path;
  if (!(net::clean_path(*read) + "/").starts_with(*home + "/")) return leads_elsewhere(path);
  return path;
}

Task<Result<Reply>> HttpCallbacks::put(ActorRef actor, invoke::RequestView view, net::Body body,
                                       TraceContext trace, std::string reentrancy_id) {
  if (!app_.available()) co_return no_channel(actor.type);
  auto method = invoke::normalise_method(view.method);
  if (!method) {
    co_return fail(Code::unknown, "invalid method name: " + method.error().message());
  }
  OUT_CO_TRY(const std::string path, method_path(actor, *method));
  view.method = path;
  view.verb = invoke::Verb::put;
  view.has_http_extension = true;
  if (!reentrancy_id.empty() && view.metadata_value(kReentrancyHeader).empty()) {
    view.metadata.push_back({kReentrancyHeader, reentrancy_id});
  }
  auto prepared = app_.prepare(view, body.whole.size(), trace);
  if (!prepared) co_return std::unexpected(std::move(prepared).error());
  auto reply = co_await app_.call(*std::move(prepared), std::move(body));
  if (!reply) co_return reply;
  auto content = co_await reply->body.read_all(kReplyBytesMax);
  if (!content) {
    co_return fail(Code::unknown, "failed to read response data: " + content.error().message());
  }
  if (reply->status == 404) co_return fail(method_missing(path));
  if (reply->status != 200) co_return unexpected_status(reply->status, *content);
  reply->body = net::Body(*std::move(content));
  co_return reply;
}

Task<Result<Reply>> HttpCallbacks::invoke(InvocationPtr call, std::string reentrancy_id) {
  invoke::RequestView view = call->request.view();
  if (view.metadata_value(kCallerId).empty()) {
    // As upstream has it: the sidecar that runs the turn vouches for the call.
    view.metadata.push_back({kCallerId, app_id_});
    view.metadata.push_back({"dapr-caller-namespace", app_namespace_});
  }
  net::Body body(call->request.body.whole);
  auto reply = co_await put(call->actor, std::move(view), std::move(body), call->trace,
                            std::move(reentrancy_id));
  if (!reply || reply->headers.contains(kErrorHeader)) co_return reply;
  if (is_truthy(reply->headers.value(kCancelHeader))) {
    co_return fail(Code::unknown, std::string(kCancelledText));
  }
  co_return reply;
}

Task<Result<Fired>> HttpCallbacks::fire(ReminderPtr reminder, std::string reentrancy_id) {
  auto content = fired_body(*reminder);
  if (!content) co_return std::unexpected(std::move(content).error());
  const std::string method = (reminder->is_timer ? "timer/" : "remind/") + reminder->name;
  invoke::RequestView view;
  view.method = method;
  view.content_type = "application/json";
  net::Body body(*std::move(content));
  auto reply = co_await put(reminder->actor, std::move(view), std::move(body), reminder->trace,
                            std::move(reentrancy_id));
  if (!reply) co_return std::unexpected(std::move(reply).error());
  if (reply->headers.contains(kErrorHeader)) {
    co_return fail(Code::unknown, "actor error with details in body");
  }
  co_return is_truthy(reply->headers.value(kCancelHeader)) ? Fired::cancelled : Fired::done;
}

Task<Result<>> HttpCallbacks::deactivate(ActorRef actor) {
  if (!app_.available()) co_return no_channel(actor.type);
  OUT_CO_TRY(const std::string path, actor_path(actor));
  invoke::RequestView view;
  view.method = path;
  view.verb = invoke::Verb::delete_;
  view.has_http_extension = true;
  view.content_type = "application/x-protobuf";
  auto prepared = app_.prepare(view, 0, {});
  if (!prepared) co_return std::unexpected(std::move(prepared).error());
  net::Body nothing;
  auto reply = co_await app_.call(*std::move(prepared), std::move(nothing));
  if (!reply) co_return std::unexpected(std::move(reply).error());
  if (reply->status == 200) {
    // The status is the answer; the rest only frees the connection for the next request.
    [[maybe_unused]] auto rest =
        co_await with_timeout(reply->body.read_all(kReplyBytesMax), kRestLimit);
    co_return Result<>();
  }
  auto content = co_await reply->body.read_all(kReplyBytesMax);
  co_return unexpected_status(reply->status, content ? *content : std::string());
}

Result<std::string> fired_body(const Reminder& reminder) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  if (reminder.data) {
    const auto data = json_of_any(*reminder.data);
    if (!data) {
      return fail(Code::unknown, "the data of " + reminder.key() + " is " +
                                     reminder.data->type_url + ", which is not JSON");
    }
    std::string compact;
    if (!data->empty() && !json::append_compact(compact, *data, json::Html::escape)) {
      return fail(Code::unknown, "the data of " + reminder.key() + " is not JSON");
    }
    if (!data->empty()) out.raw_member("data", compact);
  }
  if (reminder.is_timer) out.member("callback", reminder.callback);
  out.member("dueTime", reminder.due_time).member("period", reminder.period).end_object();
  return body;
}

}  // namespace outrigger::runtime::actors
