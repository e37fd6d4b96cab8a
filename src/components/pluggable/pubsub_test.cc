#include "base/log.h"
#include "components/pluggable/fakes_testing.h"
#include "dapr/proto/components/v1/pubsub.pb.h"

namespace outrigger::components::pluggable {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::FakeProgram;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFolder;
using testing::until;
namespace proto = dapr::proto::components::v1;

constexpr const char* kBroker = "dapr.proto.components.v1.PubSub";
std::string path_of(const char* method) { return std::string("/") + kBroker + "/" + method; }

/// What a broker program gives on each of its streams, and what it was told there.
class Script {
 public:
  /// Messages with these ids for the stream number `index`; "!" ends the stream well, "?" badly.
  std::vector<std::vector<std::string>> streams;

  Task<Result<>> play(net::grpc::ServerStream* stream) {
    OUT_CO_TRY(const auto first, co_await stream->read());
    if (!first) co_return Result<>();
    proto::PullMessagesRequest request;
    EXPECT_TRUE(request.ParseFromString(*first));
    const auto script = begin(request.topic());
    for (const auto& id : script) {
      if (id == "!") co_return Result<>();
      if (id == "?") co_return fail(Code::internal, "the stream broke");
      proto::PullMessagesResponse message;
      message.set_id(id);
      message.set_data("data " + id);
      message.set_topic_name(request.topic().name());
      if (id == "typed") message.set_content_type("text/plain");
      (*message.mutable_metadata())["number"] = id;
      auto bytes = message.SerializeAsString();
      if (id == "bad") bytes = "\xff\xff";
      OUT_CO_CHECK(co_await stream->write(std::move(bytes)));
    }
    for (;;) {
      OUT_CO_TRY(const auto ack, co_await stream->read());
      if (!ack) break;
      EXPECT_TRUE(request.ParseFromString(*ack));
      note(request);
    }
    const std::lock_guard lock(mutex_);
    ++well_ended_;
    co_return Result<>();
  }

  [[nodiscard]] std::vector<std::string> acks() const { return copy(acks_); }
  [[nodiscard]] std::vector<std::string> topics() const { return copy(topics_); }
  [[nodiscard]] int well_ended() const {
    const std::lock_guard lock(mutex_);
    return well_ended_;
  }

 private:
  std::vector<std::string> begin(const proto::Topic& topic) {
    const std::lock_guard lock(mutex_);
    std::string text = topic.name();
    for (const auto& [key, value] : topic.metadata()) text += " " + key + "=" + value;
    topics_.push_back(text);
    const std::size_t index = topics_.size() - 1;
    return index < streams.size() ? streams[index] : std::vector<std::string>();
  }
  void note(const proto::PullMessagesRequest& request) {
    const std::lock_guard lock(mutex_);
    std::string text = request.ack_message_id();
    if (request.has_ack_error()) text += ": " + request.ack_error().message();
    acks_.push_back(text);
  }
  std::vector<std::string> copy(const std::vector<std::string>& list) const {
    const std::lock_guard lock(mutex_);
    return list;
  }
  mutable std::mutex mutex_;
  std::vector<std::string> acks_;
  std::vector<std::string> topics_;
  int well_ended_ = 0;
};

struct Fixture {
  TemporaryFolder folder;
  FakeProgram program{folder.file("bus.sock")};
  Script script;
  std::vector<std::string> features;
  Loop loop;
  std::unique_ptr<pubsub::Broker> broker;
  // What the deliveries of a test do and note.
  std::vector<std::string> delivered;
  Completion<> gate;

  ~Fixture() { program.stop(); }

  void start() {
    testing::be_component(program, kBroker, features);
    program.on_stream(path_of("PullMessages"),
                      [this](net::grpc::ServerStream* stream) { return script.play(stream); });
    program.start();
    const Registry registry({Socket{folder.file("bus.sock"), "bus", {kBroker}}});
    ComponentContext context{loop};
    Metadata metadata{.name = "mypub", .type = "pubsub.bus"};
    broker = registry.brokers({})[0].make(metadata, context).value();
  }
  void use(Task<void> (*scenario)(Fixture* fixture)) {
    start();
    run_on(loop, around(this, scenario));
  }

