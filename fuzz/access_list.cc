// Access control lists decide on what the application gets: whatever a caller writes, a method that
// is denied by its name is not delivered, and nothing is delivered but what is allowed. The method
// comes as a path of the HTTP API, as text of the gRPC API, or as the path of a call that is passed
// on; it passes two sidecars, and is taken apart as an application would.
#include "runtime/security/access_list.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "net/uri.h"
#include "runtime/invoke/app_caller.h"
#include "runtime/invoke/envelope.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/target.h"
#include "runtime/security/operation_tree.h"

namespace access_control = outrigger::runtime::access_control;
namespace invoke = outrigger::runtime::invoke;
namespace net = outrigger::net;
using access_control::AppProtocol;
using outrigger::resources::AccessControl;

namespace {

constexpr std::string_view kCaller = "spiffe://public/ns/default/caller";

access_control::AccessList list_of(std::string_view action, std::string_view operation,
                                   std::string_view otherwise, AppProtocol protocol) {
  AccessControl rules{.default_action = "deny", .trust_domain = "public"};
  AccessControl::Policy policy{"caller", std::string(otherwise), "public", "default", {}};
  policy.operations = {{std::string(operation), std::string(action), {"*"}}};
  rules.policies = {policy};
  return {rules, protocol};
}

struct Asked {
  std::string operation;
  AppProtocol protocol = AppProtocol::http;
  bool proxied = false;
  std::string_view verb = "GET";
};

bool allowed(const access_control::AccessList& list, const Asked& asked) {
  access_control::Call call;
  call.identity = kCaller;
  call.operation = asked.operation;
  call.verb = asked.verb;
  call.proxied = asked.proxied;
  return list.decide(call).value().allowed;
}

// The path that is at the end of it all, whoever wrote it how.
std::string comparable(std::string_view path, AppProtocol protocol) {
  std::string clean =
      net::clean_path(path.starts_with('/') ? std::string(path) : "/" + std::string(path));
  return protocol == AppProtocol::http ? access_control::fold_case(clean) : clean;
}

bool has_star(std::string_view text) { return text.find('*') != std::string_view::npos; }

// `got`: the path as the application reads it.
void check(const Asked& asked, std::string_view got, std::string_view rule) {
  OUT_ASSERT(!allowed(list_of("deny", got, "allow", asked.protocol), asked));
  if (has_star(rule) || !allowed(list_of("allow", rule, "deny", asked.protocol), asked)) return;
  // A rule is for its operation and what is below it, in one of the two ways to read it.
  const std::string reached = comparable(got, asked.protocol);
  const std::string as_read = asked.protocol == AppProtocol::http
                                  ? access_control::as_read_by_app(rule)
                                  : std::string(rule);
  bool covered = false;
  for (const std::string& named :
       {comparable(rule, asked.protocol), comparable(as_read, asked.protocol)}) {
    covered |= reached == named || reached.starts_with(named + "/") || named == "/";
  }
  OUT_ASSERT(covered);
}

// What both sidecars make of a method; nullopt if one of them refuses it.
std::optional<std::string> through_both(std::string_view method) {
  const auto sent = invoke::normalise_method(method);
  if (!sent) return std::nullopt;
  invoke::Request request;
  request.method = *sent;
  request.has_http_extension = true;
  request.verb = invoke::Verb::get;
  const invoke::RequestView view = request.view();
  std::string bytes;
  invoke::encode_request_chunk(bytes, &view, {});
  const auto chunk = invoke::decode_request_chunk(bytes);
  OUT_ASSERT(chunk && chunk->has_request);
  const auto received = invoke::normalise_method(chunk->request.method);
  if (!received) return std::nullopt;
  return *received;
}

void check_http_app(const std::string& operation, std::string_view rule) {
  invoke::RequestView view;
  view.method = operation;
  view.has_http_extension = true;
  view.verb = invoke::Verb::get;
  const auto delivered = invoke::http_request(view, 0, {}, "http://app");
  if (!delivered) return;
  const auto path = net::path_unescape(net::split_target(delivered->target).path);
  OUT_ASSERT(path.has_value());
  check({.operation = operation}, net::clean_path(*path), rule);
}

void check_grpc_app(const std::string& operation, std::string_view rule) {
  invoke::RequestView view;
  view.method = operation;
  std::string message;
  invoke::encode_message(message, view);
  // InvokeServiceRequest{message = 3}, the reader at hand for what OnInvoke takes.
  std::string request = "\x1a";
  for (std::size_t size = message.size();; size >>= 7) {
    request += static_cast<char>(size > 127 ? (size & 127) | 128 : size);
    if (size <= 127) break;
  }
  request += message;
  const auto delivered = invoke::decode_service_request(request);
  OUT_ASSERT(delivered && delivered->request.method == operation);
  check({.operation = operation, .protocol = AppProtocol::grpc, .verb = "NONE"}, operation, rule);
}

void check_proxied(std::string_view method, std::string_view rule) {
  const auto target = invoke::normalise_method("/" + std::string(method));
  if (!target) return;
  Asked asked{.operation = *target, .protocol = AppProtocol::grpc, .proxied = true, .verb = "NONE"};
  check(asked, *target, rule);
  asked.protocol = AppProtocol::http;
  const auto path = net::path_unescape(*target);
  check(asked, path ? net::clean_path(*path) : *target, rule);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // A rule, and what a caller writes.
  const std::size_t cut = input.find('\n');
  const std::string_view rule = cut == std::string_view::npos ? "/public" : input.substr(0, cut);
  const std::string_view written = cut == std::string_view::npos ? input : input.substr(cut + 1);
  if (const auto path = net::path_unescape(written)) {
    const auto to = invoke::find_destination("/v1.0/invoke/app/method/" + *path, {});
    OUT_ASSERT(to && to->app == "app");
    if (const auto operation = through_both(to->method)) check_http_app(*operation, rule);
  }
  if (const auto operation = through_both(written)) {
    check_http_app(*operation, rule);
    check_grpc_app(*operation, rule);
  }
  check_proxied(written, rule);
  return 0;
}
