#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/scope.h"
#include "net/grpc/channel.h"
#include "runtime/scheduler/service.h"

namespace outrigger::runtime::scheduler {

/// The streams of triggers that one loop keeps.
class Watcher {
 public:
  struct Plan {
    /// The first message of each stream.
    std::string initial;
    /// A stream to each; one address may come several times.
    std::vector<std::string> addresses;
  };
  struct Receivers {
    Receiver* app = nullptr;
    Receiver* actors = nullptr;
  };

  Watcher(net::Client& client, std::shared_ptr<net::TlsContext> tls);
  /// close() must have ended.
  ~Watcher();

  Receivers receivers;

  /// Ends the streams that are none of these, with the triggers that run because of them, and then
  /// begins those that are missing.
  void follow(Plan plan);
  /// Ends the streams: takes no triggers any more, and gives those that run `grace` to end.
  Task<void> stop(Duration grace);
  Task<void> close();

 private:
  class Conversation;
  /// What streams begun with the same first message share.
  struct State {
    std::string initial;
    bool winding_down = false;
    Signal changed;  ///< winding_down was set.
  };
  /// Returns when it is so.
  static Task<Result<>> winding_down(std::shared_ptr<State> state);
  struct Running {
    std::string address;
    Scope scope;
  };
  /// Shared with those who wait for their end.
  using Streams = std::vector<std::shared_ptr<Running>>;
  Task<void> run();
  Streams take_surplus();
  void begin(Plan plan);
  Task<void> watch(std::string address, std::shared_ptr<State> state);
  static Task<void> end(Streams streams);

  net::Client& client_;
  std::shared_ptr<net::TlsContext> tls_;
  Scope scope_;
  bool running_ = false;
  std::optional<Plan> wanted_;
  std::shared_ptr<State> current_;
  Signal changed_;
  Streams streams_;
};

}  // namespace outrigger::runtime::scheduler