 private:
  static Task<void> around(Fixture* fixture, Task<void> (*scenario)(Fixture* fixture)) {
    EXPECT_TRUE(co_await fixture->broker->init());
    co_await scenario(fixture);
    co_await fixture->broker->close();
  }
};

Task<Result<>> accept(Fixture* fixture, pubsub::Message message) {
  fixture->delivered.push_back(message.topic + " " + message.data);
  if (message.data.ends_with("refused")) co_return fail(Code::internal, "not this one");
  if (message.data.ends_with("slow")) {
    const auto opened = co_await fixture->gate.wait();
    EXPECT_TRUE(opened);
  }
  if (message.data.ends_with("given-up")) {
    const auto opened = co_await fixture->gate.wait();
    EXPECT_TRUE(opened);
    co_return fail(Code::cancelled, "the subscription ends");
  }
  co_return Result<>();
}

pubsub::Deliver deliver_to(Fixture* fixture) {
  return [fixture](pubsub::Message message) { return accept(fixture, std::move(message)); };
}

auto subscribe(Fixture* fixture) {
  pubsub::SubscribeRequest request;
  request.topic = "t";
  return fixture->broker->subscribe(std::move(request), deliver_to(fixture));
}
Task<bool> delivered(Fixture* fixture, std::size_t count) {
  return until([fixture, count] { return fixture->delivered.size() == count; });
}
Task<bool> acknowledged(Fixture* fixture, std::size_t count) {
  return until([fixture, count] { return fixture->script.acks().size() == count; });
}

TEST(PluggablePubSub, PublishesWithItsNameAndMetadata) {
  Fixture fixture;
  fixture.features = {"MESSAGE_TTL", "SUBSCRIBE_WILDCARDS"};
  fixture.program.on(path_of("Publish"), [](std::string bytes) -> Result<std::string> {
    proto::PublishRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.pubsub_name(), "mypub");
    EXPECT_EQ(request.data(), std::string("a\0b", 3));
    EXPECT_EQ(request.metadata().at("ttlInSeconds"), "3");
    if (request.topic() == "full") return fail(Code::resource_exhausted, "no room");
    if (request.topic() == "busy") return fail(Code::aborted, "try again");
    return std::string();
  });
  fixture.use([](Fixture* f) -> Task<void> {
    EXPECT_THAT(pubsub::features(*f->broker), ElementsAre("MESSAGE_TTL", "SUBSCRIBE_WILDCARDS"));
    EXPECT_EQ(f->broker->bulk_publisher(), nullptr);
    pubsub::PublishRequest request{.topic = "a", .data = std::string("a\0b", 3)};
    request.metadata["ttlInSeconds"] = "3";
    EXPECT_TRUE(co_await f->broker->publish(request));
    request.topic = "full";
    const auto refused = co_await f->broker->publish(request);
    EXPECT_EQ(refused.error().message(), "rpc error: code = ResourceExhausted desc = no room");
    EXPECT_EQ(refused.error().code(), Code::resource_exhausted);
    request.topic = "busy";
    const auto busy = co_await f->broker->publish(request);
    EXPECT_EQ(busy.error().code(), Code::aborted);
  });
}

TEST(PluggablePubSub, PublishesManyAtOnceIfTheProgramCan) {
  Fixture fixture;
  fixture.features = {"BULK_PUBSUB"};
  fixture.program.on(path_of("BulkPublish"), [](std::string bytes) -> Result<std::string> {
    proto::BulkPublishRequest request;
    EXPECT_TRUE(request.ParseFromString(bytes));
    EXPECT_EQ(request.entries_size(), 2);
    EXPECT_EQ(request.entries(1).content_type(), "text/plain");
    proto::BulkPublishResponse response;
    auto* const failed = response.add_failed_entries();
    failed->set_entry_id(request.entries(1).entry_id());
    failed->set_error("too long");
    return response.SerializeAsString();
  });
  fixture.use([](Fixture* f) -> Task<void> {
    pubsub::BulkPublishRequest request{.topic = "a"};
    request.entries.push_back({.entry_id = "1", .event = "x"});
    request.entries.push_back({.entry_id = "2", .event = "y", .content_type = "text/plain"});
    const auto failures = co_await f->broker->bulk_publisher()->bulk_publish(std::move(request));
    EXPECT_EQ(failures->size(), 1U);
    EXPECT_EQ(failures->at(0).entry_id, "2");
    EXPECT_EQ(failures->at(0).error.message(), "too long");
  });
}

TEST(PluggablePubSub, MessagesAreDeliveredInOrderAndAcknowledged) {
  Fixture fixture;
  fixture.script.streams = {{"1", "refused", "typed", "2"}};
  fixture.use([](Fixture* f) -> Task<void> {
    pubsub::SubscribeRequest request{.topic = "orders"};
    request.metadata["group"] = "g";
    auto subscription = co_await f->broker->subscribe(std::move(request), deliver_to(f));
    EXPECT_TRUE(co_await acknowledged(f, 4));
    co_await (*subscription)->close();
  });
  EXPECT_THAT(fixture.script.topics(), ElementsAre("orders group=g"));
  EXPECT_THAT(fixture.delivered, ElementsAre("orders data 1", "orders data refused",
                                             "orders data typed", "orders data 2"));
  EXPECT_THAT(fixture.script.acks(), ElementsAre("1", "refused: not this one", "typed", "2"));
  EXPECT_EQ(fixture.script.well_ended(), 1);
  EXPECT_EQ(fixture.program.seen().back().instance, "mypub");
}

