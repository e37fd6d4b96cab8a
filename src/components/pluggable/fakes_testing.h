#pragma once

#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include <unistd.h>

#include "base/scope.h"
#include "components/component.h"
#include "components/pluggable/discovery.h"
#include "components/pluggable/registry.h"
#include "net/grpc/server.h"
#include "net/http/server.h"

/// A component program for tests: a gRPC server on a Unix socket, on a thread of its own.
namespace outrigger::components::pluggable::testing {

/// A folder of its own that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("pluggable-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Answers one unary call with a serialised message or an error.
using Method = std::function<Result<std::string>(std::string message)>;
/// A streaming method; runs on the program's thread.
using Stream = std::function<Task<Result<>>(net::grpc::ServerStream* stream)>;

class FakeProgram {
 public:
  enum class Reflection : std::uint8_t { both, only_v1, only_v1alpha, none, malformed, silent };

  explicit FakeProgram(std::string path);
  ~FakeProgram();
  FakeProgram(const FakeProgram&) = delete;
  FakeProgram& operator=(const FakeProgram&) = delete;

  /// Before start(). `path` is "/package.Service/Method".
  void on(const std::string& path, Method method) { methods_[path] = std::move(method); }
  void on_stream(const std::string& path, Stream stream) { streams_[path] = std::move(stream); }
  void hang(const std::string& path) { hanging_.insert(path); }
  void offer(std::vector<std::string> services) { services_ = std::move(services); }
  void set_reflection(Reflection reflection) { reflection_ = reflection; }

  void start();
  /// Ends as if killed: connections break, and the socket's file goes.
  void stop();

  /// Every call so far, in order: its path and x-component-instance.
  struct Seen {
    std::string path;
    std::string instance;
    std::string authority;
    std::string message;
  };
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] std::size_t count(std::string_view path) const {
    const auto all = seen();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [&](const Seen& each) { return each.path == path; }));
  }

 private:
  struct Running;
  Task<Result<std::string>> answer(net::grpc::Call* call, std::string path, std::string message);
  Task<Result<>> serve_stream(net::grpc::Call* call, std::string path,
                              net::grpc::ServerStream* stream);
  Task<Result<>> reflect(net::grpc::ServerStream* stream);
  void note(net::grpc::Call* call, std::string message);
  void serve_reflection(net::grpc::Service& service);

  std::string path_;
  std::map<std::string, Method> methods_;
  std::map<std::string, Stream> streams_;
  std::set<std::string> hanging_;
  std::vector<std::string> services_;
  Reflection reflection_ = Reflection::both;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
  std::unique_ptr<Running> running_;
};

/// The answers Init and Features of a service, with these features.
void be_component(FakeProgram& program, const std::string& service,
                  std::vector<std::string> features);

/// Waits, on the loop of the test, until `done`; false after ten seconds.
Task<bool> until(std::function<bool()> done);

}  // namespace outrigger::components::pluggable::testing
