#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/log.h"
#include "components/middleware/rig_testing.h"

namespace outrigger::components::middleware {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kJson = "application/json";

/// A server that takes policies and answers each question with that result.
CannedServer::Answer says(std::string result, int status = 200) {
  return [result, status](const std::string& request) {
    if (request.starts_with("PUT")) return CannedServer::reply(200, kJson, "{}");
    return CannedServer::reply(status, kJson, result);
  };
}

Properties with(const std::string& url, Properties more = {}) {
  more.insert({{"opaURL", url + "/"}, {"rego", "package http\ndefault allow = true\n"}});
  return more;
}

TEST(Opa, SaysWhatItNeeds) {
  EXPECT_THAT(Rig("middleware.http.opa", {{"rego", "package http"}}).error(),
              HasSubstr("set the metadata field 'opaURL'"));
  for (const char* status : {"99", "600", "-1", "x"}) {
    EXPECT_NE(
        Rig("middleware.http.opa", with("http://localhost", {{"defaultStatus", status}})).error(),
        "");
  }
  EXPECT_NE(Rig("middleware.http.opa", {{"opaURL", "localhost:8181"}}).error(), "");
}

TEST(Opa, GivesThePolicyToTheServerAndTheRequestToThePolicy) {
  CannedServer server(says(R"({"result":true})"));
  Rig rig("middleware.http.opa",
          with(server.url(), {{"includedHeaders", "x-my-Header, other,"}, {"readBody", "true"}}),
          "po licy");
  rig.method = "POST";
  const net::Headers headers{{"X-MY-header", "a"}, {"x-my-header", "b"}, {"Secret", "s"}};
  EXPECT_EQ(rig.send("/allow/a%20b/?x=1&x=2&y=%26", headers, "the \"body\"").status, 200);
  EXPECT_EQ(rig.seen->body.whole, "the \"body\"");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_THAT(requests[0], StartsWith("PUT /v1/policies/dapr/default/app/po%20licy HTTP/1.1"));
  EXPECT_THAT(requests[0], HasSubstr("\r\n\r\npackage http\ndefault allow = true\n"));
  EXPECT_THAT(requests[1], StartsWith("POST /v1/data/http/allow HTTP/1.1"));
  EXPECT_THAT(
      requests[1],
      HasSubstr("\r\n\r\n"
                R"({"input":{"request":{"method":"POST","path":"/allow/a b/","path_parts":)"
                R"(["allow","a b"],"raw_query":"x=1\u0026x=2\u0026y=%26","query":{"x":["1","2"],)"
                R"("y":["\u0026"]},"headers":{"X-My-Header":"a, b"},"scheme":"",)"
                R"("body":"the \"body\""}}})"));
}

TEST(Opa, DoesAsThePolicySays) {
  struct Case {
    const char* result;
    int status;
    const char* text;
    const char* header;
  };
  for (const Case& one :
       {Case{R"({"result":true,"decision_id":"x"})", 200, "/a", ""},
        Case{R"({"result":false})", 403, "Forbidden", ""},
        Case{R"({"result":{"allow":false,"status_code":301,)"
             R"("additional_headers":{"x-to":"there"}}})",
             301, "Moved Permanently", "there"},
        Case{R"({"result":{"allow":false,"status_code":599}})", 500, "Internal Server Error", ""},
        Case{R"({"result":{"status_code":401}})", 401, "Unauthorized", ""}}) {
    CannedServer server(says(one.result));
    Rig rig("middleware.http.opa", with(server.url()));
    const auto response = rig.send("/a");
    EXPECT_EQ(response.status, one.status) << one.result;
    EXPECT_EQ(response.body.whole, one.text);
    EXPECT_EQ(response.headers.value("x-to"), one.header);
    EXPECT_FALSE(response.headers.contains("x-dapr-opa-error"));
  }
  CannedServer server(says(R"({"result":{"allow":true,"additional_headers":{"x-user":"joe"}}})"));
  Rig rig("middleware.http.opa", with(server.url()));
  EXPECT_EQ(rig.send("/a", {{"X-User", "forged"}}).status, 200);
  EXPECT_EQ(rig.seen->headers.joined("x-user"), "joe");
}

TEST(Opa, RefusesWhenItCannotTell) {
  const LogCapture quiet;
  for (const char* result :
       {"{}", R"({"result":1})", R"({"result":"true"})", R"({"result":null})", R"({"result":[]})",
        R"({"result":{"allow":"yes"}})", R"({"result":{"allow":true,"status_code":"a"}})",
        R"({"result":{"allow":true,"status_code":1e99}})",
        R"({"result":{"allow":true,"additional_headers":{"a":"b\r\nX: y"}}})",
        R"({"result":{"allow":true,"additional_headers":{"a b":"c"}}})",
        R"({"result":{"allow":true,"additional_headers":[1]}})", "", "{\"result\":true", "true"}) {
    CannedServer server(says(result));
    Rig rig("middleware.http.opa", with(server.url(), {{"defaultStatus", "451"}}));
    const auto response = rig.send("/a");
    EXPECT_EQ(response.status, 451) << result;
    EXPECT_EQ(response.headers.value("x-dapr-opa-error"), "true");
    EXPECT_EQ(rig.seen, std::nullopt);
  }
  CannedServer failing(says(R"({"result":true})", 500));
  Rig rig("middleware.http.opa", with(failing.url()));
  EXPECT_EQ(rig.send("/a").status, 403);
  CannedServer huge(says(R"({"result":true,"x":")" + std::string(2U << 20, 'x') + "\"}"));
  Rig other("middleware.http.opa", with(huge.url()));
  EXPECT_EQ(other.send("/a").status, 403);
}

}  // namespace
}  // namespace outrigger::components::middleware
