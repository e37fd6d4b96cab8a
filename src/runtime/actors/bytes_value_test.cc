#include "runtime/actors/bytes_value.h"

#include <gtest/gtest.h>

#include "runtime/actors/invocation.h"

namespace outrigger::runtime::actors {
namespace {

using namespace std::string_view_literals;

TEST(BytesValue, IsOnTheWireAsProtobufHasIt) {
  EXPECT_EQ(bytes_value("hi"), "\x0a\x02hi"sv);
  EXPECT_EQ(bytes_value(""), "");
  EXPECT_EQ(bytes_of_value("\x0a\x02hi"sv), "hi");
  EXPECT_EQ(bytes_of_value(""), "");
  EXPECT_EQ(bytes_of_value("\x0a\x05hi"sv), std::nullopt);
  EXPECT_EQ(bytes_of_value("\xff"sv), std::nullopt);
  const std::string large(300, 'x');
  EXPECT_EQ(bytes_of_value(bytes_value(large)), large);
}

TEST(BytesValue, OnlyAnAnyOfItHasJson) {
  const AnyData data = any_of_json(R"({"a":1})");
  EXPECT_EQ(data.type_url, "type.googleapis.com/google.protobuf.BytesValue");
  EXPECT_EQ(json_of_any(data), R"({"a":1})");
  EXPECT_EQ(json_of_any({"type.googleapis.com/google.protobuf.StringValue", ""}), std::nullopt);
}

TEST(ActorField, IsFoundAmongTheOthers) {
  // ver = 1, message{method = "m"}, actor{"t", "i"}.
  std::string request("\x08\x01\x1a\x03\x0a\x01m"sv);
  EXPECT_EQ(actor_of_request(request)->type, "");
  append_actor(request, "t", "i");
  EXPECT_TRUE(request.ends_with("\x22\x06\x0a\x01t\x12\x01i"sv));
  EXPECT_EQ(actor_of_request(request)->type, "t");
  EXPECT_EQ(actor_of_request(request)->id, "i");
}

TEST(ActorField, HostileBytesAreRefused) {
  for (const std::string_view bytes :
       {"\x22"sv, "\x22\x05\x0a"sv, "\x22\x02\x0a\x09"sv, "\x0b"sv, "\x09\x01"sv,
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"sv}) {
    EXPECT_FALSE(actor_of_request(bytes)) << bytes.size();
  }
}

}  // namespace
}  // namespace outrigger::runtime::actors
