#include "components/clients/postgres/statement.h"

#include <atomic>

#include <libpq-fe.h>

#include "base/strings.h"

namespace outrigger::components::postgres {

Statement::Statement(std::string sql, Use use) : sql_(std::move(sql)) {
  static std::atomic<std::uint64_t> made{0};
  if (use == Use::often) name_ = "o" + std::to_string(made.fetch_add(1) + 1);
}

Rows::Rows(pg_result* result) noexcept : result_(result) {}
Rows::Rows(Rows&& other) noexcept = default;
Rows& Rows::operator=(Rows&& other) noexcept = default;
Rows::~Rows() = default;

void Rows::Free::operator()(pg_result* result) const noexcept { PQclear(result); }

std::size_t Rows::size() const noexcept {
  return static_cast<std::size_t>(PQntuples(result_.get()));
}

bool Rows::is_null(std::size_t row, std::size_t column) const noexcept {
  return PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view Rows::bytes(std::size_t row, std::size_t column) const noexcept {
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  const char* value = PQgetvalue(result_.get(), r, c);
  if (value == nullptr) return {};
  return {value, static_cast<std::size_t>(PQgetlength(result_.get(), r, c))};
}

std::int64_t Rows::written() const noexcept {
  return parse_int<std::int64_t>(PQcmdTuples(result_.get())).value_or(0);
}

Code code_of(std::string_view sqlstate) noexcept {
  if (sqlstate == sqlstate::kCancelled) return Code::cancelled;
  if (sqlstate == "42501") return Code::permission_denied;
  const std::string_view kind = sqlstate.substr(0, 2);
  if (kind == "08" || kind == "57" || kind == "40") return Code::unavailable;
  if (kind == "22") return Code::invalid_argument;
  if (kind == "23" || kind == "25" || kind == "55") return Code::failed_precondition;
  if (kind == "28") return Code::unauthenticated;
  if (kind == "53" || kind == "54") return Code::resource_exhausted;
  return Code::internal;
}

}  // namespace outrigger::components::postgres
