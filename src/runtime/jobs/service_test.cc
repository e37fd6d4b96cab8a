#include "runtime/jobs/service.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/scope.h"
#include "dapr/proto/runtime/v1/appcallback.pb.h"
#include "runtime/api/router.h"
#include "runtime/app/channel.h"
#include "runtime/jobs/grpc.h"
#include "runtime/jobs/http.h"

namespace outrigger::runtime::jobs {
namespace {

namespace pb = ::dapr::proto::runtime::v1;
using scheduler::Outcome;

/// An application that answers what the test says, and keeps what it was asked.
class FakeApp final : public app::Channel {
 public:
  explicit FakeApp(bool grpc) : grpc_(grpc) {}
  bool is_grpc() const noexcept override { return grpc_; }
  const app::ChannelOptions& options() const noexcept override { return options_; }
  Task<Result<net::Response>> http(net::Request request) override {
    requests.push_back(std::move(request));
    if (error) co_return fail(*error);
    net::Response response;
    response.status = status;
    response.body = "ignored";
    co_return response;
  }
  Task<Result<net::grpc::Reply>> grpc(std::string path, std::string message,
                                      net::grpc::CallOptions) override {
    paths.push_back(std::move(path));
    messages.push_back(std::move(message));
    if (error) co_return fail(*error);
    net::grpc::Reply reply;
    reply.status.code = codes.at(paths.size() - 1);
    co_return reply;
  }
  Task<Result<net::Response>> proxy(net::Request) override {
    co_return fail(Code::unimplemented, "no");
  }
  Task<void> close() override { co_return; }

  int status = 200;
  std::vector<Code> codes = {Code::ok};
  std::optional<Error> error;
  std::vector<net::Request> requests;
  std::vector<std::string> paths, messages;

 private:
  bool grpc_;
  app::ChannelOptions options_;
};

/// A service whose scheduler is disabled, on a loop that runs when it is asked.
struct Fixture {
  Fixture() {
    const scheduler::Service::Settings who{"me", "default", nullptr};
    jobs = std::make_unique<scheduler::Service>(who);
    service = std::make_unique<Service>(Service::Settings{"me", "default"}, *jobs);
    add_http_routes(router, *service);
    add_grpc_methods(methods, *service);
    scheduler::Cluster cluster(loops, {jobs.get()}, {});
    cluster.start();  // No addresses.
    loops[0].post([this] { posted = true; });
    loops[0].run_until([this] { return posted; });
    run_on(loops[0], cluster.close());
  }
  ~Fixture() {
    run_on(loops[0], methods.drain());
    run_on(loops[0], jobs->close());
  }
  Outcome trigger(app::Channel* app, std::optional<scheduler::Any> data = std::nullopt,
                  const std::string& name = "feed") {
    service->set_app(app);
    scheduler::Trigger due{name, {}, std::move(data)};
    return run_on(loops[0], service->trigger(std::move(due)));
  }
  std::string http(std::string_view method, std::string_view path, std::string body = {}) {
    auto match = router.find(method, path);
    if (!match || match->route == nullptr) return "no route";
    api::HttpCall call;
    call.params = std::move(match->params);
    call.request.body = std::move(body);
    const net::Response response =
        run_on(loops[0], const_cast<api::HttpHandler&>(match->route->handler)(call));
    return std::to_string(response.status) + " " + response.body.whole;
  }
  net::grpc::Status grpc(std::string_view method, std::string_view message) {
    net::Request request;
    request.method = "POST";
    request.target = "/dapr.proto.runtime.v1.Dapr/" + std::string(method);
    request.headers.add("content-type", "application/grpc");
    request.body.whole = std::string(4, '\0') + static_cast<char>(message.size());
    request.body.whole += message;
    const net::Response response = run_on(loops[0], methods.handle(std::move(request)));
    return net::grpc::status_of_response(response, response.body.trailers);
  }
  const LogCapture quiet;
  Loops loops{1};
  bool posted = false;
  std::unique_ptr<scheduler::Service> jobs;
  std::unique_ptr<Service> service;
  api::Router router;
  net::grpc::Service methods;
};

std::string rich(int status, std::string_view reason, std::string_view message,
                 std::string_view metadata = R"({"appID":"me","namespace":"default"})") {
  const std::string code(reason);
  const std::string type = "type.googleapis.com/google.rpc.ErrorInfo";
  return std::to_string(status) + R"( {"errorCode":")" + code + R"(","message":")" +
         std::string(message) + R"(","details":[{"@type":")" + type +
         R"(","domain":"dapr.io","metadata":)" + std::string(metadata) + R"(,"reason":")" + code +
         R"("}]})";
}

