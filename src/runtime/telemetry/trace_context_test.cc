#include "runtime/telemetry/trace_context.h"

#include "base/hex.h"
#include "base/pch_test.h"

namespace outrigger::telemetry {
namespace {

constexpr char kParent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
constexpr char kZero[] = "00-00000000000000000000000000000000-0000000000000000-00";

TEST(TraceContext, ATraceparentIsReadAsUpstreamReadsIt) {
  const std::string ids = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
  const std::pair<std::string, std::string> cases[] = {
      {"00" + ids + "01", "01"},   {"00" + ids + "FF", "ff"}, {"00" + ids + "0100", "01"},
      {"01" + ids + "01-x", "01"}, {"FE" + ids + "00", "00"},
  };
  for (const auto& [text, flags] : cases) {
    const auto context = parse_traceparent(text);
    ASSERT_TRUE(context) << text;
    EXPECT_EQ(format_traceparent(*context), "00" + ids + flags) << text;
    EXPECT_TRUE(context->valid());
  }
}

TEST(TraceContext, AMalformedTraceparentIsNone) {
  for (const char* bad : {"", "x", "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-010",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
                          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
                          " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_EQ(parse_traceparent(bad), std::nullopt) << bad;
    EXPECT_EQ(format_traceparent(from_headers(bad, "a=1")), kZero) << bad;
  }
}

TEST(TraceContext, NoTraceIsWrittenAsZeros) {
  EXPECT_EQ(format_traceparent({}), kZero);
  EXPECT_FALSE(TraceContext().valid());
  EXPECT_EQ(trace_id_text({}), std::string(32, '0'));
  EXPECT_EQ(span_id_text(*parse_traceparent(kParent)), "00f067aa0ba902b7");
  EXPECT_EQ(trace_id_text(*parse_traceparent(kParent)), "4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(TraceContext, ATracestateIsCheckedAndTidied) {
  const std::pair<std::string, std::string> cases[] = {
      {"a=1,b=2", "a=1,b=2"},
      {"a=1 , b=2\t", "a=1,b=2"},
      {"a=1,,b=2", "a=1,b=2"},
      {"a= x", "a= x"},
      {"t@s=1", "t@s=1"},
      {"1t@s=1", "1t@s=1"},
      {"a=1,", "a=1"},
      {"", ""},
      {",", ""},
  };
  for (const auto& [text, tidy] : cases) EXPECT_EQ(parse_tracestate(text), tidy) << text;
  for (const char* bad :
       {"a", "a=1,a=2", "A=1", "a=", "1=2", "a=b=c", "a=\x7f", "@s=1", "t@=1", "a b=1", "a=1,b"}) {
    EXPECT_EQ(parse_tracestate(bad), "") << bad;
  }
  std::string many;
  for (int i = 0; i < 32; ++i) many += "k" + std::to_string(i) + "=v,";
  EXPECT_NE(parse_tracestate(many), "");
  EXPECT_EQ(parse_tracestate(many + "last=v"), "");
  EXPECT_NE(parse_tracestate(std::string(256, 'a') + "=" + std::string(256, 'v')), "");
  EXPECT_EQ(parse_tracestate(std::string(257, 'a') + "=v"), "");
  EXPECT_EQ(parse_tracestate("a=" + std::string(257, 'v')), "");
  EXPECT_EQ(from_headers(kParent, "a=1").state, "a=1");
}

TEST(TraceContext, TheBinaryFormIsOpenCensus) {
  const auto context = *parse_traceparent(kParent);
  const TraceBinary bytes = encode_trace_bin(context);
  EXPECT_EQ(hex_encode({bytes.data(), bytes.size()}),
            "00004bf92f3577b34da6a3ce929d0e0e47360100f067aa0ba902b70201");
  EXPECT_EQ(decode_trace_bin({bytes.data(), bytes.size()}), context);
}

TEST(TraceContext, TheBinaryFormMayLackItsLaterFields) {
  const auto text_of = [](std::string_view hex) {
    const auto context = decode_trace_bin(*hex_decode(hex));
    return context ? format_traceparent(*context) : "none";
  };
  EXPECT_EQ(text_of(""), "none");
  EXPECT_EQ(text_of("00"), "none");
  EXPECT_EQ(text_of("0000"), "none");
  EXPECT_EQ(text_of("0100004bf92f3577b34da6a3ce929d0e0e4736"), "none");
  EXPECT_EQ(text_of("00004bf92f3577b34da6a3ce929d0e0e4736"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00");
  EXPECT_EQ(text_of("00004bf92f3577b34da6a3ce929d0e0e47360100f067aa0ba902b7"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
  EXPECT_EQ(text_of("00004bf92f3577b34da6a3ce929d0e0e47360201"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01");
}

TEST(TraceContext, MetadataPrefersTheBinaryForm) {
  const TraceBinary bytes = encode_trace_bin(*parse_traceparent(kParent));
  const std::string_view binary(bytes.data(), bytes.size());
  EXPECT_EQ(format_traceparent(from_metadata(binary, kZero, "")), kParent);
  EXPECT_EQ(format_traceparent(from_metadata(std::nullopt, kParent, "")), kParent);
  EXPECT_EQ(format_traceparent(from_metadata("junk", kParent, "")), kZero);
}

std::string baggage_error(std::string_view text) {
  const auto result = check_baggage(text);
  return result ? "ok" : result.error().message();
}

TEST(Baggage, ValidHeadersPass) {
  for (const char* good : {"", "a=1", "a=1,b=2;p=1;q", "a=%41", "a=1;", "a=b=c", " a = 1 ",
                           "a=", "a=%ff", "a=1; p = x ", "a=1;p="}) {
    EXPECT_EQ(baggage_error(good), "ok") << good;
  }
}

TEST(Baggage, FaultsAreNamedInUpstreamsWords) {
  const std::pair<const char*, const char*> cases[] = {
      {"a", R"(invalid baggage list-member: "a")"},
      {"a=1,,b=2", R"(invalid baggage list-member: "")"},
      {"=1", R"(invalid key: "")"},
      {"a b=1", R"(invalid key: "a b")"},
      {"a=1 2", R"(invalid value: "1 2")"},
      {"a=%zz", R"(invalid value: invalid URL escape "%zz")"},
      {"a=%4", R"(invalid value: invalid URL escape "%4")"},
      {"a=\"x\"", R"(invalid value: "\"x\"")"},
      {"a=1;p q", R"(invalid baggage list-member property: "p q")"},
      {"a=1;=x", R"(invalid baggage list-member property: "=x")"},
      {"a=1;p=%zz", R"(invalid baggage list-member property: "p=%zz")"},
      {"a=1;p=\"", R"(invalid baggage list-member property: "p=\"")"},
      {"a=x\\y", R"(invalid value: "x\\y")"},
      {"a=\u00e9", "invalid value: \"\u00e9\""},
  };
  for (const auto& [text, fault] : cases) {
    EXPECT_EQ(baggage_error(text), std::string("invalid baggage header: ") + fault) << text;
  }
  EXPECT_EQ(baggage_error("k1,k2,k3,k4,k5,k6,k7"),
            "invalid baggage header: invalid baggage list-member: \"k1\"\n"
            "invalid baggage list-member: \"k2\"\ninvalid baggage list-member: \"k3\"\n"
            "invalid baggage list-member: \"k4\"\ninvalid baggage list-member: \"k5\"\n"
            "and 2 more invalid member(s)");
}

TEST(Baggage, HasLimits) {
  std::string many = "k0=v";
  for (int i = 1; i < 64; ++i) many += ",k" + std::to_string(i) + "=v";
  EXPECT_EQ(baggage_error(many), "ok");
  EXPECT_EQ(baggage_error(many + ",last=v"),
            "invalid baggage header: too many list-members in baggage-string");
  EXPECT_EQ(baggage_error("a=" + std::string(8190, 'v')), "ok");
  EXPECT_EQ(baggage_error("a=" + std::string(8191, 'v')),
            "invalid baggage header: baggage-string too large: 8193");
}

}  // namespace
}  // namespace outrigger::telemetry
