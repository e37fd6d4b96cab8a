#include <csignal>
#include <filesystem>
#include <set>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "base/uuid.h"
#include "components/component.h"
#include "components/pubsub/receiver_testing.h"
#include "components/pubsub/registry.h"

/// pubsub.sqlite among processes that are killed at any moment. A child is forked before this
/// process has any other thread.
namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;

std::unique_ptr<Broker> open_broker(Loop& loop, const std::string& path) {
  ComponentContext context{.loop = loop, .app_id = "app"};
  const auto* kind = find_kind(kinds(), "pubsub.sqlite", "v1");
  const Metadata metadata{.name = "events",
                          .type = "pubsub.sqlite",
                          .properties = {{"connectionString", path},
                                         {"visibilityTimeout", "300ms"},
                                         {"redeliverInterval", "50ms"},
                                         {"cleanupInterval", "20ms"}}};
  auto made = kind->make(metadata, context);
  if (!made) return nullptr;
  if (run_on(loop, (*made)->init())) return std::move(*made);
  run_on(loop, (*made)->close());
  return nullptr;
}

/// Writes a line at once: lines shorter than PIPE_BUF are not mixed, and none is half there.
void tell(int pipe, const std::string& line) {
  const std::string text = line + "\n";
  if (::write(pipe, text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(2);
}

Task<void> publish_for_ever(Broker* broker, std::string name, int pipe) {
  for (int i = 0;; ++i) {
    const std::string text = name + "-" + std::to_string(i);
    PublishRequest request{.topic = "orders", .data = text};
    auto done = co_await broker->publish(std::move(request));
    if (done) tell(pipe, text);
  }
}

/// Lives until it is killed.
[[noreturn]] void publisher(const std::string& path, int pipe) {
  Loop loop;
  auto broker = open_broker(loop, path);
  if (broker == nullptr) _exit(3);
  const std::string life = uuid_v4();
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(publish_for_ever(broker.get(), life + "/" + std::to_string(i), pipe));
  }
  run_on(loop, run_all(std::move(tasks)));
  _exit(4);
}

Task<Result<>> tell_handled(int pipe, Message message) {
  // Refuses some, and is slow with some, so that it dies with messages in every state.
  if (fast_random_below(20) == 0) co_return fail(Code::internal, "not now");
  if (fast_random_below(10) == 0) {
    OUT_CO_CHECK(co_await sleep_for(2ms));
  }
  tell(pipe, message.data);
  co_return Result<>();
}

[[noreturn]] void subscriber(const std::string& path, int pipe) {
  Loop loop;
  auto broker = open_broker(loop, path);
  if (broker == nullptr) _exit(3);
  SubscribeRequest request{.topic = "orders"};
  Deliver deliver = [pipe](Message message) { return tell_handled(pipe, std::move(message)); };
  auto subscription = run_on(loop, broker->subscribe(std::move(request), std::move(deliver)));
  if (!subscription) _exit(5);
  tell(pipe, "ready");
  loop.run();
  _exit(4);
}

class Child {
 public:
  using Main = void (*)(const std::string&, int);
  Child(Main main, const std::string& path) {
    int ends[2];
    if (::pipe(ends) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      // Refused messages are no news here.
      if (!configure_logging({.level = LogLevel::error})) _exit(6);
      main(path, ends[1]);
    }
    ::close(ends[1]);
    pipe_ = ends[0];
  }
  Child(const Child&) = delete;
  ~Child() {
    kill();
    ::close(pipe_);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  /// Adds the lines that came within `time`, or until the child has ended and all are read.
  void read_for(Duration time, std::set<std::string>& lines) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      pollfd wait{.fd = pipe_, .events = POLLIN, .revents = 0};
      if (left.count() <= 0 || ::poll(&wait, 1, static_cast<int>(left.count())) <= 0) return;
      char buffer[65536];
      const auto count = ::read(pipe_, buffer, sizeof(buffer));
      if (count <= 0) return;
      text_.append(buffer, static_cast<std::size_t>(count));
      std::size_t end = 0;
      while ((end = text_.find('\n')) != std::string::npos) {
        lines.insert(text_.substr(0, end));
        text_.erase(0, end + 1);
      }
    }
  }

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
  std::string text_;
};