TEST(Jobs, HttpTellsWhatIsWrongInTheRequest) {
  Fixture api;
  for (const std::string base : {"/v1.0/jobs/", "/v1.0-alpha1/jobs/"}) {
    EXPECT_EQ(api.http("POST", base + "feed", "{}"),
              rich(400, "DAPR_SCHEDULER_SCHEDULE_EMPTY", "Schedule is empty"));
    EXPECT_EQ(api.http("POST", base + "%20", R"({"schedule":"@daily"})"),
              rich(400, "DAPR_SCHEDULER_JOB_NAME_EMPTY", "Name is empty"));
    EXPECT_EQ(api.http("POST", base + "feed", R"({"name":"feed","schedule":"@daily"})"),
              rich(400, "DAPR_SCHEDULER_JOB_NAME", "Set the job name in the url only",
                   R"({"appID":"me"})"));
    const std::string broken = api.http("POST", base + "feed", "{");
    EXPECT_TRUE(broken.starts_with(R"(400 {"errorCode":"ERR_MALFORMED_REQUEST","message":)"));
    EXPECT_NE(broken.find("failed deserializing HTTP body: proto: "), std::string::npos);
  }
  EXPECT_EQ(api.http("PUT", "/v1.0/jobs/feed", "{}"), "no route");
}

TEST(Jobs, WithoutASchedulerEachOperationSaysSo) {
  Fixture api;
  EXPECT_EQ(api.http("POST", "/v1.0/jobs/feed", R"({"schedule":"@daily"})"),
            rich(500, "DAPR_SCHEDULER_SCHEDULE_JOB",
                 "failed to schedule job due to: scheduler clients are disabled"));
  EXPECT_EQ(api.http("GET", "/v1.0/jobs/feed"),
            rich(500, "DAPR_SCHEDULER_GET_JOB",
                 "failed to get job due to: scheduler clients are disabled"));
  EXPECT_EQ(api.http("DELETE", "/v1.0-alpha1/jobs/feed"),
            rich(500, "DAPR_SCHEDULER_DELETE_JOB",
                 "failed to delete job due to: scheduler clients are disabled"));
  for (const char* method : {"ListJobs", "ListJobsAlpha1"}) {
    const auto status = api.grpc(method, "");
    EXPECT_EQ(status.code, Code::internal);
    EXPECT_EQ(status.message, "failed to list jobs due to: scheduler clients are disabled");
    EXPECT_NE(status.details_bin.find("DAPR_SCHEDULER_LIST_JOBS"), std::string::npos);
  }
  EXPECT_EQ(api.grpc("DeleteJobsByPrefixAlpha1", "").message,
            "failed to delete job due to: scheduler clients are disabled");
  EXPECT_EQ(api.grpc("DeleteJobsByPrefix", "").code, Code::internal);
}

TEST(Jobs, GrpcTellsWhatIsWrongInTheRequest) {
  Fixture api;
  for (const std::string stage : {"", "Alpha1"}) {
    auto status = api.grpc("ScheduleJob" + stage, "");
    EXPECT_EQ(status.code, Code::invalid_argument);
    EXPECT_EQ(status.message, "Job is empty");
    EXPECT_NE(status.details_bin.find("DAPR_SCHEDULER_EMPTY"), std::string::npos);
    status = api.grpc("ScheduleJob" + stage, std::string_view("\x0a\0", 2));
    EXPECT_EQ(status.message, "Name is empty");
    status = api.grpc("ScheduleJob" + stage, "\x0a\x03\x0a\x01n");
    EXPECT_EQ(status.message, "Schedule is empty");
    EXPECT_EQ(api.grpc("GetJob" + stage, "").message, "Name is empty");
    EXPECT_EQ(api.grpc("DeleteJob" + stage, "").message, "Name is empty");
    EXPECT_EQ(api.grpc("ScheduleJob" + stage, "\x0a\xff").code, Code::internal);
  }
}

