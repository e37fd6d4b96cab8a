#pragma once

#include <map>
#include <string>
#include <vector>

#include "components/clients/redis/client.h"
#include "components/state/query.h"
#include "components/state/store.h"

/// The query API by way of RediSearch, which indexes documents of RedisJSON.
namespace outrigger::components::state::redis_query {

/// One index of the metadata field queryIndexes.
struct Schema {
  struct Field {
    std::string path;   ///< In the value: "person.org".
    std::string alias;  ///< What queries call it: "var0".
    std::string type;   ///< "TEXT", "NUMERIC", ...
  };
  std::vector<Field> fields;
};
using Schemas = std::map<std::string, Schema, std::less<>>;

/// Code::invalid_argument says what is wrong with the JSON.
[[nodiscard]] Result<Schemas> read_schemas(std::string_view json);

/// Creates the indexes anew. The arguments must outlive the task.
Task<Result<>> create_indexes(redis::Client* client, const Schemas* schemas);

struct Search {
  redis::Command command;
  std::int64_t offset = 0;
  bool limited = false;
};
/// The FT.SEARCH of a query on the index that `metadata` names (queryIndexName).
[[nodiscard]] Result<Search> make_search(const Query& query, const Properties& metadata,
                                         const Schemas& schemas);
[[nodiscard]] Result<QueryAnswer> read_answer(const redis::Reply& reply, const Search& search);

}  // namespace outrigger::components::state::redis_query
