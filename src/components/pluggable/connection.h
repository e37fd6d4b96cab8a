#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "components/component.h"
#include "components/pluggable/session.h"
#include "net/grpc/channel.h"

namespace outrigger::components::pluggable {

/// One configured component in its program, as one loop uses it. Every call tells the program which
/// of its components is meant.
class Connection {
 public:
  struct Target {
    std::string socket;
    /// "dapr.proto.components.v1.StateStore".
    std::string service;
  };
  Connection(Target target, const Metadata& metadata, std::shared_ptr<Session> session);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  /// close() must have ended if open() was called.
  ~Connection();

  /// Initialises the component, unless another loop has.
  Task<Result<>> open();
  /// Cancels the streams and ends the connections. No call may be running.
  Task<void> close();

  /// Valid after open().
  [[nodiscard]] const std::vector<std::string>& features() const noexcept { return features_; }
  [[nodiscard]] bool has(std::string_view feature) const noexcept;

  /// One message each way. `path` is "/package.Service/Method". How the program answered is in the
  /// reply's status; an error: it was not asked, or this task was cancelled. A program that was
  /// started anew is first initialised again.
  Task<Result<net::grpc::Reply>> call(std::string path, std::string message,
                                      std::optional<Duration> timeout = {});
  /// Begins a stream; the same holds.
  Task<Result<std::shared_ptr<net::grpc::ClientStream>>> stream(std::string path);
  Task<Result<>> ping();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::string method(std::string_view name) const;

 private:
  struct Link;
  [[nodiscard]] bool started_anew() const;
  Task<Result<>> initialise();
  Task<Result<std::vector<std::string>>> introduce(std::optional<Duration> timeout);
  [[nodiscard]] net::grpc::CallOptions call_options() const;

  Target target_;
  std::string name_;
  Properties properties_;
  std::shared_ptr<Session> session_;
  std::vector<std::string> features_;
  std::uint64_t identity_ = 0;
  std::unique_ptr<Link> link_;
};

}  // namespace outrigger::components::pluggable
