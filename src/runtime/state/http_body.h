#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/state/service.h"

/// The JSON bodies of the state API over HTTP, read as upstream's Go structs are: one value, what
/// follows it is not looked at; names in any case, unknown ones ignored, null the same as absent;
/// the error of a wrong type does not keep later ones from being read, but the first one counts.
/// Errors carry Go's text and nothing else.
namespace outrigger::runtime::state {

/// [{key, value, etag, metadata, options: {concurrency, consistency}, contentType}]
[[nodiscard]] Result<std::vector<Save>> read_save_body(std::string_view body);

struct BulkGetBody {
  std::vector<std::string> keys;
  Properties metadata;
  std::int64_t parallelism = 0;
};
[[nodiscard]] Result<BulkGetBody> read_bulk_get_body(std::string_view body);

struct TransactionBody {
  std::vector<TransactionStep> steps;
  Properties metadata;
};
/// {operations: [{operation: "upsert" or "delete", request: as for saving}], metadata}. What is
/// wrong with one request is a step of its own, for the steps before it come first.
[[nodiscard]] Result<TransactionBody> read_transaction_body(std::string_view body);

}  // namespace outrigger::runtime::state
