#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/log.h"
#include "components/clients/wasm/testing.h"
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

/// A policy as OPA compiles them, put together by hand: it answers with `result` to any input.
struct Compiled {
  std::string result = R"([{"result":true}])";
  std::string builtins = "{}";
  std::string entrypoints = R"({"http/allow":0,"other":1})";
  std::string on_eval;  ///< Code that runs before.

  [[nodiscard]] std::string bytes() const {
    using wasm::leb, wasm::sized, wasm::sleb, wasm::vec;
    const auto number = [](std::int64_t value) { return '\x41' + sleb(value); };
    const std::string i32("\x7f");
    const auto type = [&](int parameters, bool result) {
      std::vector<std::string> list(static_cast<std::size_t>(parameters), i32);
      return '\x60' + vec(list) + (result ? "\x01\x7f" : std::string(1, '\0'));
    };
    std::string data;
    const auto text = [&](const std::string& words) {
      const auto at = static_cast<std::int64_t>(data.size());
      data += words + '\0';
      return number(at);
    };
    const std::string end = "\x0b";
    const auto body = [&](const std::string& code) {
      return sized(std::string(1, '\0') + code + end);
    };
    struct Row {
      const char* name;
      int type;
      std::string code;
    };
    const std::vector<Row> rows{{"opa_malloc", 1, number(4096)},
                                {"opa_json_parse", 2, number(0)},
                                {"opa_json_dump", 1, std::string("\x20\x00", 2)},
                                {"builtins", 0, text(builtins)},
                                {"entrypoints", 0, text(entrypoints)},
                                {"opa_heap_ptr_get", 0, number(8192)},
                                {"opa_heap_ptr_set", 4, ""},
                                {"opa_eval", 3, on_eval + text(result)}};
    std::vector<std::string> types, exports, codes;
    std::uint32_t index = 1;  // After opa_abort.
    for (const Row& row : rows) {
      types.push_back(leb(static_cast<std::uint32_t>(row.type)));
      exports.push_back(sized(row.name) + '\0' + leb(index++));
      codes.push_back(body(row.code));
    }
    wasm::Binary binary;
    binary.section(
        1, vec({type(0, true), type(1, true), type(2, true), type(7, true), type(1, false)}));
    binary.section(2, vec({sized("env") + sized("memory") + std::string("\x02\x00\x02", 3),
                           sized("env") + sized("opa_abort") + '\0' + leb(4)}));
    binary.section(3, vec(types));
    binary.section(7, vec(exports));
    binary.section(10, vec(codes));
    binary.section(11, vec({std::string("\x00\x41\x00\x0b", 4) + sized(data)}));
    return binary.bytes;
  }
};

/// Its one request, by a policy from a server; or why it was not opened.
std::string by(const Compiled& policy, Properties more = {}) {
  CannedServer server([&](const std::string&) {
    return CannedServer::reply(200, "application/wasm", policy.bytes());
  });
  more.insert({"policyURL", server.url() + "/policy.wasm"});
  Rig rig("middleware.http.opa", more);
  if (!rig.error().empty()) return rig.error();
  const auto opened = run_on(rig.loop(), rig.get()->init());
  if (!opened) run_on(rig.loop(), rig.get()->close());
  if (!opened) return opened.error().message();
  std::string statuses;
  for (const auto& response : rig.send_many("/a", 3)) {
    statuses += std::to_string(response.status) +
                (response.headers.contains("x-dapr-opa-error") ? "! " : " ");
  }
  return statuses;
}

TEST(Opa, EvaluatesWhatOpaHasCompiled) {
  const LogCapture quiet;
  EXPECT_EQ(by({}), "200 200 200 ");
  EXPECT_EQ(by({.result = R"([{"result":false}])"}), "403 403 403 ");
  EXPECT_EQ(by({.result = R"([{"result":{"allow":false,"status_code":418}}])"}), "418 418 418 ");
  for (const char* result : {"[]", "{", "", R"([{"result":7}])", "true"}) {
    EXPECT_EQ(by({.result = result}), "403! 403! 403! ") << result;
  }
  const std::string aborts = std::string("\x41\x00\x10\x00", 4);
  EXPECT_EQ(by({.on_eval = aborts}), "403! 403! 403! ");
  EXPECT_EQ(by({.on_eval = std::string(1, '\0')}), "403! 403! 403! ");
  EXPECT_EQ(by({}, {{"opaDecision", "other"}}), "200 200 200 ");
  EXPECT_THAT(by({}, {{"opaDecision", "none"}}), HasSubstr("it has no entrypoint none"));
  EXPECT_THAT(by({.builtins = R"({"http.send":0})"}),
              HasSubstr("functions that only OPA itself has (http.send)"));
  EXPECT_THAT(by({}, {{"opaURL", "http://localhost"}}), HasSubstr("'policyURL'"));
}

}  // namespace
}  // namespace outrigger::components::middleware
