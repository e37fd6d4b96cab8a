#include "components/state/redis_query.h"

#include <cstdio>

#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"

namespace outrigger::components::state::redis_query {
namespace {

using redis::Command;
using redis::Reply;

constexpr Logger log("dapr.contrib.state.redis");

std::unexpected<Error> bad(std::string message) {
  return fail(Code::invalid_argument, std::move(message));
}

Result<Schema> read_fields(std::string_view json, const std::string& name) {
  Schema schema;
  json::ArrayReader indexes(json);
  while (indexes.next()) {
    Schema::Field field{.alias = "var" + std::to_string(schema.fields.size())};
    json::ObjectReader members(indexes.value());
    while (members.next()) {
      if (members.key_is("key")) field.path = json::string_value(members.value()).value_or("");
      if (members.key_is("type")) field.type = json::string_value(members.value()).value_or("");
    }
    if (!members.ok()) return bad("an index of query schema " + name + " is not an object");
    if (field.path.empty()) return bad("empty key in query schema " + name);
    if (field.type.empty()) return bad("empty type in query schema " + name);
    schema.fields.push_back(std::move(field));
  }
  if (!indexes.ok()) return bad("the indexes of query schema " + name + " are not an array");
  return schema;
}

Result<> read_schema(std::string_view json, Schemas& schemas) {
  std::string name;
  std::string_view indexes = "[]";
  json::ObjectReader members(json);
  while (members.next()) {
    if (members.key_is("name")) name = json::string_value(members.value()).value_or("");
    if (members.key_is("indexes")) indexes = members.value();
  }
  if (!members.ok()) return bad("a query schema is not an object");
  if (name.empty()) return bad("empty query schema name");
  if (schemas.contains(name)) return bad("duplicate schema name " + name);
  OUT_TRY(auto schema, read_fields(indexes, name));
  schemas.emplace(std::move(name), std::move(schema));
  return {};
}

Command creation(const std::string& name, const Schema& schema) {
  std::vector<std::string> paths;
  paths.reserve(schema.fields.size());
  std::vector<std::string_view> words = {"FT.CREATE", name, "ON", "JSON", "SCHEMA"};
  for (const auto& field : schema.fields) {
    paths.push_back("$.data." + field.path);
    words.insert(words.end(), {paths.back(), "AS", field.alias, field.type, "SORTABLE"});
  }
  return Command::make(words, std::nullopt);
}

/// Writes a filter in the language of RediSearch.
class Translator {
 public:
  explicit Translator(const Schema& schema) : schema_(schema) {}

  Result<std::string_view> alias(const std::string& path) const {
    for (const auto& field : schema_.fields) {
      if (field.path == path) return std::string_view(field.alias);
    }
    return bad("JSON path " + quoted(path) + " is not indexed");
  }

  // The depth of filters is limited by parse_query().
  Result<std::string> translate(const Filter& filter) const {
    switch (filter.kind) {
      case Filter::Kind::all_of: return join_children(filter.children, " ");
      case Filter::Kind::any_of: return join_children(filter.children, "|");
      case Filter::Kind::in: return any_value(filter);
      case Filter::Kind::neq: {
        OUT_TRY(auto equal, compare(filter.key, Filter::Kind::eq, first_value(filter)));
        return "-(" + equal + ")";
      }
      default: return compare(filter.key, filter.kind, first_value(filter));
    }
  }

 private:
  static Literal first_value(const Filter& filter) {
    return filter.values.empty() ? Literal() : filter.values.front();
  }

  Result<std::string> join_children(const std::vector<Filter>& children,
                                    std::string_view with) const {
    std::vector<std::string> parts;
    for (const auto& child : children) {
      OUT_TRY(auto part, translate(child));
      const bool bracketed = child.kind == Filter::Kind::all_of ||
                             child.kind == Filter::Kind::any_of || child.kind == Filter::Kind::neq;
      parts.push_back(bracketed ? std::move(part) : "(" + part + ")");
    }
    return "(" + join(parts, with) + ")";
  }

  Result<std::string> any_value(const Filter& filter) const {
    if (filter.values.size() < 2) {
      return bad("too few values in IN operator for key " + quoted(filter.key));
    }
    const bool texts = std::holds_alternative<std::string>(filter.values.front());
    std::vector<std::string> parts;
    for (const auto& value : filter.values) {
      if (texts != std::holds_alternative<std::string>(value)) {
        return bad("values of different types in IN operator for key " + quoted(filter.key));
      }
      if (texts) {
        parts.push_back(std::get<std::string>(value));
        continue;
      }
      OUT_TRY(auto part, compare(filter.key, Filter::Kind::eq, value));
      parts.push_back("(" + part + ")");
    }
    if (!texts) return "(" + join(parts, "|") + ")";
    OUT_TRY(const auto name, alias(filter.key));
    return "@" + std::string(name) + ":(" + join(parts, "|") + ")";
  }

