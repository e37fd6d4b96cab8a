#pragma once

#include <string>

#include "components/state/query.h"
#include "components/state/store.h"

/// Requests of state stores as the messages of their program, serialised.
namespace outrigger::components::pluggable {

std::string to_message(const state::GetRequest& request);
std::string to_message(const state::SetRequest& request);
std::string to_message(const state::DeleteRequest& request);
std::string to_message(const std::vector<state::GetRequest>& requests,
                       const state::BulkOptions& options);
std::string to_message(const std::vector<state::SetRequest>& requests,
                       const state::BulkOptions& options);
std::string to_message(const std::vector<state::DeleteRequest>& requests,
                       const state::BulkOptions& options);
std::string to_message(const state::TransactionRequest& request);
std::string to_message(const state::Query& query, const Properties& metadata);

/// The operand of a filter as upstream writes it: `{"state":"CA"}` of {"EQ":{"state":"CA"}}.
std::string operand_json(const state::Filter& filter);

/// The answers of their program. Code::internal: malformed.
Result<std::optional<state::Item>> read_item(const std::string& message);
Result<std::vector<state::BulkItem>> read_items(const std::string& message);
Result<state::QueryAnswer> read_query_answer(const std::string& message);
Result<std::int64_t> read_multi_max_size(const std::string& message);

}  // namespace outrigger::components::pluggable
