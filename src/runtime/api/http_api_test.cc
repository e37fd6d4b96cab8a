#include "runtime/api/http_api.h"

#include <cstdio>
#include <fstream>

#include "base/log.h"
#include "base/pch_test.h"
#include "base/scope.h"
#include "runtime/api/render.h"

namespace outrigger::runtime::api {
namespace {

/// The API with one route, /v1.0/things/{name*}, that answers with `answer`.
struct World {
  Loop loop;
  telemetry::RuntimeMetrics metrics{{.app_id = "me", .record_error_codes = true}};
  std::shared_ptr<HttpApiSettings> settings = std::make_shared<HttpApiSettings>();
  Router router;
  net::Response answer;
  HttpApi api{settings, router, metrics};

  World() {
    Route route;
    route.methods = "ANY";
    route.pattern = "/v1.0/things/{name*}";
    route.group = "things";
    route.version = "v1";
    route.name = "GetThing";
    route.handler = [this](HttpCall&) { return give(this); };
    router.add(std::move(route));
  }
  static Task<net::Response> give(World* self) { co_return std::move(self->answer); }
  static Task<net::Response> ask(HttpApi* api, std::string target) {
    net::Request request;
    request.method = "GET";
    request.target = std::move(target);
    auto response = co_await api->handle(std::move(request));
    co_return response;
  }
  net::Response get(std::string target) { return run_on(loop, ask(&api, std::move(target))); }
  [[nodiscard]] bool scraped(const std::string& line) const {
    return metrics.render().find(line + "\n") != std::string::npos;
  }
};

constexpr const char* kCount =
    R"(dapr_http_server_request_count{app_id="me",method="GET",path="/v1.0/things/a",)"
    R"(status="200"} )";
constexpr const char* kBytes = R"(dapr_http_server_response_bytes_sum{app_id="me"} )";

TEST(HttpApi, AWholeAnswerIsCountedWhenItIsGiven) {
  World world;
  world.answer.body = "12345";
  world.get("/v1.0/things/a");
  EXPECT_TRUE(world.scraped(kCount + std::string("1"))) << world.metrics.render();
  EXPECT_TRUE(world.scraped(kBytes + std::string("5")));
}

TEST(HttpApi, AStreamedAnswerIsCountedAtItsEndWithAllItsBytes) {
  World world;
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::string_view("123"));
  world.answer.body = net::Body(pipe);
  const net::Response response = world.get("/v1.0/things/a");
  EXPECT_EQ(pipe->take(), "123");
  EXPECT_FALSE(world.scraped(kCount + std::string("1"))) << world.metrics.render();
  pipe->push(std::string_view("45"));
  pipe->finish();
  EXPECT_TRUE(world.scraped(kCount + std::string("1"))) << world.metrics.render();
  EXPECT_TRUE(world.scraped(kBytes + std::string("5")));
}

TEST(HttpApi, AStreamedAnswerThatBreaksOffIsCountedOnce) {
  World world;
  auto pipe = std::make_shared<net::Pipe>();
  world.answer.body = net::Body(pipe);
  world.get("/v1.0/things/a");
  pipe->push(std::string_view("12"));
  EXPECT_EQ(pipe->take(), "12");
  pipe->push(std::string_view("lost"));
  pipe->close();
  pipe->abort(Error(Code::unavailable, "gone"));
  EXPECT_TRUE(world.scraped(kCount + std::string("1"))) << world.metrics.render();
  EXPECT_TRUE(world.scraped(kBytes + std::string("2")));
}

TEST(HttpApi, ARestOfAPathIsNotEmpty) {
  World world;
  EXPECT_EQ(world.get("/v1.0/things/").status, 404);
  EXPECT_EQ(world.get("/v1.0/things").status, 404);
  EXPECT_EQ(world.get("/v1.0/things//").status, 404);
  EXPECT_EQ(world.get("/v1.0/things/a/").status, 200);
}

TEST(HttpApi, PathsAreCountedDecoded) {
  World world;
  world.get("//v1.0/things/%61?x=%62");
  EXPECT_TRUE(world.scraped(kCount + std::string("1"))) << world.metrics.render();
}

/// What is logged of one call.
std::string logged(bool obfuscate, net::Body body) {
  const std::string file = testing::TempDir() + "http_api_test.log";
  std::remove(file.c_str());
  EXPECT_TRUE(configure_logging({.as_json = true, .file = file}));
  World world;
  world.settings->log_calls = true;
  world.settings->obfuscate_urls = obfuscate;
  world.answer.body = std::move(body);
  world.get("//v1.0/things/a%20b");
  EXPECT_TRUE(configure_logging({}));
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(HttpApi, TheLogTellsThePathAsItCame) {
  const std::string line = logged(false, "1234");
  EXPECT_NE(line.find(R"("method":"GET //v1.0/things/a b")"), std::string::npos) << line;
  EXPECT_NE(line.find(R"("size":4)"), std::string::npos) << line;
}

TEST(HttpApi, TheLogTellsOnlyTheNameIfPathsAreNotToBeTold) {
  const std::string line = logged(true, "");
  EXPECT_NE(line.find(R"("method":"GetThing")"), std::string::npos) << line;
  EXPECT_EQ(line.find("things"), std::string::npos) << line;
}

TEST(HttpApi, TheLogTellsTheSizeOfAStream) {
  auto pipe = std::make_shared<net::Pipe>();
  pipe->push(std::string_view("123456"));
  pipe->finish();
  const std::string line = logged(false, net::Body(pipe));
  EXPECT_NE(line.find(R"("size":6)"), std::string::npos) << line;
}

}  // namespace
}  // namespace outrigger::runtime::api