Duration some_time() { return 1ms * (20 + fast_random_below(250)); }

/// Until every line of `wanted` is in `found`.
void read_all(Child& child, const std::set<std::string>& wanted, std::set<std::string>& found) {
  const auto until = std::chrono::steady_clock::now() + 120s;
  while (!std::ranges::includes(found, wanted) && std::chrono::steady_clock::now() < until) {
    child.read_for(50ms, found);
  }
}

std::size_t missing(const std::set<std::string>& wanted, const std::set<std::string>& found) {
  std::vector<std::string> absent;
  std::ranges::set_difference(wanted, found, std::back_inserter(absent));
  return absent.size();
}

class PubSubFault : public testing::Test {
 protected:
  PubSubFault() { std::filesystem::create_directories(directory_); }
  ~PubSubFault() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return (directory_ / "events.db").string(); }
  const std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / ("outrigger-pubsub-" + uuid_v4());
};

TEST_F(PubSubFault, WhatAKilledPublisherHadAcknowledgedIsDelivered) {
  Child reader(&subscriber, path());
  std::set<std::string> delivered;
  while (!delivered.contains("ready")) reader.read_for(10ms, delivered);
  std::set<std::string> acknowledged;
  for (int life = 0; life < 8 || (acknowledged.size() <= 20 && life < 100); ++life) {
    Child writer(&publisher, path());
    writer.read_for(some_time(), acknowledged);
    writer.kill();
    writer.read_for(5s, acknowledged);
    reader.read_for(1ms, delivered);
  }
  EXPECT_GT(acknowledged.size(), 20u);
  read_all(reader, acknowledged, delivered);
  EXPECT_EQ(missing(acknowledged, delivered), 0u) << "of " << acknowledged.size();
}

TEST_F(PubSubFault, WhatAKilledSubscriberHadNotHandledIsGivenToTheNext) {
  std::set<std::string> delivered;
  std::set<std::string> acknowledged;
  auto reader = std::make_unique<Child>(&subscriber, path());
  while (!delivered.contains("ready")) reader->read_for(10ms, delivered);
  Child writer(&publisher, path());
  for (int life = 0; life < 8 || (acknowledged.size() <= 20 && life < 100); ++life) {
    reader->read_for(some_time(), delivered);
    reader->kill();
    reader->read_for(5s, delivered);
    reader = std::make_unique<Child>(&subscriber, path());
    writer.read_for(1ms, acknowledged);
  }
  writer.kill();
  writer.read_for(5s, acknowledged);
  EXPECT_GT(acknowledged.size(), 20u);
  read_all(*reader, acknowledged, delivered);
  EXPECT_EQ(missing(acknowledged, delivered), 0u) << "of " << acknowledged.size();
}

TEST_F(PubSubFault, SeveralProcessesShareAFileAndAllIsDelivered) {
  std::set<std::string> delivered;
  std::set<std::string> acknowledged;
  Child reader1(&subscriber, path());
  while (!delivered.contains("ready")) reader1.read_for(10ms, delivered);
  Child reader2(&subscriber, path());
  Child writer1(&publisher, path());
  Child writer2(&publisher, path());
  for (int i = 0; i < 20; ++i) {
    for (auto* child : {&reader1, &reader2}) child->read_for(20ms, delivered);
    for (auto* child : {&writer1, &writer2}) child->read_for(20ms, acknowledged);
  }
  for (auto* child : {&writer1, &writer2}) {
    child->kill();
    child->read_for(5s, acknowledged);
  }
  const auto until = std::chrono::steady_clock::now() + 120s;
  while (missing(acknowledged, delivered) > 0 && std::chrono::steady_clock::now() < until) {
    for (auto* child : {&reader1, &reader2}) child->read_for(20ms, delivered);
  }
  EXPECT_EQ(missing(acknowledged, delivered), 0u) << "of " << acknowledged.size();
}

}  // namespace
}  // namespace outrigger::components::pubsub
