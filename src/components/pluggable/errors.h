#pragma once

#include "base/error.h"
#include "net/grpc/status.h"

/// What the statuses of component programs mean to the blocks. None of them may be OK.
namespace outrigger::components::pluggable {

/// The status with the text "rpc error: code = ... desc = ...", as upstream's client writes it, and
/// without details.
[[nodiscard]] Error status_error(const net::grpc::Status& status);
/// The same for state stores: never one of the errors that have a meaning of their own for these
/// (components/state/store.h).
[[nodiscard]] Error plain_error(const net::grpc::Status& status);
/// The error that the component says clients shall see, if it is one: with details, a tag and an
/// HTTP status. Otherwise plain. This and the following are for state stores.
[[nodiscard]] Error component_error(const net::grpc::Status& status);
/// Also knows how a state store says that an ETag does not match or can be none.
[[nodiscard]] Error write_error(const net::grpc::Status& status);
/// Also knows how it says that only some of the keys were deleted.
[[nodiscard]] Error bulk_delete_error(const net::grpc::Status& status);
/// Bytes that are not the message they should be.
[[nodiscard]] Error malformed_answer();

}  // namespace outrigger::components::pluggable
