#pragma once

#include <memory>
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

  explicit Watcher(net::Client& client);
  /// close() must have ended.
  ~Watcher();

  Receivers receivers;

  /// Ends the streams there are, with the triggers that run because of them, and then begins these.
  void follow(Plan plan);
  /// Ends the streams: takes no triggers any more, and gives those that run `grace` to end.
  Task<void> stop(Duration grace);
  Task<void> close();

 private:
  class Conversation;
  struct State {
    Plan plan;
    bool winding_down = false;
    Signal changed;  ///< winding_down was set.
  };
  /// Returns when it is so.
  static Task<Result<>> winding_down(std::shared_ptr<State> state);
  Task<void> run();
  Task<void> watch(std::string address, std::shared_ptr<State> state);
  Task<void> end_streams();

  net::Client& client_;
  Scope scope_;
  bool running_ = false;
  std::shared_ptr<State> wanted_;
  std::shared_ptr<State> current_;
  Signal changed_;
  std::unique_ptr<Scope> streams_;
};

}  // namespace outrigger::runtime::scheduler
