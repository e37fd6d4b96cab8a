#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/loop.h"
#include "net/grpc/status.h"
#include "net/headers.h"
#include "net/message.h"

namespace outrigger::net::grpc {

/// One incoming call as its method and the interceptor see it. Lives until the call has ended.
struct Call {
  std::string path;  ///< "/package.Service/Method".
  Headers metadata;  ///< All request fields as they came; binary values still in base64.
  std::string authority;
  const Peer* peer = nullptr;
  std::optional<TimePoint> deadline;
  /// Sent before the first message. Later changes have no effect.
  Headers reply_metadata;
  /// Sent with the status.
  Headers reply_trailers;
  TimePoint started;
  /// Whether the message that was received last had come compressed.
  bool received_compressed = false;
  /// Whether messages of the reply may be compressed, which its head announces. Not set: if the
  /// request names gzip as its encoding, as grpc-go does it. True has no effect towards a client
  /// that does not accept gzip.
  std::optional<bool> gzip_replies;
  /// Where they may be: whether the next message of the reply is.
  bool compress_next = true;
  std::size_t received_bytes = 0;  ///< Message payloads, decompressed.
  std::size_t sent_bytes = 0;
  bool proxied = false;
  bool streaming = false;  ///< Of a method of ours.
  /// The error that the call ended with, as the method gave it.
  std::optional<Error> error;

  /// What the interceptor keeps with the call (its trace context, ...).
  struct Data {
    virtual ~Data() = default;
  };
  std::unique_ptr<Data> data;

  /// The value of a metadata field, "" if there is none.
  [[nodiscard]] std::string_view value(std::string_view name) const { return metadata.value(name); }
};

/// Sees every call of a server: authentication, logs, metrics, traces. One object per loop.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  /// Before the method. An error ends the call with it.
  virtual Result<> begin(Call& call) = 0;
  /// Exactly once after each begin(), also if that failed.
  virtual void end(Call& call, const Status& status) = 0;
};

}  // namespace outrigger::net::grpc
