#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/uuid.h"
#include "components/component.h"
#include "components/pubsub/receiver_testing.h"
#include "components/pubsub/registry.h"
#include "tests/conformance/support.h"

namespace outrigger::components::pubsub {

using Texts = std::vector<std::string>;

/// What every broker must do, run over each row of the registry.
class PubSubConformance : public testing::TestWithParam<Kind<Broker>> {
 protected:
  /// One configured component of one application, with an instance on the test's loop.
  struct Member {
    std::shared_ptr<Shared> slot = std::make_shared<Shared>();
    std::string app_id;
    std::unique_ptr<Broker> broker;
  };

  void SetUp() override {
    const auto type = GetParam().type;
    if (type == "pubsub.in-memory") {
      properties_ = Properties();
    } else if (type == "pubsub.sqlite") {
      properties_ = Properties{{"connectionString", (directory_ / "events.db").string()},
                               {"redeliverInterval", "50ms"},
                               {"visibilityTimeout", "1s"}};
      durable_ = true;
    } else if (auto given = conformance::properties_from_environment(type)) {
      properties_ = std::move(*given);
      // Its own defaults are too patient for a test.
      properties_.emplace("redeliverInterval", "100ms");
      properties_.emplace("processingTimeout", "1s");
      durable_ = true;
    } else {
      GTEST_SKIP() << "no server: " << conformance::variable_of(type) << " is not set";
    }
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override {
    for (auto& member : members_) close(*member);
    members_.clear();
    std::filesystem::remove_all(directory_);
  }

  /// Brokers outside this process are shared by all members; the one inside it has one member.
  Member& open(std::string app_id, Properties more = {}) {
    auto member = std::make_unique<Member>();
    member->app_id = std::move(app_id);
    ComponentContext context{.loop = loop_, .app_id = member->app_id, .slot = member->slot};
    Metadata metadata{.name = "events",
                      .type = std::string(GetParam().type),
                      .version = std::string(GetParam().version),
                      .properties = properties_};
    // As the runtime does.
    metadata.properties.emplace("consumerID", member->app_id);
    for (auto& [name, value] : more) metadata.properties.insert_or_assign(name, std::move(value));
    auto made = GetParam().make(metadata, context);
    EXPECT_TRUE(made) << made.error().message();
    member->broker = std::move(*made);
    auto ready = run_on(loop_, member->broker->init());
    EXPECT_TRUE(ready) << ready.error().message();
    members_.push_back(std::move(member));
    return *members_.back();
  }
  void close(Member& member) {
    if (member.broker == nullptr) return;
    run_on(loop_, member.broker->close());
    member.broker.reset();
    member.slot.reset();
  }

  std::unique_ptr<Subscription> subscribe(Member& member, const std::string& topic,
                                          Receiver& receiver) {
    SubscribeRequest request{.topic = topic};
    auto made = run_on(loop_, member.broker->subscribe(std::move(request), receiver.deliver()));
    EXPECT_TRUE(made) << made.error().message();
    return made ? std::move(*made) : nullptr;
  }
  void close(std::unique_ptr<Subscription>& subscription) {
    run_on(loop_, subscription->close());
    subscription.reset();
  }
  Result<> publish(Member& member, const std::string& topic, std::string data,
                   Properties metadata = {}) {
    PublishRequest request{
        .topic = topic, .data = std::move(data), .metadata = std::move(metadata)};
    return run_on(loop_, member.broker->publish(std::move(request)));
  }
  void publish_all(Member& member, const std::string& topic, const Texts& texts) {
    for (const auto& text : texts) ASSERT_TRUE(publish(member, topic, text)) << text;
  }

  void wait(Receiver& receiver, std::function<bool()> enough) {
    EXPECT_TRUE(run_on(loop_, Receiver::until(&receiver, std::move(enough))))
        << "only " << receiver.messages.size() << " messages came";
  }
  void reach(Receiver& receiver, std::size_t count) {
    wait(receiver, [&receiver, count] { return receiver.messages.size() >= count; });
  }
  static std::set<std::string> distinct(const Receiver& receiver) {
    const auto all = receiver.data();
    return {all.begin(), all.end()};
  }
  /// Nothing more comes for a moment: what must not happen cannot be waited for.
  void rest(Duration time = std::chrono::milliseconds(150)) {
    EXPECT_TRUE(run_on(loop_, sleep_for(time)));
  }
  static Texts numbers(int count) {
    Texts texts;
    for (int i = 0; i < count; ++i) texts.push_back("message-" + std::to_string(i));
    return texts;
  }

  Loop loop_;
  Properties properties_;
  bool durable_ = false;
  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("outrigger-pubsub-" + uuid_v4());
  /// A topic that no other test and no earlier run has used.
  const std::string topic_ = "topic-" + uuid_v4();
  std::vector<std::unique_ptr<Member>> members_;
};

#define NEEDS_DURABLE() \
  if (!durable_) GTEST_SKIP() << "this broker keeps nothing"

}  // namespace outrigger::components::pubsub
