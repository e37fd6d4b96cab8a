#include "runtime/pubsub/cloudevents_parse.h"

#include "base/base64.h"
#include "base/json.h"
#include "base/strings.h"
#include "runtime/cel/json_text.h"

namespace outrigger::pubsub {
namespace {

constexpr std::string_view kContentTypeKey = "content-type";
constexpr std::string_view kBinaryPrefix = "ce_";

bool is_attribute(std::string_view name) noexcept {
  constexpr std::string_view kNames[] = {"id",          "source", "datacontenttype", "type",
                                         "specversion", "data",   "data_base64"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

const std::string* find(const Properties& metadata, std::string_view name) noexcept {
  const auto found = metadata.find(name);
  return found == metadata.end() ? nullptr : &found->second;
}

// Of a name that occurs more than once the last value counts. Upstream and we write the fields in
// order, so that there is nothing to do most times.
void sort_by_name(std::vector<CloudEvent::Field>& fields) {
  const auto in_order = [](const auto& a, const auto& b) { return a.name < b.name; };
  if (std::ranges::adjacent_find(fields, std::not_fn(in_order)) == fields.end()) return;
  std::map<std::string, std::string, std::less<>> sorted;
  for (auto& field : fields) {
    sorted.insert_or_assign(std::move(field.name), std::move(field.json));
  }
  fields.clear();
  while (!sorted.empty()) {
    auto member = sorted.extract(sorted.begin());
    fields.push_back({.name = std::move(member.key()), .json = std::move(member.mapped())});
  }
}

}  // namespace

Result<CloudEvent> CloudEvent::read(Message message, const Properties& metadata) {
  if (message.framing == Framing::raw_payload) {
    return parse(wrap_raw_payload(message.data, message.topic, message.pubsub_name, metadata));
  }
  const std::string* content_type = find(metadata, kContentTypeKey);
  if (content_type != nullptr && is_binary_content_type(*content_type)) {
    return binary_mode(std::move(message.data), *content_type, metadata);
  }
  OUT_TRY(auto event, parse(std::move(message.data)));
  event.adopt_trace(metadata);
  return event;
}

Result<CloudEvent> CloudEvent::parse(std::string text) {
  CloudEvent event;
  event.body_ = std::move(text);
  const bool object = json::for_each_member(event.body_, [&](auto name, auto value) {
    event.fields_.push_back(
        Field{.name = std::string(name),
              .json = cel::needs_repair(value) ? cel::repaired(value) : std::string(value)});
  });
  if (!object) return fail(Code::invalid_argument, "the event is not a JSON object");
  sort_by_name(event.fields_);
  return event;
}

CloudEvent CloudEvent::binary_mode(std::string data, std::string_view content_type,
                                   const Properties& metadata) {
  CloudEvent event;
  event.binary_ = true;
  event.body_ = std::move(data);
  for (const auto& [key, value] : metadata) {
    if (starts_with_fold(key, kBinaryPrefix)) {
      event.set_text(to_lower(std::string_view(key).substr(kBinaryPrefix.size())), value);
    }
  }
  event.set_text("datacontenttype", content_type);
  std::erase_if(event.fields_, [](const Field& field) { return field.name == "data"; });
  return event;
}

void CloudEvent::set(std::string_view name, std::string json) {
  const auto at = std::ranges::lower_bound(fields_, name, {}, &Field::name);
  if (at != fields_.end() && at->name == name) {
    at->json = std::move(json);
  } else {
    fields_.insert(at, Field{.name = std::string(name), .json = std::move(json)});
  }
}

void CloudEvent::set_text(std::string_view name, std::string_view text) {
  set(name, json::quote(text));
}

void CloudEvent::adopt_trace(const Properties& metadata) {
  const std::string* trace_id = find(metadata, "traceid");
  if (trace_id != nullptr && !raw("traceid")) set_text("traceid", *trace_id);
  const std::string* trace_parent = find(metadata, "traceparent");
  if (trace_parent != nullptr && !raw("traceparent")) {
    set_text("traceparent", *trace_parent);
    set_text("traceid", *trace_parent);
  }
  const std::string* trace_state = find(metadata, "tracestate");
  if (trace_state != nullptr && !raw("tracestate")) set_text("tracestate", *trace_state);
}

std::optional<std::string_view> CloudEvent::raw(std::string_view name) const noexcept {
  const auto at = std::ranges::lower_bound(fields_, name, {}, &Field::name);
  if (at == fields_.end() || at->name != name) return std::nullopt;
  return at->json;
}

std::string CloudEvent::text(std::string_view name) const {
  const auto value = raw(name);
  return value ? json::string_value(*value).value_or("") : "";
}

Result<std::string> CloudEvent::data() const {
  const auto encoded = raw("data_base64");
  if (encoded && *encoded != "null") {
    const auto text = json::string_value(*encoded);
    auto bytes = text ? base64_decode(*text) : std::nullopt;
    if (!bytes) return fail(Code::invalid_argument, "data_base64 of the event is not base64 text");
    return *std::move(bytes);
  }
  if (binary_) return body_;
  const auto value = raw("data");
  if (!value || *value == "null") return std::string();
  const std::string content_type = text("datacontenttype");
  auto text = json::string_value(*value);
  const bool json = is_json_content_type(content_type) || is_cloud_event_content_type(content_type);
  if (text && !json) return *std::move(text);
  if (is_text_content_type(content_type)) {
    return fail(Code::invalid_argument, "unexpected data type encountered in envelope");
  }
  std::string compact;
  if (!json::append_compact(compact, *value)) compact = *value;
  return compact;
}

std::vector<const CloudEvent::Field*> CloudEvent::extensions() const {
  std::vector<const Field*> result;
  for (const Field& field : fields_) {
    if (!is_attribute(field.name)) result.push_back(&field);
  }
  return result;
}

std::string CloudEvent::trace_parent() const {
  const auto value = raw("traceparent");
  return value && *value != "null" ? text("traceparent") : text("traceid");
}

bool CloudEvent::expired(WallTime now) const {
  const std::string expiration = text("expiration");
  if (expiration.empty()) return false;
  const auto time = parse_rfc3339(expiration);
  return time && *time < now;
}

cel::Value CloudEvent::value() const {
  cel::Value::Entries entries;
  entries.reserve(fields_.size() + 1);
  for (const Field& field : fields_) {
    entries.emplace_back(cel::Value::borrow_text(field.name), cel::Value::borrow_json(field.json));
  }
  if (binary_) {
    entries.emplace_back(cel::Value::borrow_text("data"), cel::Value::borrow_bytes(body_));
  }
  return cel::Value::map(std::move(entries));
}

}  // namespace outrigger::pubsub