  Result<std::string> compare(const std::string& path, Filter::Kind kind,
                              const Literal& value) const {
    OUT_TRY(const auto name, alias(path));
    const std::string field = "@" + std::string(name) + ":";
    if (const auto* text = std::get_if<std::string>(&value)) {
      if (kind == Filter::Kind::eq) return field + "(" + *text + ")";
      return bad("unsupported type of value " + *text + "; string type not permitted");
    }
    const auto* real = std::get_if<double>(&value);
    if (real == nullptr) return bad("unsupported type of value for key " + quoted(path));
    char digits[400];  // The largest double has 309 digits before the point.
    const int size = std::snprintf(digits, sizeof digits, "%f", *real);
    const std::string number(digits, static_cast<std::size_t>(size));
    switch (kind) {
      case Filter::Kind::gt: return field + "[(" + number + " +inf]";
      case Filter::Kind::gte: return field + "[" + number + " +inf]";
      case Filter::Kind::lt: return field + "[-inf (" + number + "]";
      case Filter::Kind::lte: return field + "[-inf " + number + "]";
      default: return field + "[" + number + " " + number + "]";
    }
  }

  const Schema& schema_;
};

}  // namespace

Result<Schemas> read_schemas(std::string_view json) {
  Schemas schemas;
  if (json.empty()) return schemas;
  const auto what = "redis store: error parsing query index schema";
  json::ArrayReader elements(json);
  while (elements.next()) {
    auto read = read_schema(elements.value(), schemas);
    if (!read) return fail(std::move(read).error().context(what));
  }
  if (!elements.ok()) return bad(std::string(what) + ": queryIndexes is not a JSON array");
  return schemas;
}

Task<Result<>> create_indexes(redis::Client* client, const Schemas* schemas) {
  for (const auto& [name, schema] : *schemas) {
    log.info("create query index ", name);
    auto create = creation(name, schema);
    auto reply = co_await client->call(create);
    if (reply && reply->is_error() && reply->text == "Index already exists") {
      log.info("drop stale query index ", name);
      auto drop = Command::keyless({"FT.DROPINDEX", name});
      OUT_CO_CHECK(co_await client->run(std::move(drop)));
      reply = co_await client->call(std::move(create));
    }
    OUT_CO_CHECK(redis::checked(std::move(reply)));
  }
  co_return Result<>();
}

Result<Search> make_search(const Query& query, const Properties& metadata, const Schemas& schemas) {
  const auto index = metadata.find("queryIndexName");
  if (index == metadata.end()) return bad("query index not found");
  const auto schema = schemas.find(index->second);
  if (schema == schemas.end()) {
    return bad("query index schema " + quoted(index->second) + " not found");
  }
  const Translator translator(schema->second);
  std::string filter = "*";
  if (!query.filter.empty()) {
    OUT_TRY(filter, translator.translate(query.filter.front()));
  }
  std::vector<std::string_view> words = {"FT.SEARCH", index->second, filter};
  if (query.sort.size() > 1) {
    return bad("multiple SORTBY steps are not allowed. Sort multiple fields in a single step");
  }
  if (!query.sort.empty()) {
    OUT_TRY(const auto alias, translator.alias(query.sort[0].key));
    words.insert(words.end(), {"SORTBY", alias});
    if (query.sort[0].order == "DESC") words.push_back("DESC");
  }
  std::int64_t offset = 0;
  if (!query.token.empty()) {
    const auto number = parse_int<std::int64_t>(query.token);
    if (!number) return bad("the page token " + quoted(query.token) + " is not a number");
    offset = *number;
  }
  const std::string from = std::to_string(offset);
  const std::string limit = std::to_string(query.limit);
  const bool limited = query.limit > 0;
  if (limited) words.insert(words.end(), {"LIMIT", from, limit});
  words.insert(words.end(), {"RETURN", "2", "$.data", "$.version"});
  return Search{.command = Command::make(words, std::nullopt),
                .offset = limited ? offset : 0,
                .limited = limited};
}

// The number of matches, then keys and their fields ("$.data", value, "$.version", ETag) in turn.
Result<QueryAnswer> read_answer(const Reply& reply, const Search& search) {
  if (!reply.is_list() || reply.items.size() % 2 != 1) {
    return fail(Code::internal, "invalid output");
  }
  QueryAnswer answer;
  for (std::size_t i = 1; i < reply.items.size(); i += 2) {
    QueryItem item{.key = reply.items[i].text};
    const Reply* data = reply.items[i + 1].find("$.data");
    const Reply* version = reply.items[i + 1].find("$.version");
    if (data != nullptr && data->is_text()) {
      item.value = data->text;
    } else {
      item.error = "the document has no data";
    }
    if (version != nullptr && version->is_text()) item.etag = version->text;
    answer.results.push_back(std::move(item));
  }
  if (search.limited && !answer.results.empty()) {
    answer.token = std::to_string(search.offset + static_cast<std::int64_t>(answer.results.size()));
  }
  return answer;
}

}  // namespace outrigger::components::state::redis_query
