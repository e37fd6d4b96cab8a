#pragma once

#include "components/clients/redis/script.h"

/// What the store does on the server, in one step each. An item is a hash with the fields `data`,
/// `version` (a counter, the ETag) and, once it was written first-write, `first-write`; or, with
/// RedisJSON, a document with these members. The meaning of every condition is upstream's: both
/// programs may work on the same data at the same time.
namespace outrigger::components::state::redis_scripts {

/// KEYS: the key. ARGV: ETag or "0", value, "0" for first-write, time to live in seconds or "".
/// The new version; nil if the condition does not hold.
extern const redis::Script set;
/// KEYS: the key. ARGV: ETag. The number of deleted keys; nil if the condition does not hold.
extern const redis::Script remove;
/// The same for documents; of a value its JSON `{"data":...}`.
extern const redis::Script set_json;
extern const redis::Script remove_json;
/// KEYS: one for each operation. ARGV: four for each: "set", "del", "jset" or "jdel"; ETag or "0";
/// value; time to live or "". 0 if all was done; the number of the first operation whose condition
/// does not hold, and then nothing was done.
extern const redis::Script transaction;

}  // namespace outrigger::components::state::redis_scripts
