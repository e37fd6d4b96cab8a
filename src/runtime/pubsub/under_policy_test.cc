#include "runtime/pubsub/under_policy.h"

#include <gtest/gtest.h>

#include "base/scope.h"
#include "runtime/pubsub/fakes_testing.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;
namespace rs = runtime::resiliency;
using namespace std::chrono_literals;

rs::Policies policies() {
  resources::Resiliency document;
  document.retries["DefaultPubsubComponentOutboundRetryPolicy"] = {.duration = 1ns,
                                                                   .max_retries = 2};
  document.retries["DefaultPubsubComponentInboundRetryPolicy"] = {
      .duration = 1ns, .max_retries = 2, .http_status_codes = {{{500, 599}}}};
  document.timeouts["DefaultPubsubComponentOutboundTimeoutPolicy"] = 10s;
  return rs::Policies({document});
}

brokers::BulkPublishRequest three_entries() {
  brokers::BulkPublishRequest request;
  request.topic = "orders";
  for (const char* id : {"a", "b", "c"}) {
    brokers::BulkEntry entry;
    entry.entry_id = id;
    entry.event = std::string("event ") + id;
    request.entries.push_back(std::move(entry));
  }
  return request;
}

/// Answers each event with the codes that it has for it, then with success.
class ScriptedPostman final : public Postman {
 public:
  std::map<std::string, std::vector<Answer>> script;
  std::vector<std::string> attempts;

  Task<Answer> deliver(Delivery delivery) override { co_return next(delivery.event.text("id")); }
  Task<std::vector<Answer>> deliver_bulk(BulkDelivery delivery) override {
    std::vector<Answer> answers;
    for (const auto& item : delivery.items) answers.push_back(next(item.entry.entry_id));
    co_return answers;
  }

 private:
  Answer next(std::string id) {
    auto& answers = script[id];
    attempts.push_back(std::move(id));
    if (answers.empty()) return {};
    Answer answer = answers.front();
    answers.erase(answers.begin());
    return answer;
  }
};

Answer failed(int status) { return Answer::retry(Error(Code::unknown, "failed"), status); }

class PubsubUnderPolicy : public testing::Test {
 protected:
  PubsubUnderPolicy() {
    auto made = std::make_unique<FakeBroker>();
    broker = made.get();
    open = open_fake("pubsub", std::move(made));
  }
  Policy inbound() { return inbound_policy(&all, "pubsub"); }
  Loop loop;
  rs::Policies all = policies();
  FakeBroker* broker = nullptr;
  std::shared_ptr<OpenBroker> open;
  ScriptedPostman postman;
  const Properties none;
};

TEST_F(PubsubUnderPolicy, WhatIsNotPublishedIsTriedAgain) {
  broker->fail_publish_of = "event b";
  auto failures = run_on(
      loop, publish_bulk_under(outbound_policy(&all, *open), *open, Face::grpc, three_entries()));
  ASSERT_TRUE(failures);
  ASSERT_EQ(failures->size(), 1U);
  EXPECT_EQ(failures->front().entry_id, "b");
  EXPECT_EQ(broker->published.size(), 2U) << "those that were well are not published again";
  brokers::PublishRequest one;
  one.topic = "orders";
  one.data = "event b";
  EXPECT_FALSE(run_on(loop, publish_under(outbound_policy(&all, *open), *open, Face::http, one)));
  broker->abilities.status_errors = true;
  resources::Resiliency picky;
  picky.retries["DefaultRetryPolicy"] = {
      .duration = 1ns, .max_retries = 2, .http_status_codes = {{{503, 503}}}};
  const rs::Policies choosy({picky});
  const int attempts = broker->publish_calls;
  EXPECT_FALSE(
      run_on(loop, publish_under(outbound_policy(&choosy, *open), *open, Face::http, one)));
  EXPECT_EQ(broker->publish_calls, attempts + 1) << "INTERNAL is 500 over HTTP";
  EXPECT_FALSE(
      run_on(loop, publish_under(outbound_policy(&choosy, *open), *open, Face::grpc, one)));
  EXPECT_EQ(broker->publish_calls, attempts + 4) << "all codes of gRPC";
  broker->fail_publish_of.clear();
  EXPECT_TRUE(run_on(loop, publish_under(outbound_policy(&all, *open), *open, Face::http, one)));
}

/// Publishes the first entry of its first call, and then answers no more.
class DyingBroker final : public FakeBroker, public brokers::BulkPublisher {
 public:
  int calls = 0;
  BulkPublisher* bulk_publisher() noexcept override { return this; }
  Task<Result<std::vector<brokers::BulkFailure>>> bulk_publish(
      brokers::BulkPublishRequest request) override {
    if (++calls > 1) co_return fail(Code::unavailable, "gone");
    std::vector<brokers::BulkFailure> failures;
    for (std::size_t i = 1; i < request.entries.size(); ++i) {
      failures.push_back({request.entries[i].entry_id, Error(Code::internal, "refused")});
    }
    co_return failures;
  }
};

TEST_F(PubsubUnderPolicy, WhatWasPublishedIsNotToldToHaveFailedThoughALaterAttemptDoes) {
  const auto dying = open_fake("pubsub", std::make_unique<DyingBroker>());
  const auto failures = run_on(
      loop, publish_bulk_under(outbound_policy(&all, *dying), *dying, Face::grpc, three_entries()));
  ASSERT_TRUE(failures);
  ASSERT_EQ(failures->size(), 2U);
  EXPECT_EQ(failures->front().entry_id, "b");
  EXPECT_EQ(failures->front().error.message(), "gone");
}

TEST_F(PubsubUnderPolicy, OnlyEventsThatFailedAreDeliveredAgain) {
  postman.script["b"] = {failed(503)};
  postman.script["c"] = {Answer{Answer::Outcome::drop, "", {}, {}}};
  const auto request = three_entries();
  BulkDelivery delivery{{}, "pubsub", "orders", "/in", none, {}};
  for (const auto& entry : request.entries) delivery.items.push_back({entry, nullptr});
  const auto answers = run_on(loop, deliver_bulk_under(inbound(), postman, delivery));
  EXPECT_EQ(postman.attempts, (std::vector<std::string>{"a", "b", "c", "b"}));
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[1].outcome, Answer::Outcome::success);
  EXPECT_EQ(answers[2].outcome, Answer::Outcome::drop);
}

TEST_F(PubsubUnderPolicy, AStatusThatThePolicyDoesNotNameEndsTheAttempts) {
  const auto event = CloudEvent::parse(R"({"id":"x"})");
  ASSERT_TRUE(event);
  const Delivery delivery{*event, "pubsub", "orders", "/in", none, {}};
  Deliver once = [this](Delivery one) { return postman.deliver(std::move(one)); };
  postman.script["x"] = {failed(503), failed(422), failed(503)};
  const Answer answer = run_on(loop, deliver_under(inbound(), delivery, std::move(once)));
  EXPECT_EQ(answer.outcome, Answer::Outcome::retry);
  EXPECT_EQ(answer.code, 422);
  EXPECT_EQ(postman.attempts.size(), 2U);
}

}  // namespace
}  // namespace outrigger::pubsub
