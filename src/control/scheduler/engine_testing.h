#pragma once

#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "control/scheduler/engine.h"
#include "control/scheduler/sqlite_store.h"
#include "control/scheduler/target.h"
#include "net/grpc/server.h"

/// What tests of the engine share: a clock that is set by hand, a sidecar that remembers, a folder.
namespace outrigger::control::scheduler {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "scheduler-XXXXXX").string();
    OUT_ASSERT(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

/// A store in a folder, for tests that hold up or break some of its calls.
class PassingStore : public Store {
 public:
  explicit PassingStore(const std::filesystem::path& folder)
      : inner_(SqliteOptions{.folder = folder}) {}

  Task<Result<>> open(Events& events, std::string address) override {
    return inner_.open(events, std::move(address));
  }
  Task<Result<Written>> put(PutRequest request) override { return inner_.put(std::move(request)); }
  Task<Result<std::optional<StoredJob>>> get(std::string name) override {
    return inner_.get(std::move(name));
  }
  Task<Result<std::optional<JobId>>> remove(std::string name) override {
    return inner_.remove(std::move(name));
  }
  Task<Result<std::vector<JobId>>> remove_prefix(std::string prefix) override {
    return inner_.remove_prefix(std::move(prefix));
  }
  Task<Result<std::vector<NamedJob>>> list(ListRequest request) override {
    return inner_.list(std::move(request));
  }
  Task<Result<std::vector<Due>>> due(std::uint64_t term, Due after, WallTime until,
                                     std::size_t limit) override {
    return inner_.due(term, after, until, limit);
  }
  Task<Result<Loaded>> load(std::uint64_t term, std::vector<JobId> ids) override {
    return inner_.load(term, std::move(ids));
  }
  Task<Result<std::vector<bool>>> settle(std::uint64_t term,
                                         std::vector<Settlement> settlements) override {
    return inner_.settle(term, std::move(settlements));
  }
  Task<Result<>> shorten_waits(std::uint64_t term, WallTime now) override {
    return inner_.shorten_waits(term, now);
  }
  Task<Result<>> probe() override { return inner_.probe(); }
  Task<void> close() override { return inner_.close(); }

 private:
  SqliteStore inner_;
};

class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime now) : now_(now) {}
  [[nodiscard]] WallTime now() const override {
    const WallTime seen = now_;
    now_ += per_look;
    return seen;
  }
  Result<> start(Handler& handler) override {
    handler_ = &handler;
    return {};
  }
  void arm(WallTime when) override {
    alarm_ = when;
    Loop::current().post([this] { ring(); });
  }
  void stop() override { handler_ = nullptr; }

  /// So much time goes by between one look at the clock and the next.
  std::chrono::nanoseconds per_look{0};

  /// Time goes by.
  void advance(std::chrono::nanoseconds time) {
    now_ += time;
    ring();
  }
  /// Somebody sets the clock.
  void jump(std::chrono::nanoseconds time) {
    now_ += time;
    alarm_.reset();
    if (handler_ != nullptr) handler_->on_jump();
  }

 private:
  void ring() {
    if (!alarm_ || *alarm_ > now_ || handler_ == nullptr) return;
    alarm_.reset();
    handler_->on_time();
  }
  mutable WallTime now_;
  std::optional<WallTime> alarm_;
  Handler* handler_ = nullptr;
};

/// A stream that keeps what it is sent; connected until disconnect().
class FakeSidecar final : public Watcher {
 public:
  struct Sent {
    std::uint64_t trigger;
    Delivery delivery;
  };
  void connect(Engine& engine, WatchRequest request) {
    engine_ = &engine;
    id_ = engine.dispatcher().add(*this, std::move(request));
  }
  void disconnect() {
    engine_->dispatcher().remove(id_);
    sent.clear();
  }
  void send(std::uint64_t trigger, Delivery delivery) override {
    sent.push_back({trigger, std::move(delivery)});
    ++received;
  }
  [[nodiscard]] bool full() const override { return sent.size() >= full_at; }
  /// Answers the oldest and gives its name.
  std::string answer(Answer answer) {
    const Sent first = std::move(sent.front());
    sent.pop_front();
    EXPECT_TRUE(engine_->dispatcher().answer(id_, first.trigger, answer));
    return first.delivery.name;
  }
  void has_room() { engine_->dispatcher().has_room(id_); }

  std::deque<Sent> sent;
  std::size_t received = 0;
  std::size_t full_at = 1'000'000;

 private:
  Engine* engine_ = nullptr;
  WatcherId id_ = 0;
};

/// How a gRPC call ended.
struct Ending {
  std::string status;
  std::string words;
  std::string body;
};
/// A call of a service with this body, frames and all, as it may come from anybody.
inline Task<Ending> call_raw(net::grpc::Service* service, std::string path, std::string body) {
  net::Request request;
  request.method = "POST";
  request.target = std::move(path);
  request.headers.add("content-type", "application/grpc");
  request.body = std::move(body);
  auto response = co_await service->handle(std::move(request));
  auto answer = co_await response.body.read_all(16U << 20);
  EXPECT_TRUE(answer);
  const auto value = [&response](std::string_view name) {
    std::string found(response.headers.value(name));
    if (found.empty()) found = response.body.trailers.value(name);
    return found;
  };
  co_return Ending{value("grpc-status"), value("grpc-message"), answer.value_or("")};
}

/// Waits for what other threads have a part in; false if it does not come for 30 s.
inline Task<bool> eventually(std::function<bool()> condition) {
  const TimePoint end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) co_return false;
    [[maybe_unused]] auto slept = co_await sleep_for(std::chrono::milliseconds(1));
  }
  co_return true;
}

}  // namespace outrigger::control::scheduler
