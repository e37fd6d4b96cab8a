// What component files, their servers and their programs say: connection strings, templates,
// options, the replies of Redis to the commands we send, binary columns, messages of plug-ins.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/stubs/logging.h>

#include "components/clients/postgres/connection_string.h"
#include "components/clients/postgres/values.h"
#include "components/clients/redis/options.h"
#include "components/clients/redis/reply_parser.h"
#include "components/clients/redis/slot_map.h"
#include "components/nameresolution/address_template.h"
#include "components/pluggable/state_messages.h"
#include "components/pubsub/redis_stream.h"
#include "resources/templates.h"

namespace {

using namespace outrigger;
using namespace outrigger::components;

void read_reply(std::string_view input) {
  const net::Address asked{.host = "asked", .port = 6379};
  if (const auto redirect = redis::read_redirect(input, asked)) {
    OUT_ASSERT(redirect->slot < 16384);
  }
  redis::ReplyParser parser;
  parser.feed(input);
  for (auto reply = parser.next(); reply && *reply; reply = parser.next()) {
    if (const auto slots = redis::read_slots(**reply, asked)) {
      for (const auto& range : *slots) OUT_ASSERT(range.first <= range.last && range.last < 16384);
    }
    (void)pubsub::redis_stream::pending_of(**reply);
    (void)pubsub::redis_stream::entries_of_read(**reply);
    (void)pubsub::redis_stream::entries_of_claim(**reply);
    (void)(*reply)->as_integer();
    (void)(*reply)->find("data");
    (void)redis::checked(std::move(**reply));
  }
}

void read_columns(std::string_view input) {
  (void)postgres::to_integer(input);
  (void)postgres::to_unsigned(input);
  (void)postgres::to_bool(input);
  (void)postgres::to_json(input);
  (void)postgres::to_time(input);
  const std::string uuid = postgres::to_uuid(input);
  OUT_ASSERT(uuid.empty() || postgres::from_uuid(uuid) == input);
  const std::string bytes = postgres::from_uuid(input);
  OUT_ASSERT(bytes.empty() || bytes.size() == 16);
}

void read_options(std::string_view input) {
  (void)postgres::parse_connection_string(input);
  if (const auto parsed = nameresolution::AddressTemplate::parse(input)) {
    (void)parsed->expand({.id = "a", .app_namespace = "n", .port = 1, .data = {{"k", "v"}}});
  }
  const resources::TemplateFacts facts{
      .app_id = "a", .pod_name = "p", .namespace_name = "n", .uuid = [] { return "u"; }};
  (void)resources::expand_templates(input, "item", facts);
  const std::string text(input);
  Metadata metadata{.name = "c", .type = "state.redis", .version = "v1", .properties = {}};
  metadata.properties = {{"redisHost", text}, {"redisPort", text}};
  (void)redis::parse_options(metadata, redis::Block::state);
  metadata.properties = {{"redisHost", "a"}, {"maxRetryBackoff", text}, {"dialTimeout", text}};
  (void)redis::parse_options(metadata, redis::Block::pubsub);
  const Properties request = {{"ttlInSeconds", text}, {"rawPayload", text}, {"priority", text}};
  const auto ttl = request_ttl(request);
  OUT_ASSERT(!ttl || !*ttl || (*ttl)->count() >= 0);
  (void)raw_payload(request);
  (void)request_priority(request);
}

}  // namespace

// Its complaints would fill the log.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  read_reply(input);
  read_columns(input);
  read_options(input);
  (void)pubsub::redis_stream::id_after(input);
  const std::string message(input);
  (void)pluggable::read_item(message);
  (void)pluggable::read_items(message);
  (void)pluggable::read_query_answer(message);
  (void)pluggable::read_multi_max_size(message);
  return 0;
}
