#include "runtime/actors/http_body.h"

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::runtime::actors {
namespace {

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

std::string_view type_name(std::string_view raw) {
  switch (json::type_of(raw)) {
    case json::Type::boolean: return "bool";
    case json::Type::number: return "number";
    case json::Type::string: return "string";
    case json::Type::array: return "array";
    case json::Type::object: return "object";
    default: return "null";
  }
}

std::unexpected<Error> wrong_type(std::string_view raw, std::string_view field,
                                  std::string_view wanted) {
  return bad("json: cannot unmarshal " + std::string(type_name(raw)) + " into Go struct field ." +
             std::string(field) + " of type " + std::string(wanted));
}

/// The first value of the body, which must be of this type, or null.
Result<std::string_view> value_of(std::string_view body, json::Type type) {
  if (trim(body).empty()) return bad("EOF");
  const auto value = json::first_value(body);
  if (!value) return bad("invalid character in the body, which is not JSON");
  const auto found = json::type_of(*value);
  if (found != type && found != json::Type::null) {
    return bad("json: cannot unmarshal " + std::string(type_name(*value)) + " into Go value");
  }
  return *value;
}

bool is_null(std::string_view raw) { return json::type_of(raw) == json::Type::null; }

Result<> read(std::string& into, std::string_view field, std::string_view raw) {
  if (is_null(raw)) return {};
  auto text = json::string_value(raw);
  if (!text) return wrong_type(raw, field, "string");
  into = *std::move(text);
  return {};
}

/// True if the member is one that timers and reminders have in common.
Result<bool> read_common(ScheduleText& when, std::optional<AnyData>& data,
                         const json::ObjectReader& member) {
  if (member.key_is("dueTime")) {
    OUT_CHECK(read(when.due_time, "dueTime", member.value()));
  } else if (member.key_is("period")) {
    OUT_CHECK(read(when.period, "period", member.value()));
  } else if (member.key_is("ttl")) {
    OUT_CHECK(read(when.ttl, "ttl", member.value()));
  } else if (member.key_is("data")) {
    data = any_of_json(member.value());
  } else {
    return false;
  }
  return true;
}

Result<> read_metadata(components::Properties& into, std::string_view raw) {
  if (is_null(raw)) return {};
  if (json::type_of(raw) != json::Type::object) return wrong_type(raw, "metadata", "map");
  json::ObjectReader members(raw);
  while (members.next()) {
    auto text = json::string_value(members.value());
    if (!text) return wrong_type(members.value(), "metadata", "string");
    into.insert_or_assign(std::string(members.key()), *std::move(text));
  }
  return {};
}

Result<> read_request(StateOperation& into, std::string_view raw) {
  if (is_null(raw)) return {};
  if (json::type_of(raw) != json::Type::object) return wrong_type(raw, "request", "map");
  into.has_request = true;
  into.kind = components::state::ValueKind::json;
  into.value = "null";
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("key")) {
      OUT_CHECK(read(into.key, "key", members.value()));
    } else if (members.key_is("value")) {
      into.value.clear();
      if (!json::append_compact(into.value, members.value(), json::Html::escape)) {
        return bad("invalid value");
      }
    } else if (members.key_is("etag") && !is_null(members.value())) {
      into.etag.emplace();
      OUT_CHECK(read(*into.etag, "etag", members.value()));
    } else if (members.key_is("metadata")) {
      OUT_CHECK(read_metadata(into.metadata, members.value()));
    }
  }
  return {};
}

}  // namespace

Result<TimerRequest> read_timer(std::string_view body) {
  OUT_TRY(const auto value, value_of(body, json::Type::object));
  TimerRequest request;
  if (is_null(value)) return request;
  json::ObjectReader members(value);
  while (members.next()) {
    OUT_TRY(const bool known, read_common(request.when, request.data, members));
    if (known || !members.key_is("callback")) continue;
    OUT_CHECK(read(request.callback, "callback", members.value()));
  }
  return request;
}

Result<ReminderRequest> read_reminder(std::string_view body) {
  OUT_TRY(const auto value, value_of(body, json::Type::object));
  ReminderRequest request;
  if (is_null(value)) return request;
  json::ObjectReader members(value);
  while (members.next()) {
    OUT_TRY(const bool known, read_common(request.when, request.data, members));
    if (known || !members.key_is("overwrite") || is_null(members.value())) continue;
    const auto overwrite = json::bool_value(members.value());
    if (!overwrite) return wrong_type(members.value(), "overwrite", "bool");
    request.overwrite = *overwrite;
  }
  return request;
}

Result<std::vector<StateOperation>> read_operations(std::string_view body) {
  OUT_TRY(const auto value, value_of(body, json::Type::array));
  std::vector<StateOperation> operations;
  if (is_null(value)) return operations;
  json::ArrayReader elements(value);
  while (elements.next()) {
    StateOperation& operation = operations.emplace_back();
    operation.has_request = false;
    if (is_null(elements.value())) continue;
    if (json::type_of(elements.value()) != json::Type::object) {
      return wrong_type(elements.value(), "operation", "api.TransactionalOperation");
    }
    json::ObjectReader members(elements.value());
    while (members.next()) {
      if (members.key_is("operation")) {
        OUT_CHECK(read(operation.operation, "operation", members.value()));
      } else if (members.key_is("request")) {
        OUT_CHECK(read_request(operation, members.value()));
      }
    }
  }
  return operations;
}

Result<std::string> reminder_json(const StoredReminder& reminder) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  if (!reminder.actor.id.empty()) out.member("actorID", reminder.actor.id);
  if (!reminder.actor.type.empty()) out.member("actorType", reminder.actor.type);
  if (reminder.data) {
    const auto data = json_of_any(*reminder.data);
    std::string compact;
    if (!data || (!data->empty() && !json::append_compact(compact, *data, json::Html::escape))) {
      return fail(Code::unknown, "the reminder's data is not JSON");
    }
    if (!compact.empty()) out.raw_member("data", compact);
  }
  if (!reminder.due_time.empty()) out.member("dueTime", reminder.due_time);
  if (!reminder.period.empty()) out.member("period", reminder.period);
  if (!reminder.ttl.empty()) out.member("ttl", reminder.ttl);
  out.end_object();
  return body;
}

}  // namespace outrigger::runtime::actors
