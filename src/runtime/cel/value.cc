#include "runtime/cel/value.h"

#include <charconv>
#include <limits>

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::cel {
namespace {

// A checked JSON number. Too large is infinite, too small is zero.
double json_number(std::string_view text) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc::result_out_of_range) return value;
  const auto exponent = text.find_first_of("eE");
  const bool tiny = exponent != std::string_view::npos && text[exponent + 1] == '-';
  const double sign = text.front() == '-' ? -1.0 : 1.0;
  return tiny ? 0.0 * sign : sign * std::numeric_limits<double>::infinity();
}

}  // namespace

Value Value::boolean(bool value) { return {Kind::boolean, value}; }
Value Value::integer(std::int64_t value) { return {Kind::integer, value}; }
Value Value::unsigned_integer(std::uint64_t value) { return {Kind::unsigned_integer, value}; }
Value Value::real(double value) { return {Kind::real, value}; }
Value Value::timestamp(Timestamp value) { return {Kind::timestamp, value}; }
Value Value::duration(std::int64_t nanos) { return {Kind::duration, nanos}; }

Value Value::owned(Kind kind, std::string content) {
  Slice slice;
  slice.owner = std::make_shared<const std::string>(std::move(content));
  slice.view = *slice.owner;
  return {kind, std::move(slice)};
}

Value Value::text(std::string value) { return owned(Kind::text, std::move(value)); }
Value Value::bytes(std::string value) { return owned(Kind::bytes, std::move(value)); }
Value Value::type(std::string name) { return owned(Kind::type, std::move(name)); }
Value Value::error(std::string message) { return owned(Kind::error, std::move(message)); }

Value Value::list(List elements) {
  return {Kind::list, std::make_shared<const List>(std::move(elements))};
}

Value Value::map(Entries entries) {
  return {Kind::map, std::make_shared<const Entries>(std::move(entries))};
}

Result<Value> Value::from_json(std::string_view text) {
  if (!json::is_valid(text)) return fail(Code::invalid_argument, "the event is not JSON");
  auto owner = std::make_shared<const std::string>(trim(text));
  const std::string_view view = *owner;
  return from_checked_json(owner, view);
}

Value Value::borrow_json(std::string_view text) { return from_checked_json(nullptr, text); }

Value Value::borrow_text(std::string_view text) {
  return {Kind::text, Slice{.owner = nullptr, .view = text}};
}

Value Value::borrow_bytes(std::string_view bytes) {
  return {Kind::bytes, Slice{.owner = nullptr, .view = bytes}};
}

Value Value::from_checked_json(const std::shared_ptr<const std::string>& owner,
                               std::string_view text) {
  if (text.empty()) return {};
  switch (text.front()) {
    case '{': return {Kind::map, Slice{.owner = owner, .view = text}};
    case '[': return {Kind::list, Slice{.owner = owner, .view = text}};
    case '"': {
      std::string scratch;
      const auto content = json::string_view_value(text, scratch).value_or("");
      if (content.data() == scratch.data()) return Value::text(std::move(scratch));
      return {Kind::text, Slice{.owner = owner, .view = content}};
    }
    case 't': return boolean(true);
    case 'f': return boolean(false);
    case 'n': return {};
    default: return real(json_number(text));
  }
}

std::string_view Value::type_name() const noexcept {
  switch (kind_) {
    case Kind::null: return "null_type";
    case Kind::boolean: return "bool";
    case Kind::integer: return "int";
    case Kind::unsigned_integer: return "uint";
    case Kind::real: return "double";
    case Kind::text: return "string";
    case Kind::bytes: return "bytes";
    case Kind::timestamp: return "google.protobuf.Timestamp";
    case Kind::duration: return "google.protobuf.Duration";
    case Kind::type: return "type";
    case Kind::list: return "list";
    case Kind::map: return "map";
    case Kind::error: return "error";
  }
  return "error";
}

std::shared_ptr<const Value::List> Value::elements() const {
  if (const auto* list = std::get_if<std::shared_ptr<const List>>(&data_)) return *list;
  List elements;
  const auto& slice = *std::get_if<Slice>(&data_);
  json::ArrayReader reader(slice.view);
  while (reader.next()) elements.push_back(from_checked_json(slice.owner, reader.value()));
  return std::make_shared<const List>(std::move(elements));
}

std::shared_ptr<const Value::Entries> Value::entries() const {
  if (const auto* map = std::get_if<std::shared_ptr<const Entries>>(&data_)) return *map;
  Entries entries;
  const auto& slice = *std::get_if<Slice>(&data_);
  std::unordered_map<std::string, std::size_t> seen;
  json::ObjectReader reader(slice.view);
  while (reader.next()) {
    Value value = from_checked_json(slice.owner, reader.value());
    const auto [at, fresh] = seen.try_emplace(std::string(reader.key()), entries.size());
    if (fresh) {
      entries.emplace_back(Value::text(at->first), std::move(value));
    } else {
      entries[at->second].second = std::move(value);
    }
  }
  return std::make_shared<const Entries>(std::move(entries));
}

std::optional<Value> Value::raw_member(std::string_view key) const {
  const auto& slice = *std::get_if<Slice>(&data_);
  const auto found = json::member(slice.view, key);
  if (!found) return std::nullopt;
  return from_checked_json(slice.owner, *found);
}

std::optional<Value> Value::raw_element(std::int64_t index) const {
  const auto& slice = *std::get_if<Slice>(&data_);
  json::ArrayReader reader(slice.view);
  for (std::int64_t i = 0; reader.next(); ++i) {
    if (i == index) return from_checked_json(slice.owner, reader.value());
  }
  return std::nullopt;
}

}  // namespace outrigger::cel
