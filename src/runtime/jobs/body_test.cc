#include <gtest/gtest.h>

#include "base/json.h"
#include "runtime/jobs/any_json.h"
#include "runtime/jobs/deliver.h"
#include "runtime/jobs/http_body.h"

namespace outrigger::runtime::jobs {
namespace {

using scheduler::FailurePolicy;

/// The message of the error that a body is refused with, without what all have.
std::string refusal(std::string_view body) {
  const auto read = read_scheduling(body);
  if (read) return "taken";
  EXPECT_EQ(read.error().tag(), "ERR_MALFORMED_REQUEST");
  EXPECT_EQ(read.error().http_status(), 400);
  const std::string prefix = "failed deserializing HTTP body: proto: ";
  EXPECT_TRUE(read.error().message().starts_with(prefix)) << read.error().message();
  return read.error().message().substr(prefix.size());
}

/// A value as an application gets it.
std::string there_and_back(std::string_view raw) {
  const auto any = value_any(raw);
  if (!any) return "refused";
  EXPECT_EQ(any->type_url, kValueType);
  return value_json(any->value).value_or("no JSON");
}

TEST(JobBody, FieldsAreReadInBothSpellings) {
  for (const char* body : {
           R"({"schedule":"@every 1m","repeats":123,"dueTime":"1000s","ttl":"123s","data":"hi",
               "overwrite":true,"failurePolicy":{"constant":{"interval":"3s","maxRetries":5}},
               "unknown":[{}]})",
           R"({"schedule":"@every 1m","repeats":"123","due_time":"1000s","ttl":"123s","data":"hi",
               "overwrite":true,"failure_policy":{"constant":{"interval":"3.0s",
               "max_retries":5e0}}})"}) {
    const auto read = read_scheduling(body);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->job.schedule, "@every 1m");
    EXPECT_EQ(read->job.repeats, 123U);
    EXPECT_EQ(read->job.due_time, "1000s");
    EXPECT_EQ(read->job.ttl, "123s");
    EXPECT_TRUE(read->overwrite);
    EXPECT_EQ(read->name, "");
    ASSERT_TRUE(read->job.data);
    EXPECT_EQ(read->job.data->type_url, "type.googleapis.com/google.protobuf.Value");
    EXPECT_EQ(read->job.data->value, "\x1a\x02hi");
    ASSERT_TRUE(read->job.failure_policy);
    EXPECT_EQ(read->job.failure_policy->kind, FailurePolicy::Kind::constant);
    EXPECT_EQ(read->job.failure_policy->retries_max, 5U);
    EXPECT_EQ(read->job.failure_policy->interval->seconds, 3);
    EXPECT_EQ(read->job.failure_policy->interval->nanos, 0);
  }
}

TEST(JobBody, WhatIsNotThereIsAbsentAndNullIsNotThere) {
  for (const char* body : {"", "{}", R"({"schedule":null,"repeats":null,"failurePolicy":null})"}) {
    const auto read = read_scheduling(body);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->job.schedule);
    EXPECT_FALSE(read->job.repeats);
    EXPECT_FALSE(read->job.data);
    EXPECT_FALSE(read->job.failure_policy);
  }
  // But a null that is data is data.
  EXPECT_TRUE(read_scheduling(R"({"data":null})")->job.data);
  EXPECT_EQ(read_scheduling(R"({"schedule":""})")->job.schedule, "");
  EXPECT_EQ(read_scheduling(R"({"name":"n"})")->name, "n");
}

TEST(JobBody, PoliciesAreOneOfTwo) {
  const auto kind = [](std::string_view body) {
    return read_scheduling(body).value().job.failure_policy.value().kind;
  };
  EXPECT_EQ(kind(R"({"failurePolicy":{"drop":{}}})"), FailurePolicy::Kind::drop);
  EXPECT_EQ(kind(R"({"failurePolicy":{}})"), FailurePolicy::Kind::unset);
  EXPECT_EQ(kind(R"({"failurePolicy":{"constant":{}}})"), FailurePolicy::Kind::constant);
  EXPECT_TRUE(refusal(R"({"failurePolicy":{"constant":{},"drop":{}}})")
                  .ends_with("error parsing \"drop\", oneof "
                             "dapr.proto.common.v1.JobFailurePolicy.policy is already set"));
}

TEST(JobBody, DurationsMayBeNegativeAndHaveNineDigits) {
  const auto interval = [](const std::string& text) {
    const std::string body = R"({"failurePolicy":{"constant":{"interval":")" + text + "\"}}}";
    const auto read = read_scheduling(body);
    if (!read) return std::string("refused");
    const auto& found = *read->job.failure_policy->interval;
    return duration_json(found.seconds, found.nanos);
  };
  EXPECT_EQ(interval("1.5s"), "1.500s");
  EXPECT_EQ(interval("-1.000000001s"), "-1.000000001s");
  EXPECT_EQ(interval("315576000000s"), "315576000000s");
  for (const char* bad : {"1", "s", "1m", "1.0000000001s", "315576000001s", "1e3s", "--1s", ".s"}) {
    EXPECT_EQ(interval(bad), "refused") << bad;
  }
}

