#pragma once

#include "runtime/invoke/chunks.h"
#include "runtime/invoke/header_rules.h"
#include "runtime/invoke/message.h"
#include "runtime/peers/peers.h"

namespace outrigger::runtime::invoke {

inline constexpr std::string_view kCallLocal =
    "/dapr.proto.internals.v1.ServiceInvocation/CallLocal";
inline constexpr std::string_view kCallLocalStream =
    "/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream";

/// A request on its way to another sidecar, and what is needed to send it again.
struct Outgoing {
  Request request;  ///< With the metadata of the hop.
  TraceContext trace;
  /// Of a body that is a stream of known length: a short one may be sent again.
  std::shared_ptr<Replay> replay;

  [[nodiscard]] bool repeatable() const noexcept {
    return !request.body.is_stream() || (replay && !replay->lost);
  }
};

/// Calls CallLocalStream of other sidecars, or CallLocal of those that have no other. On one loop.
class RemoteCaller {
 public:
  struct Options {
    /// Of one message from a peer, and of a request body that comes as a stream.
    std::size_t message_bytes_max = net::grpc::kDefaultMessageBytesMax;
    std::size_t body_bytes_max = 0;
  };
  /// `peers` and `scope`, which bodies flow in, must outlive this object.
  RemoteCaller(peers::Peers& peers, Scope& scope, Options options)
      : peers_(peers), scope_(scope), options_(options) {}

  /// One attempt. The error's code is that of the call between the sidecars, its text upstream's;
  /// `outgoing` can then be sent again if it is repeatable().
  Task<Result<Reply>> call(peers::Target target, std::string address, Outgoing& outgoing);

 private:
  Task<Result<Reply>> attempt(peers::Target target, std::string address, Outgoing& outgoing);
  Task<Result<Reply>> unary(peers::Target target, std::string address, const Outgoing& outgoing);
  Task<Result<Reply>> read_reply(net::Response response);
  net::Request head(std::string_view path, const TraceContext& trace) const;
  std::shared_ptr<ChunkWriter> start_body(Outgoing& outgoing, net::Request& out);

  peers::Peers& peers_;
  Scope& scope_;
  Options options_;
};

}  // namespace outrigger::runtime::invoke
