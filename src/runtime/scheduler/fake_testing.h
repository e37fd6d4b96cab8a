#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/scope.h"
#include "net/grpc/server.h"
#include "net/http/server.h"
#include "runtime/scheduler/service.h"

/// A scheduler that tests write the lines of. For tests.
namespace outrigger::runtime::scheduler::testing {

/// Waits for what another thread brings about. False if it does not come.
template <class Condition>
bool comes(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

/// Runs a task on a loop of another thread, to its end.
template <class T>
Result<T> on(Loop& loop, std::move_only_function<Task<Result<T>>()> make) {
  return run(call_on<T>(loop, std::move(make)));
}
inline void on(Loop& loop, std::move_only_function<void()> work) {
  std::atomic<bool> done = false;
  loop.post([&] {
    work();
    done = true;
  });
  ASSERT_TRUE(comes([&] { return done.load(); }));
}

/// Serves the scheduler's methods on a port of its own. Everything may be called from the test's
/// thread.
class FakeScheduler {
 public:
  FakeScheduler() {
    const std::string prefix = "/dapr.proto.scheduler.v1.Scheduler/";
    for (const char* method : {"ScheduleJob", "GetJob", "DeleteJob", "DeleteByMetadata",
                               "DeleteByNamePrefix", "ListJobs"}) {
      service_.unary(prefix + method, [this, method](net::grpc::Call&, std::string message) {
        return answer(method, std::move(message));
      });
    }
    service_.stream(prefix + "WatchHosts", [this](net::grpc::Call&, net::grpc::ServerStream& s) {
      return watch_hosts(&s);
    });
    service_.stream(prefix + "WatchJobs", [this](net::grpc::Call&, net::grpc::ServerStream& s) {
      return watch_jobs(&s);
    });
    net::ServerOptions options;
    options.grpc = true;
    const std::vector<net::RequestHandler*> handlers = {&service_};
    server_ = std::make_unique<net::Server>(loops_, handlers, options);
    loops_.start();
    auto listener = net::Listener::bind("127.0.0.1", 0).value();
    address = "127.0.0.1:" + std::to_string(listener->port());
    server_->listen(std::move(listener));
  }
  ~FakeScheduler() {
    std::atomic<bool> done = false;
    loops_[0].post([&] { stopper_.spawn(stop(&done)); });
    comes([&] { return done.load(); });
    loops_.stop_and_join();
  }

  std::string address;

  /// What the next call of a method answers; else an empty message.
  void script(const std::string& method, Result<std::string> answer) {
    const std::lock_guard lock(mutex_);
    scripts_[method].push_back(std::move(answer));
  }
  /// The messages that a method was called with.
  std::vector<std::string> calls(const std::string& method) {
    const std::lock_guard lock(mutex_);
    return calls_[method];
  }
  /// What WatchHosts tells, now and to those who come; nullopt: nothing yet.
  void tell_hosts(std::optional<Result<std::string>> message) {
    on(loops_[0], [&] {
      hosts_ = std::move(message);
      changed_.notify_all();
    });
  }
  /// The first messages of the streams of jobs that stand now.
  std::vector<std::string> streams() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> initials;
    for (const Watching* each : watching_) initials.push_back(each->initial);
    return initials;
  }
  std::size_t streams_ever() {
    const std::lock_guard lock(mutex_);
    return streams_ever_;
  }
  std::vector<std::string> results() {
    const std::lock_guard lock(mutex_);
    return results_;
  }
  /// Sends a due job on the first stream that stands.
  void send(std::string message) {
    on(loops_[0], [&] {
      if (watching_.empty()) return;
      watching_.front()->out.push_back(std::move(message));
      changed_.notify_all();
    });
  }
  /// Ends all streams of jobs.
  void end_streams() {
    on(loops_[0], [&] {
      for (Watching* each : watching_) each->over = true;
      changed_.notify_all();
    });
  }

 private:
  struct Watching {
    std::string initial;
    std::deque<std::string> out;
    bool over = false;
  };

  Task<Result<std::string>> answer(std::string method, std::string message) {
    const std::lock_guard lock(mutex_);
    calls_[method].push_back(std::move(message));
    auto& script = scripts_[method];
    if (script.empty()) co_return std::string();
    auto next = std::move(script.front());
    script.pop_front();
    co_return next;
  }

  Task<Result<>> watch_hosts(net::grpc::ServerStream* stream) {
    std::optional<std::string> told;
    for (;;) {
      if (hosts_ && !*hosts_) co_return std::unexpected(hosts_->error());
      if (hosts_ && told != **hosts_) {
        told = **hosts_;
        OUT_CO_CHECK(co_await stream->write(*told));
        continue;
      }
      OUT_CO_CHECK(co_await changed_.wait());
    }
  }

  Task<Result<>> watch_jobs(net::grpc::ServerStream* stream) {
    OUT_CO_TRY(auto initial, co_await stream->read());
    Watching mine;
    mine.initial = initial.value_or("");
    {
      const std::lock_guard lock(mutex_);
      watching_.push_back(&mine);
      ++streams_ever_;
    }
    Scope reading;
    reading.spawn(read_results(stream, &mine));
    auto ended = co_await write_jobs(stream, &mine);
    reading.cancel();
    co_await reading.join();
    const std::lock_guard lock(mutex_);
    std::erase(watching_, &mine);
    co_return ended;
  }
  Task<Result<>> write_jobs(net::grpc::ServerStream* stream, Watching* mine) {
    while (!mine->over) {
      if (mine->out.empty()) {
        OUT_CO_CHECK(co_await changed_.wait());
        continue;
      }
      std::string message = std::move(mine->out.front());
      mine->out.pop_front();
      OUT_CO_CHECK(co_await stream->write(std::move(message)));
    }
    co_return Result<>();
  }
  Task<void> read_results(net::grpc::ServerStream* stream, Watching* mine) {
    for (;;) {
      auto message = co_await stream->read();
      if (!message) co_return;
      if (!*message) break;
      const std::lock_guard lock(mutex_);
      results_.push_back(**message);
    }
    mine->over = true;
    changed_.notify_all();
  }
  Task<void> stop(std::atomic<bool>* done) {
    co_await server_->stop(Duration::zero());
    co_await service_.drain();
    *done = true;
  }

  Loops loops_{1};
  Scope stopper_;
  net::grpc::Service service_;
  std::unique_ptr<net::Server> server_;
  // Of its loop:
  std::optional<Result<std::string>> hosts_;
  Signal changed_;
  // Of all:
  std::mutex mutex_;
  std::map<std::string, std::deque<Result<std::string>>> scripts_;
  std::map<std::string, std::vector<std::string>> calls_;
  std::vector<Watching*> watching_;
  std::size_t streams_ever_ = 0;
  std::vector<std::string> results_;
};

}  // namespace outrigger::runtime::scheduler::testing
