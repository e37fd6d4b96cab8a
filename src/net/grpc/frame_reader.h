#pragma once

#include <string>

#include "net/grpc/frame.h"
#include "net/message.h"

/// Private to this folder.
namespace outrigger::net::grpc {

/// Until where a body is read that holds one message.
enum class FrameEnd : std::uint8_t {
  message,  ///< A server answers once the message is there, as grpc-go's does.
  body      ///< A client needs what ends the call.
};

/// The first frame of a body, unopened, and perhaps what came behind it; less than a frame if the
/// body ends early. `body` must live until the task has ended and has the trailers then if it was
/// read to its end. The errors of Deframer, as soon as the frame's head tells, so that no more than
/// `message_bytes_max` is ever held; Code::internal for more than one message, where it is a body
/// that is read to its end.
Task<Result<std::string>> read_frame(Body* body, std::size_t message_bytes_max, FrameEnd until);

}  // namespace outrigger::net::grpc