TEST(JobBody, WhatIsWrongIsRefusedWithItsPlace) {
  EXPECT_EQ(refusal(R"({"schedule":1})"),
            "(line 1:13): invalid value for string field schedule: 1");
  EXPECT_EQ(refusal("{\n\"repeats\":-1}"),
            "(line 2:11): invalid value for uint32 field repeats: -1");
  EXPECT_EQ(refusal(R"({"repeats":1.5})"),
            "(line 1:12): invalid value for uint32 field repeats: 1.5");
  EXPECT_EQ(refusal(R"({"overwrite":"yes"})"),
            "(line 1:14): invalid value for bool field overwrite: \"yes\"");
  EXPECT_TRUE(
      refusal(R"({"dueTime":"1s","due_time":"2s"})").ends_with("duplicate field \"due_time\""));
  EXPECT_NE(refusal(R"({"failurePolicy":7})"), "taken");
  for (const char* broken : {"[]", "{", "7", "{\"schedule\":\"", "{}{}", "\xff"}) {
    EXPECT_NE(refusal(broken), "taken") << broken;
  }
}

TEST(JobBody, NestingHasALimit) {
  const auto nested = [](int depth) {
    return "{\"data\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(read_scheduling(nested(900)));
  EXPECT_EQ(there_and_back(std::string(900, '[') + std::string(900, ']')).size(), 1800U);
  EXPECT_FALSE(read_scheduling(nested(1100)));
  EXPECT_FALSE(read_scheduling(nested(100'000)));
}

TEST(JobData, ComesBackAsTheJsonItWas) {
  for (const char* raw : {"null", "true", "\"a\\\"b\"", "123", "-0.5", "[]", "{}",
                          R"([1,{"a":[]}])", R"({"a":"<&>","b":{"c":null}})"}) {
    EXPECT_EQ(there_and_back(raw), raw);
  }
  EXPECT_EQ(there_and_back(R"({"b":1, "a": 1e3})"), R"({"a":1000,"b":1})");
  EXPECT_EQ(there_and_back("1e999"), "refused");
}

TEST(JobData, HostileBytesHaveNoJson) {
  EXPECT_EQ(value_json("").value(), "");
  EXPECT_FALSE(value_json("\xff\xff"));
  EXPECT_FALSE(value_json(std::string("\x11\0\0\0\0\0\0\xf8\x7f", 9)));  // NaN.
  std::string deep;
  for (int i = 0; i < 20'000; ++i) deep = "\x32" + std::string(1, '\x7f') + deep;
  EXPECT_FALSE(value_json(deep));
}

TEST(JobData, AnyHasTheFormOfItsType) {
  const auto form = [](const std::string& type, const std::string& value) {
    const auto json = any_json({"type.googleapis.com/google.protobuf." + type, value});
    return json ? json->substr(json->find(",\"value\":") + 9) : "none";
  };
  EXPECT_EQ(form("StringValue", "\x0a\x02hi"), "\"hi\"}");
  EXPECT_EQ(form("BytesValue", "\x0a\x02hi"), "\"aGk=\"}");
  EXPECT_EQ(form("BoolValue", "\x08\x01"), "true}");
  EXPECT_EQ(form("Int64Value", "\x08\x07"), "\"7\"}");
  EXPECT_EQ(form("UInt32Value", "\x08\x07"), "7}");
  EXPECT_EQ(form("Duration", "\x08\x03"), "\"3s\"}");
  EXPECT_EQ(form("Timestamp", "\x08\x03"), "\"1970-01-01T00:00:03Z\"}");
  // 27,366,756,990 s: beyond what nanoseconds count to.
  EXPECT_EQ(form("Timestamp", "\x08\xfe\xa4\xbe\xf9\x65"), "\"2837-03-20T20:56:30Z\"}");
  EXPECT_EQ(form("Empty", ""), "{}}");
  EXPECT_EQ(form("Struct", ""), "{}}");
  EXPECT_EQ(form("Nobody", ""), "none");
  EXPECT_EQ(any_json({"", ""}).value(), "{}");
  EXPECT_EQ(any_json({"", "x"}).error().message(), "proto: google.protobuf.Any: missing type_url");
  EXPECT_EQ(
      any_json({"type.googleapis.com/mine", "x"}).error().message(),
      "proto: google.protobuf.Any: unable to resolve \"type.googleapis.com/mine\": not found");
  EXPECT_EQ(any_json(value_any("[1]").value()).value(),
            R"({"@type":"type.googleapis.com/google.protobuf.Value","value":[1]})");
}

TEST(JobJson, IsProtobufsOfTheMessage) {
  NamedJob named{"feed", {}};
  EXPECT_EQ(job_json(named).value(), R"({"name":"feed"})");
  named.job.schedule = "@daily";
  named.job.repeats = 2;
  named.job.due_time = "1s";
  named.job.ttl = "1h";
  named.job.failure_policy = FailurePolicy{FailurePolicy::Kind::constant, {{1, 0}}, 3};
  EXPECT_EQ(job_json(named).value(),
            R"({"name":"feed","schedule":"@daily","repeats":2,"dueTime":"1s","ttl":"1h",)"
            R"("failurePolicy":{"constant":{"interval":"1s","maxRetries":3}}})");
  named.job = {};
  named.job.failure_policy = FailurePolicy{FailurePolicy::Kind::drop, {}, {}};
  EXPECT_EQ(job_json(named).value(), R"({"name":"feed","failurePolicy":{"drop":{}}})");
  named.job.data = scheduler::Any{"mine", "x"};
  EXPECT_FALSE(job_json(named));
}

TEST(JobTarget, IsTheNameAsGoWritesIt) {
  EXPECT_EQ(job_target("feed").value(), "/job/feed");
  EXPECT_EQ(job_target("/feed").value(), "/job/feed");
  EXPECT_EQ(job_target("my||job@name").value(), "/job/my%7C%7Cjob@name");
  EXPECT_EQ(job_target("a b").value(), "/job/a%20b");
  EXPECT_EQ(job_target("a%41").value(), "/job/a%41");
  EXPECT_FALSE(job_target("100%"));
}

}  // namespace
}  // namespace outrigger::runtime::jobs
