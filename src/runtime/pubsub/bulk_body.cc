#include "runtime/pubsub/bulk_body.h"

#include "base/base64.h"
#include "base/json.h"

namespace outrigger::pubsub {
namespace {

constexpr std::string_view kMismatch = "error: mismatch between contentType and event";

// How Go's decoder complains about a text that begins no complete value: it ends too early, or has
// a byte that cannot be there.
std::string syntax_error(std::string_view text) {
  bool in_string = false;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  if (in_string || depth > 0) return "unexpected EOF";
  return "invalid character in the JSON text";
}

std::string_view type_name(json::Type type) {
  switch (type) {
    case json::Type::null: return "null";
    case json::Type::boolean: return "bool";
    case json::Type::number: return "number";
    case json::Type::string: return "string";
    case json::Type::array: return "array";
    case json::Type::object: return "object";
    case json::Type::invalid: break;
  }
  return "value";
}

std::unexpected<Error> mistyped(std::string_view raw, std::string_view wanted) {
  return fail(Code::invalid_argument, "json: cannot unmarshal " +
                                          std::string(type_name(json::type_of(raw))) +
                                          " into Go value of type " + std::string(wanted));
}

Result<> read_text(std::string_view raw, std::string& out) {
  if (json::type_of(raw) == json::Type::null) return {};
  auto text = json::string_value(raw);
  if (!text) return mistyped(raw, "string");
  out = *std::move(text);
  return {};
}

Result<> read_metadata(std::string_view raw, std::optional<Properties>& out) {
  if (json::type_of(raw) == json::Type::null) {
    out.reset();
    return {};
  }
  if (json::type_of(raw) != json::Type::object) return mistyped(raw, "map[string]string");
  if (!out) out.emplace();
  json::ObjectReader members(raw);
  while (members.next()) {
    std::string value;
    OUT_CHECK(read_text(members.value(), value));
    out->insert_or_assign(std::string(members.key()), std::move(value));
  }
  return {};
}

Result<BulkBodyEntry> read_entry(std::string_view raw) {
  BulkBodyEntry entry;
  entry.event = "null";
  if (json::type_of(raw) == json::Type::null) return entry;
  if (json::type_of(raw) != json::Type::object)
    return mistyped(raw, "http.bulkPublishMessageEntry");
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("entryId")) {
      OUT_CHECK(read_text(members.value(), entry.entry_id));
    }
    if (members.key_is("event")) entry.event = members.value();
    if (members.key_is("contentType")) {
      OUT_CHECK(read_text(members.value(), entry.content_type));
    }
    if (members.key_is("metadata")) {
      OUT_CHECK(read_metadata(members.value(), entry.metadata));
    }
  }
  return entry;
}

Result<std::string> event_bytes(std::string_view event, std::string_view content_type) {
  if (is_binary_content_type(content_type)) {
    const auto text = json::string_value(event);
    if (!text) return fail(Code::invalid_argument, std::string(kMismatch));
    auto bytes = base64_decode(*text);
    if (!bytes) {
      return fail(Code::invalid_argument,
                  "error: unable to decode base64 application/octect-stream data: illegal base64 "
                  "data");
    }
    return *std::move(bytes);
  }
  if (is_text_content_type(content_type)) {
    auto text = json::string_value(event);
    if (!text) return fail(Code::invalid_argument, std::string(kMismatch));
    return *std::move(text);
  }
  if (is_json_content_type(content_type) || is_cloud_event_content_type(content_type)) {
    std::string compact;
    if (json::append_compact(compact, event)) return compact;
  }
  return fail(Code::invalid_argument, std::string(kMismatch));
}

}  // namespace

Result<std::vector<BulkBodyEntry>> read_bulk_body(std::string_view body) {
  std::vector<BulkBodyEntry> entries;
  const auto value = json::first_value(body);
  if (!value) {
    const bool empty = body.find_first_not_of(" \t\r\n") == std::string_view::npos;
    return fail(Code::invalid_argument, empty ? "EOF" : syntax_error(body));
  }
  if (json::type_of(*value) == json::Type::null) return entries;
  if (json::type_of(*value) != json::Type::array) {
    return mistyped(*value, "[]http.bulkPublishMessageEntry");
  }
  json::ArrayReader elements(*value);
  while (elements.next()) {
    OUT_TRY(auto entry, read_entry(elements.value()));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<BulkPublish::Entry>> convert_events(std::vector<BulkBodyEntry> entries) {
  std::vector<BulkPublish::Entry> converted;
  converted.reserve(entries.size());
  for (BulkBodyEntry& entry : entries) {
    BulkPublish::Entry out;
    OUT_TRY(out.data, event_bytes(entry.event, entry.content_type));
    out.entry_id = std::move(entry.entry_id);
    out.content_type = std::move(entry.content_type);
    out.metadata = std::move(entry.metadata);
    converted.push_back(std::move(out));
  }
  return converted;
}

}  // namespace outrigger::pubsub
