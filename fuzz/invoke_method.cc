// Service invocation: a method is normalised once and for all, and never climbs; what a path names
// as an app and a method is found without fear; envelopes are read whatever bytes they are, and
// what is written of them is read back.
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/invoke/app_caller.h"
#include "runtime/invoke/envelope.h"
#include "runtime/invoke/method.h"
#include "runtime/invoke/target.h"

namespace invoke = outrigger::runtime::invoke;

namespace {

void check_method(std::string_view input) {
  const auto method = invoke::normalise_method(input);
  if (!method) return;
  OUT_ASSERT(invoke::normalise_method(*method).value() == *method);
  OUT_ASSERT(method->find("//") == std::string::npos);
  OUT_ASSERT(!method->starts_with("../") && *method != ".." && *method != ".");
  OUT_ASSERT(("/" + *method + "/").find("/../") == std::string::npos);
  const auto target = invoke::app_target(*method, input, "http://app");
  if (!target) return;
  OUT_ASSERT(target->starts_with('/'));
  for (const char c : *target) OUT_ASSERT(static_cast<unsigned char>(c) > 0x20 && c != '#');
}

void check_envelope(std::string_view input) {
  const auto chunk = invoke::decode_request_chunk(input);
  if (chunk && chunk->has_request) {
    std::string out;
    invoke::encode_request_chunk(out, &chunk->request, chunk->payload);
    const auto again = invoke::decode_request_chunk(out);
    OUT_ASSERT(again && again->request.verb == chunk->request.verb);
    OUT_ASSERT(again->request.metadata.size() == chunk->request.metadata.size());
    OUT_ASSERT(again->payload.has_value() == chunk->payload.has_value());
    if (again->payload) OUT_ASSERT(again->payload->data == chunk->payload->data);
  }
  auto reply = invoke::decode_reply_chunk(input);
  if (reply && reply->has_reply) {
    std::string out;
    invoke::encode_reply_chunk(out, &reply->reply, reply->payload);
    OUT_ASSERT(invoke::decode_reply_chunk(out).has_value());
  }
  (void)invoke::decode_request(input);
  (void)invoke::decode_reply(input);
  (void)invoke::decode_service_request(input);
  (void)invoke::decode_invoke_response(input);
  (void)invoke::split_details(input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_method(input);
  check_envelope(input);
  (void)invoke::parse_app_name(input, "default");
  (void)invoke::find_destination(input, {{"authorization", input}});
  if (const auto found = invoke::find_destination(input, {})) OUT_ASSERT(!found->app.empty());
  return 0;
}
