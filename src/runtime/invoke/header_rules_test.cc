#include "runtime/invoke/header_rules.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "runtime/invoke/status.h"

namespace outrigger::runtime::invoke {
namespace {

/// Without the context of an untraced call.
std::string listed(const net::Headers& headers) {
  std::string text;
  for (const Field field : headers) {
    const bool trace = field.name == "traceparent" || field.name == "grpc-trace-bin";
    if (trace) continue;
    text.append(field.name).append(": ").append(field.value).append("\n");
  }
  return text;
}

TEST(HttpRequest, BecomesMetadataInCanonicalCaseWithoutWhatWasObeyed) {
  EXPECT_EQ(listed(metadata_of_http_request({{"content-type", "a"},
                                             {"dapr-app-id", "x"},
                                             {"HOST", "h"},
                                             {"transfer-encoding", "chunked"},
                                             {"trailer", "t"},
                                             {"Connection", "close"},
                                             {"x-b", "1"},
                                             {"X-B", "2"},
                                             {"Dapr-Caller-App-Id", "forged"},
                                             {"dapr-caller-namespace", "forged"},
                                             {"dapr-callee-app-id", "forged"},
                                             {"HTTP2-Settings", "s"}})),
            "Content-Type: a\nConnection: close\nX-B: 1\nX-B: 2\nHttp2-Settings: s\n");
}

TEST(HttpApplication, GetsNoHeaderOfTheCallersConnection) {
  RequestView request;
  request.content_type = "text/plain";
  request.metadata = {{"Connection", "close, x-mine"},
                      {"X-Mine", "1"},
                      {"Keep-Alive", "1"},
                      {"Te", "trailers"},
                      {"Upgrade", "h2c"},
                      {"Proxy-Authorization", "p"},
                      {"Content-Type", "other"},
                      {"Content-Length", "5"},
                      {"destination-app-id", "d"},
                      {"X-Yours", "2"},
                      {"X-Data-Bin", "AAE="},
                      {"Baggage", "a=1"},
                      {"Baggage", "b=2"}};
  EXPECT_EQ(listed(http_request_headers(request, {})),
            "X-Yours: 2\nbaggage: a=1,b=2\nContent-Type: text/plain\n");
}

TEST(HttpApplication, IsToldByItsSidecarWhateverAConnectionNames) {
  RequestView request;
  request.metadata = {{"Connection", "dapr-caller-app-id, forwarded, x-forwarded-for, x-mine"},
                      {"X-Mine", "1"},
                      {"Forwarded", "for=a"},
                      {"X-Forwarded-For", "a"},
                      {"Dapr-Caller-App-Id", "caller"}};
  EXPECT_EQ(listed(http_request_headers(request, {})),
            "Forwarded: for=a\nX-Forwarded-For: a\nDapr-Caller-App-Id: caller\n");
}

TEST(HttpApplication, SeesTheReservedNamesOfGrpcWithAPrefix) {
  RequestView request;
  request.type_url = "t";
  request.content_type = "text/plain";
  request.metadata = {{"content-type", "application/grpc"},
                      {":authority", "a"},
                      {"grpc-accept-encoding", "gzip"},
                      {"user-agent", "grpc-go"}};
  EXPECT_EQ(listed(http_request_headers(request, {})),
            "Dapr-Authority: a\nDapr-Grpc-Accept-Encoding: gzip\nUser-Agent: grpc-go\n"
            "Content-Type: application/x-protobuf\n");
}

constexpr std::string_view kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr std::string_view kOther = "00-11111111111111111111111111111111-2222222222222222-00";

TEST(HttpApplication, GetsTheCallersTraceUnlessThereIsASpan) {
  RequestView request;
  request.metadata = {{"Traceparent", kParent}, {"Tracestate", "k=v"}};
  auto headers = http_request_headers(request, {});
  EXPECT_EQ(headers.value("traceparent"), kParent);
  EXPECT_EQ(headers.value("tracestate"), "k=v");
  const auto span = telemetry::parse_traceparent(kOther).value();
  headers = http_request_headers(request, span);
  EXPECT_EQ(headers.joined("traceparent"), kOther);
  EXPECT_EQ(headers.value("tracestate"), "k=v");
}

TEST(HttpApplication, GetsSeveralTracestatesAndBaggagesAsOneListEach) {
  RequestView request;
  request.metadata = {{"Baggage", "a=1;p, b=2"}, {"Traceparent", kParent},
                      {"Tracestate", "k=v,l=w"}, {"baggage", "c=3"},
                      {"tracestate", "m=x"},     {"TraceState", "n=y"}};
  const auto headers = http_request_headers(request, {});
  EXPECT_EQ(headers.joined("baggage", "|"), "a=1;p, b=2,c=3");
  EXPECT_EQ(headers.joined("tracestate", "|"), "k=v,l=w,m=x,n=y");
  Reply reply;
  for (const Field& field : request.metadata) reply.headers.add(field.name, field.value);
  const auto answer = http_reply_headers(reply, {});
  EXPECT_EQ(answer.joined("baggage", "|"), "a=1;p, b=2,c=3");
  EXPECT_EQ(answer.joined("tracestate", "|"), "k=v,l=w,m=x,n=y");
}

TEST(GrpcApplication, GetsSeveralTracestatesAsOneList) {
  const std::vector<Field> metadata = {{"Traceparent", kParent},
                                       {"Tracestate", "k=v"},
                                       {"Baggage", "a=1"},
                                       {"Tracestate", "l=w"},
                                       {"Baggage", "b=2"}};
  const auto sent = grpc_metadata(metadata, {}, HttpNames::prefix);
  EXPECT_EQ(sent.joined("tracestate", "|"), "k=v,l=w");
  EXPECT_EQ(sent.joined("baggage"), "a=1, b=2");
}

TEST(HttpApplication, SeesThatACallIsNotTraced) {
  constexpr std::string_view kZero = "00-00000000000000000000000000000000-0000000000000000-00";
  EXPECT_EQ(http_request_headers({}, {}).value("traceparent"), kZero);
  EXPECT_EQ(grpc_metadata({}, {}, HttpNames::prefix).value("traceparent"), kZero);
  EXPECT_EQ(grpc_metadata({}, {}, HttpNames::prefix).value("grpc-trace-bin").size(), 29U);
  EXPECT_TRUE(grpc_metadata({}, {}, HttpNames::keep).empty());
}

TEST(HttpApplication, GetsTheBinaryTraceOfAGrpcCaller) {
  const auto trace = telemetry::parse_traceparent(kParent).value();
  const auto bin = telemetry::encode_trace_bin(trace);
  const std::string text = base64_encode({bin.data(), bin.size()});
  RequestView request;
  request.metadata = {{"content-type", "application/grpc"}, {"grpc-trace-bin", text}};
  EXPECT_EQ(http_request_headers(request, {}).value("traceparent"), kParent);
}

TEST(HttpAnswer, BecomesMetadataWithoutLengthAndConnectionHeaders) {
  EXPECT_EQ(listed(metadata_of_http_response({{"content-length", "5"},
                                              {"Connection", "X-Hop"},
                                              {"x-hop", "1"},
                                              {"trailer", "t"},
                                              {"x-custom", "2"},
                                              {"Content-Type", "c"}})),
            "X-Custom: 2\nContent-Type: c\n");
}

TEST(HttpCaller, GetsTheAnswersHeadersOnly) {
  Reply reply;
  reply.status = 200;
  reply.content_type = "text/plain";
  reply.headers = {{"Content-Type", "x"}, {"X-A", "1"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}};
  EXPECT_EQ(listed(http_reply_headers(reply, {})),
            "X-A: 1\nSet-Cookie: a\nSet-Cookie: b\nContent-Type: text/plain\n");
}

TEST(GrpcApplication, GetsHttpNamesWithAPrefixAndBinaryValuesAsBytes) {
  RequestView request;
  request.metadata = {{"Content-Type", "a"}, {"Host", "h"},       {"X-A", "1"},
                      {"x-b-bin", "AAE="},   {"bad-bin", "%%%"},  {"destination-app-id", "d"},
                      {"X-C-Bin", "AAE="},   {"If-Match", "etag"}};
  const auto metadata = grpc_metadata(request.metadata, {}, HttpNames::prefix);
  EXPECT_EQ(listed(metadata), std::string("dapr-content-type: a\ndapr-host: h\nx-a: 1\nx-b-bin: ") +
                                  std::string("\0\1", 2) +
                                  "\nx-c-bin: AAE=\ndapr-if-match: etag\n");
  EXPECT_EQ(listed(grpc_metadata(request.metadata, {}, HttpNames::keep)).substr(0, 16),
            "content-type: a\n");
}

TEST(GrpcApplication, GetsTheTraceInBothForms) {
  RequestView request;
  request.metadata = {{"Traceparent", kParent}};
  const auto span = telemetry::parse_traceparent(kOther).value();
  const auto metadata = grpc_metadata(request.metadata, span, HttpNames::prefix);
  EXPECT_EQ(metadata.value("traceparent"), kParent);
  const auto decoded = telemetry::decode_trace_bin(metadata.value("grpc-trace-bin"));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(telemetry::format_traceparent(*decoded), kParent);
  EXPECT_EQ(grpc_metadata({}, span, HttpNames::keep).value("traceparent"), kOther);
}

TEST(GrpcApplication, IsPartOfTheSpanAndNotOfTheCallersOwnContext) {
  RequestView request;
  request.metadata = {{"Traceparent", kParent}, {"Tracestate", "k=v"}};
  const auto span = telemetry::parse_traceparent(kOther).value();
  const auto metadata = grpc_request_metadata(request, span);
  EXPECT_EQ(metadata.joined("traceparent"), kOther);
  EXPECT_EQ(metadata.value("tracestate"), "k=v");
  const auto bin = telemetry::encode_trace_bin(span);
  EXPECT_EQ(metadata.joined("grpc-trace-bin"), std::string_view(bin.data(), bin.size()));
  EXPECT_EQ(grpc_request_metadata(request, {}).value("traceparent"), kParent);
}

TEST(GrpcCall, BecomesMetadataWithPaddedBase64) {
  net::grpc::Call call;
  call.authority = "localhost";
  call.metadata = {{"content-type", "application/grpc"},
                   {"te", "trailers"},
                   {"grpc-timeout", "1S"},
                   {"x-bin", "AAE"},
                   {"dapr-caller-app-id", "forged"},
                   {"x", "y"},
                   {"user-agent", "ua"}};
  EXPECT_EQ(listed(metadata_of_grpc_call(call)),
            "content-type: application/grpc\nx-bin: AAE=\nx: y\nuser-agent: ua\n"
            ":authority: localhost\n");
}

TEST(Forwarding, AppendsItselfAndSaysWhoCallsWhom) {
  net::Headers metadata{{"X-Forwarded-For", "1.1.1.1"}, {"Dapr-Caller-App-Id", "forged"}};
  Forwarding("me", "ns", "10.0.0.1", "host").add_to(metadata, "you");
  EXPECT_EQ(metadata.joined("x-forwarded-for"), "1.1.1.1, 10.0.0.1");
  EXPECT_EQ(metadata.value("x-forwarded-host"), "host");
  EXPECT_EQ(metadata.value("forwarded"), "for=10.0.0.1;by=10.0.0.1;host=host");
  EXPECT_EQ(metadata.joined("dapr-caller-app-id"), "me");
  EXPECT_EQ(metadata.value("dapr-caller-namespace"), "ns");
  EXPECT_EQ(metadata.value("dapr-callee-app-id"), "you");
  EXPECT_EQ(metadata.value("destination-app-id"), "you");
}

TEST(Forwarding, QuotesIpv6) {
  net::Headers metadata;
  Forwarding("me", "ns", "fd00::1", "").add_to(metadata, "you");
  EXPECT_EQ(metadata.value("x-forwarded-for"), "fd00::1");
  EXPECT_EQ(metadata.value("forwarded"), "for=\"[fd00::1]\";by=\"[fd00::1]\"");
}

TEST(Status, OfHttpHasACode) {
  const std::pair<int, Code> kTable[] = {{200, Code::ok},
                                         {299, Code::ok},
                                         {300, Code::unknown},
                                         {400, Code::internal},
                                         {401, Code::unauthenticated},
                                         {403, Code::permission_denied},
                                         {404, Code::not_found},
                                         {408, Code::cancelled},
                                         {409, Code::already_exists},
                                         {429, Code::resource_exhausted},
                                         {500, Code::unknown},
                                         {501, Code::unimplemented},
                                         {503, Code::unavailable},
                                         {504, Code::deadline_exceeded},
                                         {502, Code::unknown},
                                         {999, Code::unknown}};
  for (const auto& [status, code] : kTable) EXPECT_EQ(code_of_http_status(status), code) << status;
}

TEST(Status, OfHttpAsAnErrorShowsTheBeginningOfTheBody) {
  const Error error = error_of_http_status(404, std::string(100, 'b'));
  EXPECT_EQ(error.code(), Code::not_found);
  EXPECT_EQ(error.message(), "Not Found");
  ASSERT_NE(error.details(), nullptr);
  EXPECT_EQ(error.details()->reason, "Not Found");
  EXPECT_EQ(error.details()->metadata.at("http.code"), "404");
  EXPECT_EQ(error.details()->metadata.at("http.error_message"), std::string(63, 'b'));
}

TEST(Status, OfARefusedCallIs403OverHttp) {
  const Error denied = direct_invoke_error("app", rpc_error(Code::permission_denied, "no"));
  EXPECT_EQ(denied.message(),
            "failed to invoke, id: app, err: rpc error: code = PermissionDenied desc = no");
  EXPECT_EQ(denied.http_status(), 403);
  EXPECT_EQ(denied.tag(), "ERR_DIRECT_INVOKE");
  EXPECT_EQ(direct_invoke_error("app", Error(Code::unknown, "x")).http_status(), 500);
}

}  // namespace
}  // namespace outrigger::runtime::invoke
