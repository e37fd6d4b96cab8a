#include "components/state/query.h"

#include "base/json.h"
#include "base/strings.h"

namespace outrigger::components::state {
namespace {

using json::Type;

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

Literal literal_of(std::string_view raw) {
  switch (json::type_of(raw)) {
    case Type::null: return std::monostate{};
    case Type::boolean: return json::bool_value(raw).value_or(false);
    case Type::number: return json::double_value(raw).value_or(0);
    case Type::string: return json::string_value(raw).value_or(std::string());
    default: break;
  }
  JsonText compact;
  if (!json::append_compact(compact.text, raw)) compact.text = "null";
  return compact;
}

std::optional<Filter::Kind> kind_of(std::string_view name) noexcept {
  constexpr std::pair<std::string_view, Filter::Kind> kNames[] = {
      {"EQ", Filter::Kind::eq},   {"NEQ", Filter::Kind::neq},    {"GT", Filter::Kind::gt},
      {"GTE", Filter::Kind::gte}, {"LT", Filter::Kind::lt},      {"LTE", Filter::Kind::lte},
      {"IN", Filter::Kind::in},   {"AND", Filter::Kind::all_of}, {"OR", Filter::Kind::any_of}};
  for (const auto& [text, kind] : kNames) {
    if (text == name) return kind;
  }
  return std::nullopt;
}

/// The only member of an object; `otherwise` is said if there is not exactly one.
struct Only {
  std::string key;
  std::string_view value;
};
Result<Only> only_member(std::string_view raw, std::string_view otherwise) {
  Only only;
  int count = 0;
  const bool ok = json::for_each_member(raw, [&](std::string_view key, std::string_view value) {
    only = {std::string(key), value};
    ++count;
  });
  if (!ok || count != 1) return bad(std::string(otherwise));
  return only;
}

Result<Filter> parse_filter(std::string_view unit, int depth);

Result<Filter> parse_children(Filter filter, const std::string& name, std::string_view entries,
                              int depth) {
  if (json::type_of(entries) != Type::array) return bad(name + " filter must be an array");
  json::ArrayReader reader(entries);
  while (reader.next()) {
    OUT_TRY(auto child, parse_filter(reader.value(), depth + 1));
    filter.children.push_back(std::move(child));
  }
  if (filter.children.size() < 2) {
    return bad(name + " filter must contain at least two entries");
  }
  return filter;
}

Result<Filter> parse_filter(std::string_view unit, int depth) {
  if (depth > kFilterDepthMax) return bad("filter is nested too deeply");
  if (json::type_of(unit) != Type::object) return bad("filter unit must be a map");
  OUT_TRY(const auto outer, only_member(unit, "filter unit must have a single element"));
  const auto& [name, operand] = outer;
  const auto kind = kind_of(name);
  if (!kind) return bad("unsupported filter " + outrigger::quoted(name));
  Filter filter{.kind = *kind};
  if (*kind == Filter::Kind::all_of || *kind == Filter::Kind::any_of) {
    return parse_children(std::move(filter), name, operand, depth);
  }
  if (json::type_of(operand) != Type::object) return bad(name + " filter must be a map");
  OUT_TRY(auto inner, only_member(operand, name + " filter must contain a single key/value pair"));
  filter.key = std::move(inner.key);
  if (*kind != Filter::Kind::in) {
    filter.values.push_back(literal_of(inner.value));
    return filter;
  }
  if (json::type_of(inner.value) != Type::array) return bad("IN filter value must be an array");
  json::ArrayReader values(inner.value);
  while (values.next()) filter.values.push_back(literal_of(values.value()));
  return filter;
}

Result<> read_text(std::string_view raw, std::string_view name, std::string& out) {
  if (json::type_of(raw) == Type::null) return {};
  auto text = json::string_value(raw);
  if (!text) return bad("query " + std::string(name) + " must be a string");
  out = std::move(*text);
  return {};
}

Result<> read_sort(std::string_view raw, Query& query) {
  if (json::type_of(raw) != Type::array) return bad("query sort must be an array");
  json::ArrayReader entries(raw);
  while (entries.next()) {
    if (json::type_of(entries.value()) != Type::object) return bad("query sort must hold objects");
    Query::Sorting sorting;
    json::ObjectReader members(entries.value());
    while (members.next()) {
      if (members.key_is("key")) {
        OUT_CHECK(read_text(members.value(), "sort key", sorting.key));
      } else if (members.key_is("order")) {
        OUT_CHECK(read_text(members.value(), "sort order", sorting.order));
      }
    }
    query.sort.push_back(std::move(sorting));
  }
  return {};
}

Result<> read_page(std::string_view raw, Query& query) {
  if (json::type_of(raw) != Type::object) return bad("query page must be an object");
  json::ObjectReader members(raw);
  while (members.next()) {
    if (members.key_is("token")) {
      OUT_CHECK(read_text(members.value(), "page token", query.token));
    } else if (members.key_is("limit") && json::type_of(members.value()) != Type::null) {
      const auto limit = json::int_value(members.value());
      if (!limit) return bad("query page limit must be a whole number");
      query.limit = *limit;
    }
  }
  return {};
}

Result<> read_filter(std::string_view raw, Query& query) {
  if (json::type_of(raw) != Type::object) return bad("query filter must be an object");
  query.filter.clear();
  json::ObjectReader members(raw);
  if (!members.next()) return {};
  OUT_TRY(auto filter, parse_filter(raw, 1));
  query.filter.push_back(std::move(filter));
  return {};
}

}  // namespace

Result<Query> parse_query(std::string_view text) {
  // First as a whole, so that the readers below meet no surprise.
  if (!json::is_valid(text)) return bad("query is not valid JSON");
  if (json::type_of(text) != Type::object) return bad("query must be a JSON object");
  Query query;
  json::ObjectReader members(text);
  while (members.next()) {
    if (json::type_of(members.value()) == Type::null) continue;
    if (members.key_is("filter")) {
      OUT_CHECK(read_filter(members.value(), query));
    } else if (members.key_is("sort")) {
      OUT_CHECK(read_sort(members.value(), query));
    } else if (members.key_is("page")) {
      OUT_CHECK(read_page(members.value(), query));
    }
  }
  return query;
}

}  // namespace outrigger::components::state
