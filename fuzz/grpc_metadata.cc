#include <cstdint>
#include <string>
#include <string_view>

#include "net/grpc/metadata.h"
#include "net/grpc/status.h"
#include "net/grpc/timeout.h"

// Everything of a call's head and trailers that a peer writes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace outrigger::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto timeout = grpc::parse_timeout(text)) {
    auto again = grpc::parse_timeout(grpc::format_timeout(*timeout));
    OUT_ASSERT(again && *again >= *timeout);
  }
  OUT_ASSERT(grpc::decode_message(grpc::encode_message(text)).size() >= size);
  if (auto bytes = grpc::decode_value("a-bin", text)) {
    auto again = grpc::decode_value("a-bin", grpc::encode_value("a-bin", *bytes));
    OUT_ASSERT(again && *again == *bytes);
  }
  (void)grpc::check_metadata(text.substr(0, size / 2), text.substr(size / 2));
  (void)grpc::content_subtype(text);
  if (auto details = grpc::decode_details(text)) {
    const std::string encoded = grpc::encode_details(outrigger::Code::aborted, "m", &*details);
    OUT_ASSERT(grpc::decode_details(encoded));
  }
  const std::string encoded = grpc::encode_value("a-bin", text);
  for (const std::string_view number : {std::string_view("5"), text.substr(0, 2)}) {
    const Headers trailers{
        {"grpc-status", number}, {"grpc-message", text}, {"grpc-status-details-bin", encoded}};
    const grpc::Status status = grpc::status_of(trailers);
    if (!status.ok()) (void)grpc::to_error(status);
  }
  return 0;
}
