#include "runtime/pubsub/cloudevents.h"

#include "base/base64.h"
#include "base/duration.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/uuid.h"
#include "runtime/cel/json_text.h"
#include "runtime/pubsub/cloudevents_protobuf.h"

namespace outrigger::pubsub {
namespace {

constexpr std::string_view kDefaultSource = "Dapr";
constexpr std::string_view kDefaultType = "com.dapr.event.sent";
constexpr std::string_view kDefaultContentType = "text/plain";
constexpr std::string_view kSpecVersion = "1.0";
// More than all fields but the data usually take, so that the text is allocated once.
constexpr std::size_t kFieldsSize = 640;

bool is_content_type(std::string_view content_type, std::string_view expected) noexcept {
  return equals_fold(content_type.substr(0, content_type.find(';')), expected);
}

std::string_view either(std::string_view text, std::string_view otherwise) noexcept {
  return text.empty() ? otherwise : text;
}

// Writes an object whose names need no escapes.
class Fields {
 public:
  explicit Fields(std::string& out) : out_(out) {}

  std::string& begin(std::string_view name) {
    out_ += first_ ? '{' : ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void text(std::string_view name, std::string_view value) {
    json::append_string(begin(name), value);
  }
  void raw(std::string_view name, std::string_view value) { begin(name) += value; }
  void base64(std::string_view name, std::string_view bytes) {
    begin(name) += '"';
    append_base64(out_, bytes);
    out_ += '"';
  }
  void end() { out_ += first_ ? "{}" : "}"; }

 private:
  std::string& out_;
  bool first_ = true;
};

// "data" or "data_base64".
void append_data(Fields& fields, const Publication& publication, std::string_view content_type) {
  const std::string_view data = publication.data;
  if (is_json_content_type(content_type)) {
    const auto value = json::first_value(data);
    if (!value) return fields.text("data", data);
    if (cel::needs_repair(*value)) return fields.raw("data", cel::repaired(*value));
    return fields.raw("data", *value);
  }
  const bool binary =
      is_binary_content_type(content_type) ||
      is_content_type(content_type, "application/cloudevents+protobuf") ||
      (is_content_type(content_type, "application/x-protobuf") && is_protobuf_cloud_event(data));
  if (binary) return fields.base64("data_base64", data);
  fields.text("data", data);
}

std::string wrap(const Publication& publication) {
  std::string out;
  out.reserve(publication.data.size() + publication.data.size() / 2 + kFieldsSize);
  Fields fields(out);
  const std::string_view content_type = either(publication.content_type, kDefaultContentType);
  append_data(fields, publication, content_type);
  fields.text("datacontenttype", content_type);
  if (publication.expiration) fields.text("expiration", format_rfc3339(*publication.expiration));
  if (publication.id.empty()) {
    fields.text("id", uuid_v4());
  } else {
    fields.text("id", publication.id);
  }
  fields.text("pubsubname", publication.pubsub_name);
  fields.text("source", either(publication.source, kDefaultSource));
  fields.text("specversion", kSpecVersion);
  if (!publication.subject.empty()) fields.text("subject", publication.subject);
  fields.text("time", format_rfc3339(publication.time));
  fields.text("topic", publication.topic);
  fields.text("traceid", publication.trace_parent);
  fields.text("traceparent", publication.trace_parent);
  fields.text("tracestate", publication.trace_state);
  fields.text("type", either(publication.type, kDefaultType));
  fields.end();
  return out;
}

// Members of an object by name; values are raw JSON.
using Members = std::map<std::string, std::string, std::less<>>;

Result<Members> read_members(std::string_view event) {
  const auto value = json::first_value(event);
  Members members;
  const bool object = value && json::for_each_member(*value, [&](auto name, auto content) {
                        members.insert_or_assign(std::string(name), cel::needs_repair(content)
                                                                        ? cel::repaired(content)
                                                                        : std::string(content));
                      });
  if (!object) return fail(Code::invalid_argument, "the CloudEvent is not a JSON object");
  return members;
}

void set(Members& members, std::string_view name, std::string_view text) {
  members.insert_or_assign(std::string(name), json::quote(text));
}

void set_if_absent(Members& members, std::string_view name, std::string_view text) {
  if (!members.contains(name)) set(members, name, text);
}

void set_if_null(Members& members, std::string_view name, std::string_view text) {
  const auto found = members.find(name);
  if (found == members.end() || found->second == "null") set(members, name, text);
}

Result<std::string> complete(const Publication& publication) {
  OUT_TRY(auto members, read_members(publication.data));
  set_if_absent(members, "time", format_rfc3339(publication.time));
  if (!members.contains("traceid")) {
    set(members, "traceid", publication.trace_parent);
    set(members, "traceparent", publication.trace_parent);
  }
  set_if_absent(members, "tracestate", publication.trace_state);
  set(members, "topic", publication.topic);
  set(members, "pubsubname", publication.pubsub_name);
  set_if_null(members, "source", kDefaultSource);
  set_if_null(members, "type", kDefaultType);
  set_if_null(members, "specversion", kSpecVersion);
  if (publication.expiration) set(members, "expiration", format_rfc3339(*publication.expiration));
  std::string out;
  out.reserve(publication.data.size() + kFieldsSize);
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [name, value] : members) writer.raw_member(name, value);
  writer.end_object();
  return out;
}

}  // namespace

bool is_json_content_type(std::string_view content_type) noexcept {
  return is_content_type(content_type, "application/json");
}

bool is_cloud_event_content_type(std::string_view content_type) noexcept {
  return is_content_type(content_type, "application/cloudevents+json");
}

bool is_text_content_type(std::string_view content_type) noexcept {
  return starts_with_fold(content_type, "text/") ||
         is_content_type(content_type, "application/xml");
}

bool is_binary_content_type(std::string_view content_type) noexcept {
  return is_content_type(content_type, "application/octet-stream");
}

void apply_overrides(Publication& publication, const Properties& metadata) {
  if (is_cloud_event_content_type(publication.content_type)) return;
  const std::pair<std::string_view, std::string_view*> targets[] = {
      {"cloudevent.id", &publication.id},
      {"cloudevent.source", &publication.source},
      {"cloudevent.type", &publication.type},
      {"cloudevent.subject", &publication.subject},
      {"cloudevent.traceid", &publication.trace_parent},
      {"cloudevent.tracestate", &publication.trace_state},
  };
  for (const auto& [name, target] : targets) {
    if (const auto value = components::find_property(metadata, {name})) *target = *value;
  }
  const auto trace_parent = components::find_property(metadata, {"cloudevent.traceparent"});
  if (trace_parent && !trace_parent->empty()) publication.trace_parent = *trace_parent;
}

Result<std::string> make_envelope(const Publication& publication) {
  if (is_cloud_event_content_type(publication.content_type)) return complete(publication);
  return wrap(publication);
}

std::string wrap_raw_payload(std::string_view data, std::string_view topic,
                             std::string_view pubsub_name, const Properties& metadata) {
  const auto found = [&](std::string_view name) -> std::optional<std::string_view> {
    const auto at = metadata.find(name);
    if (at == metadata.end()) return std::nullopt;
    return at->second;
  };
  const auto trace_parent = found("traceparent");
  const auto trace_id = trace_parent ? trace_parent : found("traceid");
  const auto trace_state = found("tracestate");
  std::string out;
  out.reserve(data.size() + data.size() / 2 + kFieldsSize);
  Fields fields(out);
  fields.base64("data_base64", data);
  fields.text("datacontenttype", "application/octet-stream");
  fields.text("id", uuid_v4());
  fields.text("pubsubname", pubsub_name);
  fields.text("source", kDefaultSource);
  fields.text("specversion", kSpecVersion);
  fields.text("topic", topic);
  if (trace_id) fields.text("traceid", *trace_id);
  if (trace_parent) fields.text("traceparent", *trace_parent);
  if (trace_state) fields.text("tracestate", *trace_state);
  fields.text("type", kDefaultType);
  fields.end();
  return out;
}

std::optional<std::chrono::nanoseconds> message_ttl(const Properties& metadata) {
  using std::chrono::nanoseconds;
  const auto text = components::find_property(metadata, {"ttl", "ttlInSeconds"});
  if (!text || text->empty()) return std::nullopt;
  if (const auto duration = parse_duration(*text)) return std::max(*duration, nanoseconds(0));
  const auto seconds = parse_int<std::int64_t>(*text);
  if (!seconds || *seconds <= 0) return std::nullopt;
  constexpr std::int64_t kSecondsMax = nanoseconds::max().count() / 1'000'000'000;
  if (*seconds > kSecondsMax) return nanoseconds::max();
  return std::chrono::seconds(*seconds);
}

Result<bool> is_raw_payload(const Properties& metadata) {
  const auto found = metadata.find("rawPayload");
  if (found == metadata.end() || found->second.empty()) return false;
  const auto value = parse_bool(found->second);
  if (!value) {
    return fail(Code::invalid_argument,
                "rawPayload value must be a valid boolean: actual is '" + found->second + "'");
  }
  return *value;
}

}  // namespace outrigger::pubsub
