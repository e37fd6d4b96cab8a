#include "components/state/query.h"

#include <nlohmann/json.hpp>

#include "base/strings.h"

namespace outrigger::components::state {
namespace {

using Json = nlohmann::json;

/// Deeper JSON would exhaust the stack when a literal is written out again.
constexpr int kJsonDepthMax = 256;

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

Literal literal_of(const Json& value) {
  if (value.is_null()) return std::monostate{};
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  return JsonText{value.dump(-1, ' ', false, Json::error_handler_t::replace)};
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

Result<Filter> parse_filter(const Json& unit, int depth);

Result<Filter> parse_children(Filter filter, const std::string& name, const Json& entries,
                              int depth) {
  if (!entries.is_array()) return bad(name + " filter must be an array");
  if (entries.size() < 2) return bad(name + " filter must contain at least two entries");
  for (const auto& entry : entries) {
    OUT_TRY(auto child, parse_filter(entry, depth + 1));
    filter.children.push_back(std::move(child));
  }
  return filter;
}

Result<Filter> parse_filter(const Json& unit, int depth) {
  if (depth > kFilterDepthMax) return bad("filter is nested too deeply");
  if (!unit.is_object()) return bad("filter unit must be a map");
  if (unit.size() != 1) return bad("filter unit must have a single element");
  const std::string& name = unit.begin().key();
  const Json& operand = unit.begin().value();
  const auto kind = kind_of(name);
  if (!kind) return bad("unsupported filter " + outrigger::quoted(name));
  Filter filter{.kind = *kind};
  if (*kind == Filter::Kind::all_of || *kind == Filter::Kind::any_of) {
    return parse_children(std::move(filter), name, operand, depth);
  }
  if (!operand.is_object()) return bad(name + " filter must be a map");
  if (operand.size() != 1) return bad(name + " filter must contain a single key/value pair");
  filter.key = operand.begin().key();
  const Json& value = operand.begin().value();
  if (*kind != Filter::Kind::in) {
    filter.values.push_back(literal_of(value));
    return filter;
  }
  if (!value.is_array()) return bad("IN filter value must be an array");
  for (const auto& one : value) filter.values.push_back(literal_of(one));
  return filter;
}

/// A member by name in any case, as Go's decoder finds it; nullptr if absent or null.
const Json* member(const Json& object, std::string_view name) {
  for (const auto& [key, value] : object.items()) {
    if (equals_fold(key, name)) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

Result<std::string> text_member(const Json& object, std::string_view name) {
  const Json* value = member(object, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return bad("query " + std::string(name) + " must be a string");
  return value->get<std::string>();
}

Result<> parse_sort(const Json& list, Query& query) {
  if (!list.is_array()) return bad("query sort must be an array");
  for (const auto& entry : list) {
    if (!entry.is_object()) return bad("query sort must contain objects");
    OUT_TRY(auto key, text_member(entry, "key"));
    OUT_TRY(auto order, text_member(entry, "order"));
    query.sort.push_back({.key = std::move(key), .order = std::move(order)});
  }
  return {};
}

Result<> parse_page(const Json& page, Query& query) {
  if (!page.is_object()) return bad("query page must be an object");
  OUT_TRY(query.token, text_member(page, "token"));
  const Json* limit = member(page, "limit");
  if (limit == nullptr) return {};
  if (!limit->is_number_integer()) return bad("query page limit must be a whole number");
  query.limit = limit->get<std::int64_t>();
  return {};
}

}  // namespace

Result<Query> parse_query(std::string_view json) {
  bool too_deep = false;
  const auto shallow = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kJsonDepthMax;
    return !too_deep;
  };
  const Json root = Json::parse(json, shallow, false);
  if (too_deep) return bad("query is nested too deeply");
  if (root.is_discarded()) return bad("query is not valid JSON");
  if (!root.is_object()) return bad("query must be a JSON object");
  Query query;
  if (const Json* filter = member(root, "filter")) {
    if (!filter->is_object()) return bad("query filter must be an object");
    if (!filter->empty()) {
      OUT_TRY(auto parsed, parse_filter(*filter, 1));
      query.filter.push_back(std::move(parsed));
    }
  }
  if (const Json* sort = member(root, "sort")) {
    OUT_CHECK(parse_sort(*sort, query));
  }
  if (const Json* page = member(root, "page")) {
    OUT_CHECK(parse_page(*page, query));
  }
  return query;
}

}  // namespace outrigger::components::state
