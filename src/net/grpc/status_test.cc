#include "net/grpc/status.h"

#include "base/base64.h"
#include "base/hex.h"

namespace outrigger::net::grpc {
namespace {

// Made with the errors package of upstream and google.golang.org/protobuf.
constexpr std::string_view kRichHex =
    "0803120a626164206b657920c3bc1a3e0a29747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270"
    "63"
    "2e4261645265717565737412110a0f0a036b65791208746f6f206c6f6e671a4c0a23747970652e676f6f676c656170"
    "69"
    "732e636f6d2f676f6f676c652e7270632e48656c7012250a230a09736565207468657265121668747470733a2f2f64"
    "6f"
    "63732e646170722e696f2f781a440a2b747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e"
    "52"
    "65736f75726365496e666f12150a057374617465120673746f7265312204646573631a510a28747970652e676f6f67"
    "6c"
    "65617069732e636f6d2f676f6f676c652e7270632e4572726f72496e666f12250a0e444150525f53544154455f4241"
    "44"
    "1207646170722e696f1a0a0a056170704944120161";

Error rich_error() {
  ErrorDetails details;
  details.reason = "DAPR_STATE_BAD";
  details.metadata = {{"appID", "a"}};
  details.resources = {{"state", "store1", "", "desc"}};
  details.field_violations = {{"key", "too long"}};
  details.help_links = {{"see there", "https://docs.dapr.io/x"}};
  return Error(Code::invalid_argument, "bad key ü").with_details(std::move(details));
}

TEST(GrpcStatus, DetailsAreWrittenByteForByteAsUpstreamWritesThem) {
  const Status status = to_status(rich_error());
  EXPECT_EQ(hex_encode(status.details_bin), kRichHex);
}

TEST(GrpcStatus, TrailersCarryCodeMessageAndDetails) {
  Headers trailers;
  append_status(trailers, to_status(rich_error()));
  ASSERT_EQ(trailers.size(), 3U);
  EXPECT_EQ(trailers.value("grpc-status"), "3");
  EXPECT_EQ(trailers.value("grpc-message"), "bad key %C3%BC");
  EXPECT_TRUE(trailers.value("grpc-status-details-bin").starts_with("CAMSCmJhZCBrZXkgw7wa"));
}

TEST(GrpcStatus, AnErrorSurvivesTheWire) {
  Headers trailers;
  append_status(trailers, to_status(rich_error()));
  const Error error = to_error(status_of(trailers));
  EXPECT_EQ(error.code(), Code::invalid_argument);
  EXPECT_EQ(error.message(), "bad key ü");
  ASSERT_NE(error.details(), nullptr);
  EXPECT_EQ(error.details()->reason, "DAPR_STATE_BAD");
  EXPECT_EQ(error.details()->metadata.at("appID"), "a");
  EXPECT_EQ(error.details()->resources.at(0).description, "desc");
  EXPECT_EQ(error.details()->field_violations.at(0).description, "too long");
  EXPECT_EQ(error.details()->help_links.at(0).url, "https://docs.dapr.io/x");
}

TEST(GrpcStatus, TheDomainOfAnotherProgramsErrorIsKept) {
  ErrorDetails details;
  details.reason = "R";
  EXPECT_EQ(details.domain, "dapr.io");
  details.domain = "a-component";
  Headers trailers;
  append_status(trailers, to_status(Error(Code::aborted, "no").with_details(std::move(details))));
  EXPECT_EQ(to_error(status_of(trailers)).details()->domain, "a-component");
}

TEST(GrpcStatus, APlainErrorHasNoDetailsAndAnEmptyMessageIsStillSent) {
  Headers trailers;
  append_status(trailers, to_status(Error(Code::not_found, "")));
  EXPECT_EQ(trailers.size(), 2U);
  EXPECT_EQ(trailers.get("grpc-message"), "");
  Headers fine;
  append_status(fine, Status{});
  EXPECT_EQ(fine.value("grpc-status"), "0");
  EXPECT_TRUE(status_of(fine).ok());
}

TEST(GrpcStatus, WhatCannotBeReadIsUnknown) {
  EXPECT_EQ(status_of({}).code, Code::unknown);
  for (const char* text : {"", "x", "3x", "99999999999", " 3"}) {
    const Status status = status_of({{"grpc-status", text}});
    EXPECT_EQ(status.code, Code::unknown) << text;
    EXPECT_TRUE(status.message.starts_with("transport: malformed grpc-status")) << text;
  }
  for (const char* text : {"17", "-1", "2147483647"}) {
    const Status status = status_of({{"grpc-status", text}, {"grpc-message", "odd"}});
    EXPECT_EQ(status.code, Code::unknown) << text;
    EXPECT_EQ(status.message, "odd");
  }
}

TEST(GrpcStatus, DetailsOfAnotherCodeAreAnInternalError) {
  const std::string details = base64_encode(to_status(rich_error()).details_bin);
  const Status status = status_of(
      {{"grpc-status", "5"}, {"grpc-message", "m"}, {"grpc-status-details-bin", details}});
  EXPECT_EQ(status.code, Code::internal);
  EXPECT_TRUE(status.message.starts_with("grpc-status-details-bin mismatch: grpc-status=NotFound"));
}

TEST(GrpcStatus, DetailsThatAreNoStatusAreLeftOut) {
  for (const std::string bytes : {"\x0a\xff", "\x1b", "\x08", "\xff\xff\xff\xff\xff\xff\xff\xff"}) {
    const Status status = status_of({{"grpc-status", "5"},
                                     {"grpc-message", "m"},
                                     {"grpc-status-details-bin", base64_encode(bytes)}});
    EXPECT_EQ(status.code, Code::not_found);
    EXPECT_EQ(status.message, "m");
    EXPECT_TRUE(status.details_bin.empty());
  }
  const Status broken = status_of({{"grpc-status", "5"}, {"grpc-status-details-bin", "!!!"}});
  EXPECT_EQ(broken.code, Code::internal);
}

TEST(GrpcStatus, UnknownDetailsAreKeptAsBytes) {
  // code 5, and an Any of google.rpc.RetryInfo.
  std::string bytes = "\x08\x05\x1a\x2c\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12";
  bytes.push_back('\0');
  const Status status =
      status_of({{"grpc-status", "5"}, {"grpc-status-details-bin", base64_encode(bytes)}});
  EXPECT_EQ(status.code, Code::not_found);
  EXPECT_EQ(status.details_bin, bytes);
  const Error error = to_error(status);
  ASSERT_NE(error.details(), nullptr);
  EXPECT_TRUE(error.details()->reason.empty());
}

TEST(GrpcStatus, MessagesAreEscapedAsGrpcGoEscapesThem) {
  EXPECT_EQ(encode_message("plain ~ text"), "plain ~ text");
  EXPECT_EQ(encode_message("100%\n"), "100%25%0A");
  EXPECT_EQ(encode_message("H\xff"), "H%EF%BF%BD");
  EXPECT_EQ(encode_message("世"), "%E4%B8%96");
  EXPECT_EQ(decode_message("100%25%0A"), "100%\n");
  EXPECT_EQ(decode_message("%e4%B8%96"), "世");
  EXPECT_EQ(decode_message("%"), "%");
  EXPECT_EQ(decode_message("%4"), "%4");
  EXPECT_EQ(decode_message("%G1%"), "%G1%");
}

TEST(GrpcStatus, AnswersOfOtherServersFollowTheSpecification) {
  EXPECT_EQ(code_of_http_status(400), Code::internal);
  EXPECT_EQ(code_of_http_status(401), Code::unauthenticated);
  EXPECT_EQ(code_of_http_status(403), Code::permission_denied);
  EXPECT_EQ(code_of_http_status(404), Code::unimplemented);
  EXPECT_EQ(code_of_http_status(429), Code::unavailable);
  EXPECT_EQ(code_of_http_status(503), Code::unavailable);
  EXPECT_EQ(code_of_http_status(200), Code::unknown);
  EXPECT_EQ(code_of_http_status(500), Code::unknown);
  EXPECT_EQ(
      status_of_non_grpc(404, "Not Found", "text/html").message,
      "unexpected HTTP status code received from server: 404 (Not Found); transport: received "
      "unexpected content-type \"text/html\"");
  EXPECT_EQ(
      status_of_non_grpc(502, "Bad Gateway", "").message,
      "unexpected HTTP status code received from server: 502 (Bad Gateway); malformed header: "
      "missing HTTP content-type");
}

TEST(GrpcStatus, DetailsWithTextThatIsNotUtf8AreMended) {
  ErrorDetails details;
  details.reason = "R\xff";
  const std::string bytes = encode_details(Code::internal, "m\xfe", &details);
  auto decoded = decode_details(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->reason, "R\xEF\xBF\xBD");
}

TEST(GrpcStatus, ALongMessageIsCutToWhatAFieldMayHave) {
  Headers trailers;
  append_status(trailers, {.code = Code::internal, .message = std::string(1 << 20, 'x')});
  EXPECT_EQ(trailers.value("grpc-message"), std::string(60 << 10, 'x'));
  // Three bytes of each escape, and never a part of one.
  Headers escaped;
  append_status(escaped, {.code = Code::internal, .message = "ab" + std::string(1 << 20, '\n')});
  const std::string_view message = escaped.value("grpc-message");
  EXPECT_LE(message.size(), std::size_t{60 << 10});
  EXPECT_EQ((message.size() - 2) % 3, 0U);
  EXPECT_EQ(status_of(escaped).message.substr(0, 4), "ab\n\n");
}

TEST(GrpcStatus, DetailsThatNoFieldCanHoldAreLeftOut) {
  Headers trailers;
  append_status(
      trailers,
      {.code = Code::internal, .message = "short", .details_bin = std::string(100'000, 'd')});
  EXPECT_EQ(trailers.get("grpc-status-details-bin"), std::nullopt);
  EXPECT_EQ(trailers.value("grpc-message"), "short");
}

}  // namespace
}  // namespace outrigger::net::grpc
