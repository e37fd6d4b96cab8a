#include "runtime/absent/absent.h"

#include "base/pch_test.h"
#include "base/scope.h"
#include "net/grpc/channel.h"

namespace outrigger::runtime::absent {
namespace {

std::string ask(std::string_view method, std::string_view path) {
  api::Router router;
  add_http_routes(router);
  auto match = router.find(method, path);
  if (!match || match->route == nullptr) return "no route";
  api::HttpCall call;
  call.params = std::move(match->params);
  Loop loop;
  const net::Response response =
      run_on(loop, const_cast<api::HttpHandler&>(match->route->handler)(call));
  EXPECT_TRUE(response.error);
  return std::to_string(response.status) + " " + response.body.whole;
}

TEST(Absent, HttpAnswersAsWhereNothingIsConfigured) {
  const std::string actors = R"(400 {"errorCode":"ERR_ACTOR_NO_PLACEMENT",)"
                             R"("message":"placement service is not configured"})";
  EXPECT_EQ(ask("POST", "/v1.0-beta1/workflows/dapr/w/start"), actors);
  EXPECT_EQ(ask("GET", "/v1.0/workflows/dapr/id"), actors);
  EXPECT_EQ(ask("POST", "/v1.0-alpha1/workflows/dapr/id/raiseEvent/e"), actors);
  EXPECT_EQ(ask("POST", "/v1.0/bindings/b"),
            R"(500 {"errorCode":"ERR_INVOKE_OUTPUT_BINDING","message":"error invoking output )"
            R"(binding b: couldn't find output binding b"})");
  const std::string configuration = R"(500 {"errorCode":"ERR_CONFIGURATION_STORE_NOT_CONFIGURED",)"
                                    R"("message":"configuration stores not configured"})";
  EXPECT_EQ(ask("GET", "/v1.0/configuration/c"), configuration);
  EXPECT_EQ(ask("GET", "/v1.0-alpha1/configuration/c/id/unsubscribe"), configuration);
  EXPECT_EQ(ask("POST", "/v1.0-alpha1/unlock/l"),
            R"(500 {"errorCode":"ERR_LOCK_STORE_NOT_CONFIGURED",)"
            R"("message":"lock store is not configured"})");
  EXPECT_EQ(ask("POST", "/v1.0-alpha1/subtlecrypto/c/sign"),
            R"(501 {"errorCode":"ERR_API_UNIMPLEMENTED",)"
            R"("message":"this API is currently not implemented"})");
  EXPECT_EQ(ask("PUT", "/v1.0-alpha1/crypto/c/encrypt"),
            R"(500 {"errorCode":"ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",)"
            R"("message":"crypto providers not configured"})");
  EXPECT_EQ(ask("POST", "/v1.0-alpha2/conversation/c/converse"),
            R"(400 {"errorCode":"ERR_CONVERSATION_NOT_FOUND",)"
            R"("message":"failed finding conversation component c"})");
}

TEST(Absent, OtherMethodsAreNoRoutes) {
  EXPECT_EQ(ask("GET", "/v1.0/bindings/b"), "no route");
  EXPECT_EQ(ask("GET", "/v1.0-beta1/configuration/c"), "no route");
}

/// The status of a call with the given message.
net::grpc::Status call(std::string_view method, std::string_view message) {
  net::grpc::Service service;
  add_grpc_methods(service);
  net::Request request;
  request.method = "POST";
  request.target = "/dapr.proto.runtime.v1.Dapr/" + std::string(method);
  request.headers.add("content-type", "application/grpc");
  request.body.whole = std::string(4, '\0') + static_cast<char>(message.size());
  request.body.whole += message;
  Loop loop;
  const net::Response response = run_on(loop, service.handle(std::move(request)));
  run_on(loop, service.drain());
  return net::grpc::status_of_response(response, response.body.trailers);
}

TEST(Absent, GrpcAnswersAsWhereNothingIsConfigured) {
  EXPECT_EQ(call("StartWorkflowBeta1", "").code, Code::unavailable);
  EXPECT_EQ(call("GetWorkflowBeta1", "").message, "placement service is not configured");
  EXPECT_EQ(call("SubtleSignAlpha1", "").code, Code::unimplemented);
  EXPECT_EQ(call("TryLockAlpha1", "").code, Code::failed_precondition);
  EXPECT_EQ(call("EncryptAlpha1", "").message, "crypto providers not configured");
  EXPECT_EQ(call("SubscribeConfiguration", "").code, Code::failed_precondition);
  EXPECT_EQ(call("InvokeBinding", "\x0a\x01g").message,
            "error invoking output binding g: couldn't find output binding g");
  EXPECT_EQ(call("ConverseAlpha1", "\x0a\x01h").message, "failed finding conversation component h");
  EXPECT_TRUE(call("ConverseAlpha1", "").details_bin.empty());
  EXPECT_NE(call("InvokeBinding", "").details_bin.find("ERR_INVOKE_OUTPUT_BINDING"),
            std::string::npos);
}

}  // namespace
}  // namespace outrigger::runtime::absent
