#include <cmath>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/wrappers.pb.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/time_format.h"
#include "runtime/jobs/any_json.h"

namespace outrigger::runtime::jobs {
namespace {

namespace pb = ::google::protobuf;
using json::Writer;

constexpr std::string_view kTypePrefix = "type.googleapis.com/google.protobuf.";
// Of JSON. Each level is three nested messages.
constexpr int kDepthMax = 1000;
constexpr int kMessageDepthMax = 4 * kDepthMax;

bool read_value(pb::Value& out, std::string_view raw, int depth);

bool read_struct(pb::Struct& out, std::string_view raw, int depth) {
  json::ObjectReader members(raw);
  while (members.next()) {
    auto& field = (*out.mutable_fields())[std::string(members.key())];
    if (!read_value(field, members.value(), depth)) return false;
  }
  return members.ok();
}

bool read_value(pb::Value& out, std::string_view raw, int depth) {
  if (depth > kDepthMax) return false;
  switch (json::type_of(raw)) {
    case json::Type::null: out.set_null_value(pb::NULL_VALUE); return true;
    case json::Type::boolean:
      out.set_bool_value(json::bool_value(raw).value_or(false));
      return true;
    case json::Type::number: {
      const auto number = json::double_value(raw);
      if (!number) return false;
      out.set_number_value(*number);
      return true;
    }
    case json::Type::string:
      out.set_string_value(json::string_value(raw).value_or(""));
      return true;
    case json::Type::array: {
      json::ArrayReader elements(raw);
      auto& list = *out.mutable_list_value();
      while (elements.next()) {
        if (!read_value(*list.add_values(), elements.value(), depth + 1)) return false;
      }
      return elements.ok();
    }
    case json::Type::object: return read_struct(*out.mutable_struct_value(), raw, depth + 1);
    case json::Type::invalid: break;
  }
  return false;
}

// Maps in the order of their keys, as upstream writes them.
std::string bytes_of(const pb::Message& message) {
  std::string bytes;
  {
    pb::io::StringOutputStream stream(&bytes);
    pb::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&coded);
  }
  return bytes;
}

template <class Message>
Result<Message> message_of(const std::string& bytes) {
  Message message;
  pb::io::CodedInputStream coded(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                 static_cast<int>(bytes.size()));
  coded.SetRecursionLimit(kMessageDepthMax);
  if (!message.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
    return fail(Code::invalid_argument, "proto: cannot parse invalid wire-format data");
  }
  return message;
}

bool write(Writer& out, const pb::Value& value);

bool write(Writer& out, const pb::Struct& object) {
  std::map<std::string_view, const pb::Value*> sorted;
  for (const auto& [key, value] : object.fields()) sorted.emplace(key, &value);
  out.begin_object();
  for (const auto& [key, value] : sorted) {
    out.key(key);
    if (!write(out, *value)) return false;
  }
  out.end_object();
  return true;
}

bool write(Writer& out, const pb::ListValue& list) {
  out.begin_array();
  for (const pb::Value& value : list.values()) {
    if (!write(out, value)) return false;
  }
  out.end_array();
  return true;
}

// False: there is no JSON for it.
bool write(Writer& out, const pb::Value& value) {
  switch (value.kind_case()) {
    case pb::Value::kNullValue: out.null(); return true;
    case pb::Value::kBoolValue: out.value(value.bool_value()); return true;
    case pb::Value::kStringValue: out.value(value.string_value()); return true;
    case pb::Value::kListValue: return write(out, value.list_value());
    case pb::Value::kStructValue: return write(out, value.struct_value());
    case pb::Value::kNumberValue:
      if (!std::isfinite(value.number_value())) return false;
      out.value(value.number_value());
      return true;
    case pb::Value::KIND_NOT_SET: break;
  }
  return false;
}

// Parts of a second: none, or three, six or nine digits.
void append_fraction(std::string& out, std::int32_t nanos) {
  if (nanos == 0) return;
  std::string digits = std::to_string(1'000'000'000LL + nanos).substr(1);
  while (digits.ends_with("000")) digits.resize(digits.size() - 3);
  out += '.';
  out += digits;
}

std::optional<std::string> timestamp_json(std::int64_t seconds, std::int32_t nanos) {
  // 0001-01-01 to 9999-12-31.
  if (seconds < -62'135'596'800 || seconds > 253'402'300'799) return std::nullopt;
  if (nanos < 0 || nanos > 999'999'999) return std::nullopt;
  std::string text = format_rfc3339(std::chrono::sys_seconds(std::chrono::seconds(seconds)));
  text.pop_back();
  append_fraction(text, nanos);
  return text + "Z";
}

std::string number_json(double number) {
  if (std::isnan(number)) return "\"NaN\"";
  if (std::isinf(number)) return number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  std::string text;
  json::append_double(text, number);
  return text;
}

// What stands in "value" of an Any.
template <class Message>
bool write_parsed(std::string& out, const std::string& bytes) {
  const auto message = message_of<Message>(bytes);
  if (!message) return false;
  if constexpr (requires(Writer& writer) { write(writer, *message); }) {
    Writer writer(out, json::Html::keep);
    return write(writer, *message);
  } else if constexpr (std::is_same_v<Message, pb::StringValue>) {
    json::append_string(out, message->value(), json::Html::keep);
  } else if constexpr (std::is_same_v<Message, pb::BytesValue>) {
    json::append_string(out, base64_encode(message->value()));
  } else if constexpr (std::is_same_v<Message, pb::BoolValue>) {
    out += message->value() ? "true" : "false";
  } else if constexpr (std::is_same_v<Message, pb::Int64Value> ||
                       std::is_same_v<Message, pb::UInt64Value>) {
    json::append_string(out, std::to_string(message->value()));
  } else if constexpr (std::is_same_v<Message, pb::Duration>) {
    json::append_string(out, duration_json(message->seconds(), message->nanos()));
  } else if constexpr (std::is_same_v<Message, pb::Timestamp>) {
    const auto text = timestamp_json(message->seconds(), message->nanos());
    if (!text) return false;
    json::append_string(out, *text);
  } else if constexpr (std::is_floating_point_v<decltype(message->value())>) {
    out += number_json(static_cast<double>(message->value()));
  } else {
    out += std::to_string(message->value());
  }
  return true;
}

bool write_empty(std::string& out, const std::string&) {
  out += "{}";
  return true;
}

struct Form {
  std::string_view type;
  bool (*write)(std::string& out, const std::string& bytes);
};

constexpr Form kForms[] = {
    {"Value", &write_parsed<pb::Value>},
    {"Struct", &write_parsed<pb::Struct>},
    {"ListValue", &write_parsed<pb::ListValue>},
    {"StringValue", &write_parsed<pb::StringValue>},
    {"BytesValue", &write_parsed<pb::BytesValue>},
    {"BoolValue", &write_parsed<pb::BoolValue>},
    {"Int32Value", &write_parsed<pb::Int32Value>},
    {"Int64Value", &write_parsed<pb::Int64Value>},
    {"UInt32Value", &write_parsed<pb::UInt32Value>},
    {"UInt64Value", &write_parsed<pb::UInt64Value>},
    {"FloatValue", &write_parsed<pb::FloatValue>},
    {"DoubleValue", &write_parsed<pb::DoubleValue>},
    {"Duration", &write_parsed<pb::Duration>},
    {"Timestamp", &write_parsed<pb::Timestamp>},
    {"Empty", &write_empty},
};

std::unexpected<Error> unresolved(std::string_view type) {
  return fail(Code::internal, "proto: google.protobuf.Any: unable to resolve \"" +
                                  std::string(type) + "\": not found");
}

}  // namespace

Result<scheduler::Any> value_any(std::string_view raw) {
  pb::Value value;
  if (!read_value(value, raw, 0)) {
    return fail(Code::invalid_argument, "invalid google.protobuf.Value");
  }
  return scheduler::Any{std::string(kValueType), bytes_of(value)};
}

Result<std::string> value_json(const std::string& bytes) {
  OUT_TRY(const auto value, message_of<pb::Value>(bytes));
  std::string text;
  if (value.kind_case() == pb::Value::KIND_NOT_SET) return text;
  Writer out(text, json::Html::keep);
  if (!write(out, value)) {
    return fail(Code::invalid_argument,
                "google.protobuf.Value cannot have no kind, NaN or Infinity");
  }
  return text;
}

std::string duration_json(std::int64_t seconds, std::int32_t nanos) {
  std::string text = seconds < 0 || nanos < 0 ? "-" : "";
  text += std::to_string(seconds < 0 ? 0 - static_cast<std::uint64_t>(seconds)
                                     : static_cast<std::uint64_t>(seconds));
  append_fraction(text, std::abs(nanos % 1'000'000'000));
  return text + "s";
}

Result<std::string> any_json(const scheduler::Any& any) {
  if (any.type_url.empty()) {
    if (any.value.empty()) return std::string("{}");
    return fail(Code::internal, "proto: google.protobuf.Any: missing type_url");
  }
  if (!any.type_url.starts_with(kTypePrefix)) return unresolved(any.type_url);
  const std::string_view type = std::string_view(any.type_url).substr(kTypePrefix.size());
  for (const Form& form : kForms) {
    if (form.type != type) continue;
    std::string value;
    if (!form.write(value, any.value)) {
      return fail(Code::internal,
                  "proto: google.protobuf.Any: unable to unmarshal \"" + any.type_url + "\"");
    }
    std::string text;
    Writer out(text, json::Html::keep);
    out.begin_object().member("@type", any.type_url).raw_member("value", value).end_object();
    return text;
  }
  return unresolved(any.type_url);
}

}  // namespace outrigger::runtime::jobs
