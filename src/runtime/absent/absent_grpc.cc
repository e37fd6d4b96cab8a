#include "base/strings.h"
#include "dapr/proto/runtime/v1/ai.pb.h"
#include "dapr/proto/runtime/v1/binding.pb.h"
#include "runtime/absent/absent.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::absent {
namespace {

namespace rt = ::dapr::proto::runtime::v1;
using net::grpc::Call;

enum class Face : std::uint8_t { http, grpc };

/// Who gets google.rpc.ErrorInfo with the error.
enum class Info : std::uint8_t { nobody, grpc };

struct Absence {
  Code code;
  int http_status;
  std::string_view tag;
  std::string_view message;  // "{}" is the name of the component that was asked for.
  Info info = Info::nobody;
};

constexpr Absence kActors{Code::unavailable, 400, "ERR_ACTOR_NO_PLACEMENT",
                          "placement service is not configured"};
constexpr Absence kBinding{Code::internal, 500, "ERR_INVOKE_OUTPUT_BINDING",
                           "error invoking output binding {}: couldn't find output binding {}",
                           Info::grpc};
constexpr Absence kConfiguration{Code::failed_precondition, 500,
                                 "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
                                 "configuration stores not configured", Info::grpc};
constexpr Absence kSubtle{Code::unimplemented, 501, "ERR_API_UNIMPLEMENTED",
                          "this API is currently not implemented"};
constexpr Absence kCrypto{Code::internal, 500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
                          "crypto providers not configured"};
constexpr Absence kLock{Code::failed_precondition, 500, "ERR_LOCK_STORE_NOT_CONFIGURED",
                        "lock store is not configured"};
constexpr Absence kConversation{Code::invalid_argument, 400, "ERR_CONVERSATION_NOT_FOUND",
                                "failed finding conversation component {}"};
Error error_of(const Absence& absence, std::string_view name, Face face) {
  Error error(absence.code, std::string(absence.tag), replace_all(absence.message, "{}", name));
  error = std::move(error).with_http_status(absence.http_status);
  if (absence.info != Info::grpc || face != Face::grpc) return error;
  ErrorDetails details;
  details.reason = absence.tag;
  return std::move(error).with_details(std::move(details));
}

struct HttpRoute {
  std::string_view methods;
  std::string_view pattern;
  std::string_view group;
  std::string_view version;
  const Absence& absence;
};

constexpr HttpRoute kHttpRoutes[] = {
    {"POST,PUT", "/v1.0/bindings/{name}", "bindings", "v1", kBinding},
    {"PUT", "/v1.0-alpha1/crypto/{name}/encrypt", "crypto", "v1alpha1", kCrypto},
    {"PUT", "/v1.0-alpha1/crypto/{name}/decrypt", "crypto", "v1alpha1", kCrypto},
    {"POST", "/v1.0-alpha1/lock/{name}", "lock", "v1alpha1", kLock},
    {"POST", "/v1.0-alpha1/unlock/{name}", "unlock", "v1alpha1", kLock},
    {"POST", "/v1.0-alpha1/conversation/{name}/converse", "conversation", "v1alpha1",
     kConversation},
    {"POST", "/v1.0-alpha2/conversation/{name}/converse", "conversation", "v1alpha2",
     kConversation},
};

/// Routes that are there in several versions, below "/v1.0" and so on.
constexpr HttpRoute kConfigurationRoutes[] = {
    {"GET", "/configuration/{name}", "configuration", "", kConfiguration},
    {"GET", "/configuration/{name}/subscribe", "configuration", "", kConfiguration},
    {"GET", "/configuration/{name}/{id}/unsubscribe", "configuration", "", kConfiguration},
};
constexpr HttpRoute kWorkflowRoutes[] = {
    {"POST", "/workflows/{component}/{name}/start", "workflows", "", kActors},
    {"GET", "/workflows/{component}/{name}", "workflows", "", kActors},
    {"POST", "/workflows/{component}/{name}/raiseEvent/{event}", "workflows", "", kActors},
    {"POST", "/workflows/{component}/{name}/pause", "workflows", "", kActors},
    {"POST", "/workflows/{component}/{name}/resume", "workflows", "", kActors},
    {"POST", "/workflows/{component}/{name}/terminate", "workflows", "", kActors},
    {"POST", "/workflows/{component}/{name}/purge", "workflows", "", kActors},
};
constexpr HttpRoute kSubtleRoutes[] = {
    {"POST", "/subtlecrypto/{name}/getkey", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/encrypt", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/decrypt", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/wrapkey", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/unwrapkey", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/sign", "subtlecrypto", "", kSubtle},
    {"POST", "/subtlecrypto/{name}/verify", "subtlecrypto", "", kSubtle},
};

Task<net::Response> refuse(const Absence& absence, api::HttpCall& call) {
  co_return api::render(error_of(absence, call.param("name"), Face::http));
}

void add(api::Router& router, const HttpRoute& each) {
  api::Route route;
  route.methods = each.methods;
  route.pattern = each.pattern;
  route.group = each.group;
  route.version = each.version;
  route.name = each.group;
  route.handler = [&absence = each.absence](api::HttpCall& call) { return refuse(absence, call); };
  router.add(std::move(route));
}

/// `stage` is "", "-alpha1" or "-beta1".
void add_below(api::Router& router, std::string_view stage, std::span<const HttpRoute> routes) {
  const std::string version = "v1" + std::string(stage.substr(stage.empty() ? 0 : 1));
  for (const HttpRoute& each : routes) {
    const std::string pattern = "/v1.0" + std::string(stage) + std::string(each.pattern);
    add(router, {each.methods, pattern, each.group, version, each.absence});
  }
}

struct GrpcMethod {
  std::string_view name;
  const Absence& absence;
};

constexpr GrpcMethod kUnaryMethods[] = {
    {"InvokeBinding", kBinding},
    {"GetConfigurationAlpha1", kConfiguration},
    {"GetConfiguration", kConfiguration},
    {"UnsubscribeConfigurationAlpha1", kConfiguration},
    {"UnsubscribeConfiguration", kConfiguration},
    {"TryLockAlpha1", kLock},
    {"UnlockAlpha1", kLock},
    {"SubtleGetKeyAlpha1", kSubtle},
    {"SubtleEncryptAlpha1", kSubtle},
    {"SubtleDecryptAlpha1", kSubtle},
    {"SubtleWrapKeyAlpha1", kSubtle},
    {"SubtleUnwrapKeyAlpha1", kSubtle},
    {"SubtleSignAlpha1", kSubtle},
    {"SubtleVerifyAlpha1", kSubtle},
    {"StartWorkflowAlpha1", kActors},
    {"GetWorkflowAlpha1", kActors},
    {"PurgeWorkflowAlpha1", kActors},
    {"TerminateWorkflowAlpha1", kActors},
    {"PauseWorkflowAlpha1", kActors},
    {"ResumeWorkflowAlpha1", kActors},
    {"RaiseEventWorkflowAlpha1", kActors},
    {"StartWorkflowBeta1", kActors},
    {"GetWorkflowBeta1", kActors},
    {"PurgeWorkflowBeta1", kActors},
    {"TerminateWorkflowBeta1", kActors},
    {"PauseWorkflowBeta1", kActors},
    {"ResumeWorkflowBeta1", kActors},
    {"RaiseEventWorkflowBeta1", kActors},
    {"ConverseAlpha1", kConversation},
    {"ConverseAlpha2", kConversation},
};

constexpr GrpcMethod kStreamMethods[] = {
    {"SubscribeConfigurationAlpha1", kConfiguration},
    {"SubscribeConfiguration", kConfiguration},
    {"EncryptAlpha1", kCrypto},
    {"DecryptAlpha1", kCrypto},
};

/// The component that a request names, of those whose error tells it.
std::string named(const Absence& absence, const std::string& message) {
  // The name has the same place in all versions of a request.
  rt::InvokeBindingRequest binding;
  rt::ConversationRequestAlpha2 conversation;
  if (&absence == &kBinding && binding.ParseFromString(message)) return binding.name();
  if (&absence == &kConversation && conversation.ParseFromString(message)) {
    return conversation.name();
  }
  return {};
}

Task<Result<std::string>> refuse_call(const Absence& absence, std::string message) {
  co_return fail(error_of(absence, named(absence, message), Face::grpc));
}

Task<Result<>> refuse_stream(const Absence& absence) {
  co_return fail(error_of(absence, {}, Face::grpc));
}

}  // namespace

void add_http_routes(api::Router& router) {
  for (const HttpRoute& each : kHttpRoutes) add(router, each);
  add_below(router, "-alpha1", kSubtleRoutes);
  for (const std::string_view stage : {"", "-alpha1"}) {
    add_below(router, stage, kConfigurationRoutes);
    add_below(router, stage, kWorkflowRoutes);
  }
  add_below(router, "-beta1", kWorkflowRoutes);
}

void add_grpc_methods(net::grpc::Service& methods) {
  const std::string prefix = "/dapr.proto.runtime.v1.Dapr/";
  for (const GrpcMethod& each : kUnaryMethods) {
    methods.unary(prefix + std::string(each.name),
                  [&absence = each.absence](Call&, std::string message) {
                    return refuse_call(absence, std::move(message));
                  });
  }
  for (const GrpcMethod& each : kStreamMethods) {
    methods.stream(prefix + std::string(each.name),
                   [&absence = each.absence](Call&, net::grpc::ServerStream&) {
                     return refuse_stream(absence);
                   });
  }
}

}  // namespace outrigger::runtime::absent
