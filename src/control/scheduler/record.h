#pragma once

#include <string>
#include <string_view>

#include "control/scheduler/job.h"

/// Upstream's records, byte for byte what its etcd holds: stored.Job under "dapr/jobs/<name>" and
/// stored.Counter under "dapr/counters/<name>" (facts/wire_notes.md, section 21b). Times before
/// 1677 or after 2262 become the ends of that range.
namespace outrigger::control::scheduler {

[[nodiscard]] std::string encode(const StoredJob& job);
[[nodiscard]] std::string encode(const Counter& counter);
/// Code::data_loss for bytes that are no such record.
Result<StoredJob> decode_job(std::string_view bytes);
Result<Counter> decode_counter(std::string_view bytes);

}  // namespace outrigger::control::scheduler