TEST(PluggablePubSub, ClosingAcknowledgesTheMessageInHandAndLeavesTheNext) {
  Fixture fixture;
  fixture.script.streams = {{"slow", "behind"}};
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    EXPECT_TRUE(co_await delivered(f, 1));
    TimePoint opened;
    Timer opener([f, &opened] {
      opened = std::chrono::steady_clock::now();
      f->gate.set({});
    });
    opener.start(20ms);
    co_await (*subscription)->close();
    // Upstream's time for programs to make the last acknowledgement good on an open stream.
    EXPECT_GE(std::chrono::steady_clock::now() - opened, 400ms);
  });
  EXPECT_THAT(fixture.delivered, ElementsAre("t data slow"));
  EXPECT_THAT(fixture.script.acks(), ElementsAre("slow"));
  EXPECT_EQ(fixture.script.well_ended(), 1);
}

TEST(PluggablePubSub, AMessageThatIsGivenUpWhileClosingIsNeitherAcknowledgedNorRefused) {
  Fixture fixture;
  fixture.script.streams = {{"given-up"}};
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    EXPECT_TRUE(co_await delivered(f, 1));
    Timer opener([f] { f->gate.set({}); });
    opener.start(20ms);
    co_await (*subscription)->close();
  });
  EXPECT_THAT(fixture.script.acks(), IsEmpty());
}

TEST(PluggablePubSub, APausedProgramsMessagesAreWorkedOffBeforeClosing) {
  Fixture fixture;
  fixture.script.streams = {{"slow", "behind", "last"}};
  fixture.program.on(path_of("Pause"), [](std::string) { return std::string(); });
  fixture.program.on(path_of("Resume"), [](std::string) { return std::string(); });
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    EXPECT_TRUE(co_await delivered(f, 1));
    EXPECT_TRUE(co_await f->broker->pausable()->pause());
    Timer opener([f] { f->gate.set({}); });
    opener.start(20ms);
    co_await (*subscription)->close();
    EXPECT_TRUE(co_await f->broker->pausable()->resume());
  });
  EXPECT_THAT(fixture.script.acks(), ElementsAre("slow", "behind", "last"));
}

TEST(PluggablePubSub, AProgramThatCannotPauseSaysSo) {
  Fixture fixture;
  fixture.use([](Fixture* f) -> Task<void> {
    const auto paused = co_await f->broker->pausable()->pause();
    EXPECT_EQ(paused.error().code(), Code::unimplemented);
  });
}

TEST(PluggablePubSub, AStreamThatEndsIsOpenedAgain) {
  Fixture fixture;
  fixture.script.streams = {{"!"}, {"1", "?"}, {"bad"}, {"2"}};
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    EXPECT_TRUE(co_await delivered(f, 2));
    co_await (*subscription)->close();
  });
  EXPECT_THAT(fixture.script.topics(), ElementsAre("t", "t", "t", "t"));
  EXPECT_THAT(fixture.delivered, ElementsAre("t data 1", "t data 2"));
}

TEST(PluggablePubSub, SubscriptionsOutliveTheirProgram) {
  Fixture fixture;
  fixture.script.streams = {{"1"}, {"2"}};
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    EXPECT_TRUE(co_await acknowledged(f, 1));
    f->program.stop();
    const auto failed = co_await subscribe(f);
    EXPECT_EQ(failed.error().code(), Code::unavailable);
    EXPECT_THAT(failed.error().message(), HasSubstr("unable to subscribe"));
    f->program.start();
    EXPECT_TRUE(co_await acknowledged(f, 2));
    co_await (*subscription)->close();
  });
  EXPECT_EQ(fixture.program.count(path_of("Init")), 2U);
}

TEST(PluggablePubSub, ASubscriptionToADeadProgramCanBeClosed) {
  Fixture fixture;
  fixture.use([](Fixture* f) -> Task<void> {
    auto subscription = co_await subscribe(f);
    f->program.stop();
    co_await (*subscription)->close();
  });
  EXPECT_THAT(fixture.delivered, IsEmpty());
}

}  // namespace
}  // namespace outrigger::components::pluggable