TEST(Jobs, AnHttpApplicationGetsTheJobAsItsJson) {
  Fixture api;
  FakeApp app(false);
  const scheduler::Any value{"type.googleapis.com/google.protobuf.Value", "\x1a\x02hi"};
  EXPECT_EQ(api.trigger(&app, value), Outcome::success);
  ASSERT_EQ(app.requests.size(), 1U);
  EXPECT_EQ(app.requests[0].method, "POST");
  EXPECT_EQ(app.requests[0].target, "/job/feed");
  EXPECT_EQ(app.requests[0].headers.value("Content-Type"), "application/json");
  EXPECT_EQ(app.requests[0].body.whole, "\"hi\"");
  EXPECT_EQ(api.trigger(&app, scheduler::Any{"other", " raw\n"}), Outcome::success);
  EXPECT_EQ(app.requests[1].body.whole, "raw");
  EXPECT_EQ(api.trigger(&app), Outcome::success);
  EXPECT_EQ(app.requests[2].body.whole, "");
}

TEST(Jobs, TheHttpStatusDecides) {
  Fixture api;
  FakeApp app(false);
  for (const int status : {200, 204, 299, 404}) {
    app.status = status;
    EXPECT_EQ(api.trigger(&app), Outcome::success) << status;
  }
  for (const int status : {301, 400, 410, 500, 503}) {
    app.status = status;
    EXPECT_EQ(api.trigger(&app), Outcome::failed) << status;
  }
  app.error = Error(Code::unavailable, "refused");
  EXPECT_EQ(api.trigger(&app), Outcome::failed);
  EXPECT_EQ(api.trigger(nullptr), Outcome::failed);
}

TEST(Jobs, DataThatCannotBeToldIsAFailure) {
  Fixture api;
  FakeApp app(false);
  const scheduler::Any broken{"type.googleapis.com/google.protobuf.Value", "\xff"};
  EXPECT_EQ(api.trigger(&app, broken), Outcome::failed);
  EXPECT_EQ(api.trigger(&app, std::nullopt, "100%"), Outcome::failed);
  EXPECT_TRUE(app.requests.empty());
}

TEST(Jobs, AGrpcApplicationIsCalledByTheStableNameAndThenByTheOld) {
  Fixture api;
  FakeApp app(true);
  app.codes = {Code::unimplemented, Code::ok};
  EXPECT_EQ(api.trigger(&app, scheduler::Any{"type", " raw "}), Outcome::success);
  ASSERT_EQ(app.paths.size(), 2U);
  EXPECT_EQ(app.paths[0], "/dapr.proto.runtime.v1.AppCallback/OnJobEvent");
  EXPECT_EQ(app.paths[1], "/dapr.proto.runtime.v1.AppCallbackAlpha/OnJobEventAlpha1");
  pb::JobEventRequest request;
  ASSERT_TRUE(request.ParseFromString(app.messages[1]));
  EXPECT_EQ(request.name(), "feed");
  EXPECT_EQ(request.method(), "job/feed");
  EXPECT_EQ(request.content_type(), "type");
  EXPECT_EQ(request.data().value(), " raw ");
  EXPECT_EQ(request.http_extension().verb(), ::dapr::proto::common::v1::HTTPExtension::POST);
}

TEST(Jobs, TheGrpcStatusDecides) {
  Fixture api;
  const auto outcome = [&](std::vector<Code> codes) {
    FakeApp app(true);
    app.codes = std::move(codes);
    return api.trigger(&app);
  };
  EXPECT_EQ(outcome({Code::ok}), Outcome::success);
  EXPECT_EQ(outcome({Code::not_found}), Outcome::success);
  EXPECT_EQ(outcome({Code::internal}), Outcome::failed);
  EXPECT_EQ(outcome({Code::unimplemented, Code::unimplemented}), Outcome::failed);
}

}  // namespace
}  // namespace outrigger::runtime::jobs
