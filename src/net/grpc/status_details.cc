#include "base/strings.h"
#include "net/grpc/status.h"
#include "net/grpc/wire.h"

// Field numbers are those of google/rpc/status.proto, error_details.proto and protobuf/any.proto.
namespace outrigger::net::grpc {
namespace {

constexpr std::string_view kTypePrefix = "type.googleapis.com/google.rpc.";

// A protobuf string must be UTF-8, or the peer refuses the whole message.
void append_string(std::string& out, std::uint32_t field, std::string_view text) {
  if (is_utf8(text)) return wire::append_text(out, field, text);
  wire::append_text(out, field, to_utf8(text));
}

void append_detail(std::string& status, std::string_view type, std::string_view message) {
  std::string any;
  wire::append_bytes(any, 1, std::string(kTypePrefix).append(type));
  wire::append_text(any, 2, message);
  wire::append_bytes(status, 3, any);
}

void append_pair(std::string& status, std::string_view type, std::string_view first,
                 std::string_view second) {
  // BadRequest.FieldViolation and Help.Link have the same shape.
  std::string inner, outer;
  append_string(inner, 1, first);
  append_string(inner, 2, second);
  wire::append_bytes(outer, 1, inner);
  append_detail(status, type, outer);
}

void append_resource(std::string& status, const ErrorDetails::Resource& resource) {
  std::string message;
  append_string(message, 1, resource.type);
  append_string(message, 2, resource.name);
  append_string(message, 3, resource.owner);
  append_string(message, 4, resource.description);
  append_detail(status, "ResourceInfo", message);
}

void append_info(std::string& status, const ErrorDetails& details) {
  std::string message;
  append_string(message, 1, details.reason);
  append_string(message, 2, details.domain);
  for (const auto& [key, value] : details.metadata) {
    std::string entry;
    append_string(entry, 1, key);
    append_string(entry, 2, value);
    wire::append_bytes(message, 3, entry);
  }
  append_detail(status, "ErrorInfo", message);
}

// The text fields 1 to 4 of a message, the last of each number; false if it is malformed.
struct Texts {
  std::string_view field[5];
};
bool read_texts(std::string_view bytes, Texts& texts) {
  wire::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->is_bytes && field->number <= 4) texts.field[field->number] = field->bytes;
  }
  return reader.ok();
}

bool read_info(std::string_view bytes, ErrorDetails& details) {
  details.domain.clear();
  wire::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (!field->is_bytes) continue;
    if (field->number == 1) details.reason = field->bytes;
    if (field->number == 2) details.domain = field->bytes;
    if (field->number != 3) continue;
    Texts entry;
    if (!read_texts(field->bytes, entry)) return false;
    details.metadata.insert_or_assign(std::string(entry.field[1]), std::string(entry.field[2]));
  }
  return reader.ok();
}

bool read_resource(std::string_view bytes, ErrorDetails& details) {
  Texts texts;
  if (!read_texts(bytes, texts)) return false;
  ErrorDetails::Resource resource;
  resource.type = texts.field[1];
  resource.name = texts.field[2];
  resource.owner = texts.field[3];
  resource.description = texts.field[4];
  details.resources.push_back(std::move(resource));
  return true;
}

template <class Pair>
bool read_pairs(std::string_view bytes, std::vector<Pair>& pairs) {
  wire::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (!field->is_bytes || field->number != 1) continue;
    Texts texts;
    if (!read_texts(field->bytes, texts)) return false;
    pairs.push_back({std::string(texts.field[1]), std::string(texts.field[2])});
  }
  return reader.ok();
}

bool read_detail(std::string_view bytes, ErrorDetails& details) {
  Texts any;
  if (!read_texts(bytes, any)) return false;
  std::string_view type = any.field[1];
  if (!type.starts_with(kTypePrefix)) return true;
  type.remove_prefix(kTypePrefix.size());
  if (type == "ErrorInfo") return read_info(any.field[2], details);
  if (type == "ResourceInfo") return read_resource(any.field[2], details);
  if (type == "BadRequest") return read_pairs(any.field[2], details.field_violations);
  if (type == "Help") return read_pairs(any.field[2], details.help_links);
  return true;
}

}  // namespace

std::string encode_details(Code code, std::string_view message, const ErrorDetails* details) {
  if (details == nullptr) return {};
  std::string status;
  wire::append_number(status, 1, static_cast<std::uint64_t>(code));
  append_string(status, 2, message);
  const std::size_t before = status.size();
  for (const auto& violation : details->field_violations) {
    append_pair(status, "BadRequest", violation.field, violation.description);
  }
  for (const auto& link : details->help_links) {
    append_pair(status, "Help", link.description, link.url);
  }
  for (const auto& resource : details->resources) append_resource(status, resource);
  if (!details->reason.empty()) append_info(status, *details);
  if (status.size() == before) return {};
  return status;
}

Result<ErrorDetails> decode_details(std::string_view details_bin) {
  ErrorDetails details;
  wire::Reader reader(details_bin);
  bool good = true;
  while (const auto field = reader.next()) {
    if (field->number == 3 && field->is_bytes) good = good && read_detail(field->bytes, details);
  }
  if (!good || !reader.ok()) {
    return fail(Code::internal, "grpc-status-details-bin is not a google.rpc.Status");
  }
  return details;
}

}  // namespace outrigger::net::grpc
