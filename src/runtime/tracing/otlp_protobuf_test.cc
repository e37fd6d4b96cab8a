#include "runtime/tracing/otlp_protobuf.h"

#include "otlp/otlp.pb.h"
#include "runtime/tracing/span_testing.h"

namespace outrigger::runtime::tracing {
namespace {

using testing::make_span;

std::string bytes_of(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}

/// What protobuf's own decoder makes of a request with these spans.
otlp::ExportRequest decode(const std::vector<telemetry::FinishedSpan>& spans) {
  Resource resource;
  resource.attributes = {{"k8s.pod.name", "pod-1"}, {"service.name", "shop"}};
  std::string parts;
  for (const auto& span : spans) append_otlp_span(parts, span);
  otlp::ExportRequest request;
  EXPECT_TRUE(request.ParseFromString(otlp_request(otlp_resource(resource), parts)));
  // Every field was known to the decoder: none would survive this otherwise.
  otlp::ExportRequest known = request;
  known.DiscardUnknownFields();
  EXPECT_EQ(known.SerializeAsString(), request.SerializeAsString());
  return request;
}

TEST(OtlpProtobuf, ASpanIsReadAsItWasByProtobufsOwnDecoder) {
  telemetry::FinishedSpan given = make_span("CallLocal/callee/echo");
  given.context.state = "vendor=1";
  given.fail("Code(500): Internal Server Error");
  const auto request = decode({given});
  ASSERT_EQ(request.resource_spans_size(), 1);
  const auto& resource = request.resource_spans(0);
  EXPECT_EQ(resource.schema_url(), "https://opentelemetry.io/schemas/1.25.0");
  ASSERT_EQ(resource.resource().attributes_size(), 2);
  EXPECT_EQ(resource.resource().attributes(1).key(), "service.name");
  EXPECT_EQ(resource.resource().attributes(1).value().string_value(), "shop");
  ASSERT_EQ(resource.scope_spans_size(), 1);
  EXPECT_EQ(resource.scope_spans(0).scope().name(), "dapr-diagnostics");
  ASSERT_EQ(resource.scope_spans(0).spans_size(), 1);
  const otlp::Span& span = resource.scope_spans(0).spans(0);
  EXPECT_EQ(span.trace_id(), bytes_of({0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48,
                                       0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c}));
  EXPECT_EQ(span.span_id(), bytes_of({0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}));
  EXPECT_EQ(span.parent_span_id(), bytes_of({0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(span.trace_state(), "vendor=1");
  EXPECT_EQ(span.name(), "CallLocal/callee/echo");
  EXPECT_EQ(span.kind(), otlp::Span::CLIENT);
  EXPECT_EQ(span.start_time_unix_nano(), 1'700'000'000'123'456'789U);
  EXPECT_EQ(span.end_time_unix_nano(), 1'700'000'001'000'000'001U);
  EXPECT_EQ(span.flags(), 0x301U);
  ASSERT_EQ(span.attributes_size(), 2);
  EXPECT_EQ(span.attributes(0).key(), "dapr.protocol");
  EXPECT_EQ(span.attributes(0).value().string_value(), "http");
  EXPECT_EQ(span.status().code(), otlp::Status::ERROR);
  EXPECT_EQ(span.status().message(), "Code(500): Internal Server Error");
}

TEST(OtlpProtobuf, ARootHasNoParentAndAGoodSpanNoStatusCode) {
  telemetry::FinishedSpan given = make_span("root");
  given.parent_span_id = {};
  given.kind = telemetry::SpanKind::server;
  const auto request = decode({given});
  const otlp::Span& span = request.resource_spans(0).scope_spans(0).spans(0);
  EXPECT_EQ(span.parent_span_id(), "");
  EXPECT_EQ(span.kind(), otlp::Span::SERVER);
  EXPECT_EQ(span.status().code(), otlp::Status::UNSET);
  EXPECT_EQ(span.status().message(), "");
}

TEST(OtlpProtobuf, ManySpansStayInOrderWhateverTheirSize) {
  std::vector<telemetry::FinishedSpan> given;
  for (std::size_t i = 0; i < 300; ++i) {
    given.push_back(make_span(std::to_string(i)));
    given.back().set("filler", std::string(i * 7, 'x'));
  }
  const auto request = decode(given);
  const auto& spans = request.resource_spans(0).scope_spans(0).spans();
  ASSERT_EQ(spans.size(), 300);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(spans[i].name(), std::to_string(i));
}

TEST(OtlpProtobuf, WhatIsNotUtf8IsMendedForTheDecoderRefusesIt) {
  telemetry::FinishedSpan given = make_span(
      "a\xff"
      "b\xc3");
  given.set("k\xfe", "\xed\xa0\x80");
  const auto request = decode({given});
  const otlp::Span& span = request.resource_spans(0).scope_spans(0).spans(0);
  EXPECT_EQ(span.name(),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(span.attributes(2).key(), "k\xEF\xBF\xBD");
}

TEST(OtlpProtobuf, TimesBeforeTheEpochAndBackwardsClocksBecomeZeroLength) {
  telemetry::FinishedSpan given = make_span("clock");
  given.end = given.start - std::chrono::seconds(5);
  const auto request = decode({given});
  const otlp::Span& span = request.resource_spans(0).scope_spans(0).spans(0);
  EXPECT_EQ(span.start_time_unix_nano(), span.end_time_unix_nano());
}

TEST(OtlpProtobuf, APartialSuccessIsRead) {
  otlp::ExportResponse response;
  response.mutable_partial_success()->set_rejected_spans(300);
  response.mutable_partial_success()->set_error_message("too old");
  const PartialSuccess read = read_otlp_response(response.SerializeAsString());
  EXPECT_EQ(read.rejected_spans, 300U);
  EXPECT_EQ(read.message, "too old");
}

TEST(OtlpProtobuf, AnAnswerThatMakesNoSenseIsAFullSuccess) {
  otlp::ExportResponse response;
  response.mutable_partial_success()->set_error_message(std::string(300, 'x'));
  const std::string good = response.SerializeAsString();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(read_otlp_response(good.substr(0, size)).rejected_spans, 0U);
  }
  for (const std::string& bad :
       {std::string(20, '\xff'), bytes_of({0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}),
        bytes_of({0x0b, 0x01}), bytes_of({0x09, 0x01}), bytes_of({0x00})}) {
    EXPECT_EQ(read_otlp_response(bad).message, "");
  }
}

}  // namespace
}  // namespace outrigger::runtime::tracing
