#include "base/json.h"
#include "base/strings.h"
#include "components/state/postgresql.h"

namespace outrigger::components::state::postgresql {
namespace {

constexpr std::size_t kValuesMax = 32;

std::unexpected<Error> bad(std::string why) { return fail(Code::invalid_argument, std::move(why)); }

/// "person.org" is value->'person'->>'org'.
std::string field(std::string_view path) {
  std::string sql = "value";
  const auto parts = split(path, '.');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    sql += i + 1 == parts.size() ? "->>'" : "->'";
    sql += replace_all(parts[i], "'", "''") + "'";
  }
  return sql;
}

/// As ->> writes it.
std::string text_of(const Literal& literal) {
  if (const auto* text = std::get_if<std::string>(&literal)) return *text;
  if (const auto* truth = std::get_if<bool>(&literal)) return *truth ? "true" : "false";
  if (const auto* other = std::get_if<JsonText>(&literal)) return other->text;
  std::string out;
  if (const auto* number = std::get_if<double>(&literal)) json::append_double(out, *number);
  return out;
}

std::string_view comparison(Filter::Kind kind) {
  switch (kind) {
    case Filter::Kind::neq: return "!=";
    case Filter::Kind::gt: return ">";
    case Filter::Kind::gte: return ">=";
    case Filter::Kind::lt: return "<";
    case Filter::Kind::lte: return "<=";
    default: return "=";
  }
}

class Planner {
 public:
  Result<> add(const Filter& filter) {
    const bool all = filter.kind == Filter::Kind::all_of;
    if (all || filter.kind == Filter::Kind::any_of) {
      return add_joined(filter.children, all ? " AND " : " OR ",
                        [this](const Filter& child) { return add(child); });
    }
    if (filter.values.empty()) return bad("empty IN operator for key " + quoted(filter.key));
    if (filter.kind == Filter::Kind::in) {
      return add_joined(filter.values, " OR ", [&](const Literal& value) {
        return compare(filter.key, Filter::Kind::eq, value);
      });
    }
    const bool ordered = filter.kind != Filter::Kind::eq && filter.kind != Filter::Kind::neq;
    const auto* text = std::get_if<std::string>(&filter.values[0]);
    if (ordered && text != nullptr) {
      return bad("unsupported type of value " + *text + "; string type not permitted");
    }
    return compare(filter.key, filter.kind, filter.values[0]);
  }

  std::string sql;
  std::vector<postgres::Value> values;

 private:
  template <class Part, class Add>
  Result<> add_joined(const std::vector<Part>& parts, std::string_view word, Add add_one) {
    sql += "(";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i != 0) sql += word;
      OUT_CHECK(add_one(parts[i]));
    }
    sql += ")";
    return {};
  }

  Result<> compare(std::string_view key, Filter::Kind kind, const Literal& value) {
    if (values.size() == kValuesMax) return bad("the query compares with too many values");
    values.emplace_back(text_of(value));
    sql += field(key);
    sql += comparison(kind);
    sql += "$" + std::to_string(values.size());
    return {};
  }
};

Result<std::string> order_by(const std::vector<Query::Sorting>& sort) {
  std::string sql;
  for (const auto& each : sort) {
    sql += (sql.empty() ? " ORDER BY " : ", ") + field(each.key);
    const std::string order = to_upper(each.order);
    if (order == "ASC" || order == "DESC") {
      sql += " " + order;
    } else if (!order.empty()) {
      return bad("unsupported sort order " + quoted(each.order));
    }
  }
  return sql;
}

}  // namespace

Result<QueryPlan> plan_query(const Query& query, std::string_view table) {
  QueryPlan plan;
  plan.sql = "SELECT key, value, xmin FROM " + std::string(table);
  if (!query.filter.empty()) {
    Planner planner;
    OUT_CHECK(planner.add(query.filter[0]));
    plan.sql += " WHERE " + planner.sql;
    plan.values = std::move(planner.values);
  }
  OUT_TRY(const auto order, order_by(query.sort));
  plan.sql += order;
  plan.limited = query.limit > 0;
  if (plan.limited) plan.sql += " LIMIT " + std::to_string(query.limit);
  if (!query.token.empty()) {
    const auto skip = parse_int<std::int64_t>(query.token);
    if (!skip) return bad(go_number_error("ParseInt", query.token));
    plan.skipped = *skip;
    plan.sql += " OFFSET " + std::to_string(*skip);
  }
  return plan;
}

}  // namespace outrigger::components::state::postgresql
