#include "net/grpc/metadata.h"

#include "net/grpc/timeout.h"

namespace outrigger::net::grpc {
namespace {

using namespace std::chrono_literals;

TEST(GrpcMetadata, BinaryValuesAreBase64WithoutPaddingOnTheWire) {
  EXPECT_EQ(encode_value("trace-bin", "\x01\x02\x03\x04"), "AQIDBA");
  EXPECT_EQ(encode_value("trace", "text"), "text");
  EXPECT_EQ(decode_value("trace-bin", "AQIDBA").value(), "\x01\x02\x03\x04");
  EXPECT_EQ(decode_value("trace-bin", "AQIDBA==").value(), "\x01\x02\x03\x04");
  EXPECT_EQ(decode_value("trace-bin", "").value(), "");
  EXPECT_EQ(decode_value("trace", "AQIDBA").value(), "AQIDBA");
  auto refused = decode_value("x-bin", "a!b");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::internal);
  EXPECT_TRUE(refused.error().message().starts_with(
      "malformed binary metadata \"a!b\" in header \"x-bin\""));
}

TEST(GrpcMetadata, FieldsOfTheProtocolAreNotMetadata) {
  for (const char* name : {":path", "content-type", "user-agent", "grpc-message-type",
                           "grpc-encoding", "grpc-message", "grpc-status", "grpc-timeout", "te"}) {
    EXPECT_TRUE(is_reserved(name)) << name;
  }
  for (const char* name :
       {"", "dapr-app-id", "grpc-trace-bin", "grpc-previous-rpc-attempts", "tE"}) {
    EXPECT_FALSE(is_reserved(name)) << name;
  }
  Headers fields;
  append_metadata(fields, "te", "trailers");
  append_metadata(fields, "a", "1");
  append_metadata(fields, "b-bin", "1");
  ASSERT_EQ(fields.size(), 2U);
  EXPECT_EQ(fields.value("b-bin"), "MQ");
}

TEST(GrpcMetadata, NamesAndValuesAreCheckedWithTheWordsOfGrpcGo) {
  EXPECT_TRUE(check_metadata("a-b_c.0", "text ~"));
  EXPECT_TRUE(check_metadata("a-bin", "\x01\xff"));
  EXPECT_EQ(check_metadata("", "x").error().message(), "there is an empty key in the header");
  EXPECT_EQ(check_metadata("Ab", "x").error().message(),
            "header key \"Ab\" contains illegal characters not in [0-9a-z-_.]");
  EXPECT_EQ(check_metadata("a", "\n").error().message(),
            "header key \"a\" contains value with non-printable ASCII characters");
  EXPECT_FALSE(check_metadata("a", "\xc3\xbc"));
}

TEST(GrpcMetadata, TheContentTypeTellsGrpcFromOthers) {
  EXPECT_EQ(content_subtype("application/grpc"), "");
  EXPECT_EQ(content_subtype("application/grpc+proto"), "proto");
  EXPECT_EQ(content_subtype("application/grpc;charset=utf-8"), "charset=utf-8");
  EXPECT_EQ(content_subtype("application/grpcfoo"), std::nullopt);
  EXPECT_EQ(content_subtype("application/grpc-web"), std::nullopt);
  EXPECT_EQ(content_subtype("text/html"), std::nullopt);
  EXPECT_EQ(content_subtype(""), std::nullopt);
}

TEST(GrpcTimeout, EveryUnitIsRead) {
  EXPECT_EQ(parse_timeout("3n").value(), 3ns);
  EXPECT_EQ(parse_timeout("00000003u").value(), 3us);
  EXPECT_EQ(parse_timeout("100m").value(), 100ms);
  EXPECT_EQ(parse_timeout("7S").value(), 7s);
  EXPECT_EQ(parse_timeout("2M").value(), 2min);
  EXPECT_EQ(parse_timeout("1H").value(), 1h);
  EXPECT_EQ(parse_timeout("0n").value(), 0ns);
  EXPECT_EQ(parse_timeout("99999999H").value(), kLongestTimeout);
}

TEST(GrpcTimeout, AnythingElseIsMalformed) {
  for (const char* text : {"", "1", "n", "123456789S", "1d", "1s", "-1S", "+1S", " 1S", "1.5S"}) {
    auto refused = parse_timeout(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code(), Code::internal);
    EXPECT_TRUE(refused.error().message().starts_with("malformed grpc-timeout: ")) << text;
  }
  EXPECT_EQ(parse_timeout("1d").error().message(),
            "malformed grpc-timeout: transport: timeout unit is not recognized: \"1d\"");
}

TEST(GrpcTimeout, TheFinestUnitThatFitsIsWritten) {
  EXPECT_EQ(format_timeout(-1s), "0n");
  EXPECT_EQ(format_timeout(0s), "0n");
  EXPECT_EQ(format_timeout(99'999'999ns), "99999999n");
  EXPECT_EQ(format_timeout(100'000'001ns), "100001u");
  EXPECT_EQ(format_timeout(5s), "5000000u");
  EXPECT_EQ(format_timeout(60min), "3600000m");
  EXPECT_EQ(format_timeout(std::chrono::nanoseconds::max()), "2562048H");
  for (const auto timeout : {1ns, 123456789ns, 86400000000000ns}) {
    EXPECT_GE(parse_timeout(format_timeout(timeout)).value(), timeout);
  }
}

}  // namespace
}  // namespace outrigger::net::grpc
