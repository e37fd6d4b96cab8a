#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/scope.h"
#include "components/middleware/registry.h"

namespace outrigger::components::middleware {

/// One middleware, with a handler behind it that says what it was asked.
class Rig {
 public:
  Rig(std::string type, Properties properties, std::string name = "it");
  ~Rig();
  [[nodiscard]] std::string error() const { return made_ ? "" : made_.error().message(); }
  net::Response send(std::string target, net::Headers headers = {}, std::string body = {});
  /// `count` requests at once.
  std::vector<net::Response> send_many(std::string target, int count);
  [[nodiscard]] Middleware* get() { return made_->get(); }
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] net::Request request(std::string target, net::Headers headers = {},
                                     std::string body = {});

  net::Peer peer{.address = "10.0.0.1:4711"};
  std::string method = "GET";
  /// What the handler behind it answers; nullptr: the target that it was asked for.
  std::function<net::Response(const net::Request& request)> answer;
  /// What it was asked last.
  std::optional<net::Request> seen;

 private:
  Task<net::Response> call(net::Request request);
  Task<void> call_into(net::Request request, std::vector<net::Response>* out);
  Task<net::Response> say(net::Request request);
  Loop loop_;
  ComponentContext context_{loop_, "app"};
  Result<std::unique_ptr<Middleware>> made_ = fail(Code::internal, "not made");
  bool opened_ = false;
};

/// An HTTP/1.1 server on a thread of its own that answers each request, by a connection of its
/// own, with the bytes that it is told to; nullopt: with nothing, and keeps the connection open.
class CannedServer {
 public:
  using Answer = std::function<std::optional<std::string>(const std::string& request)>;
  explicit CannedServer(Answer answer);
  ~CannedServer();
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<std::string> requests() const;
  /// A whole answer of that status, type and body.
  static std::string reply(int status, const std::string& type, const std::string& body);

 private:
  void serve();
  void answer(int fd);
  const Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<int> kept_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace outrigger::components::middleware
