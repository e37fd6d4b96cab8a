#include "base/random.h"
#include "base/strings.h"
#include "control/scheduler/engine.h"

// What the API asks of the engine: all jobs, whoever triggers them.
namespace outrigger::control::scheduler {

Task<Result<>> Engine::schedule(std::string name, Job job, bool overwrite) {
  OUT_CO_CHECK(check_name(name));
  PutRequest request{.name = std::move(name), .only_new = !overwrite};
  OUT_CO_TRY(request.job, accept(std::move(job), clock_.now(), fast_random()));
  auto written = co_await write(std::move(request));
  co_return written;
}

Task<Result<>> Engine::restore(std::string name, StoredJob job) {
  OUT_CO_CHECK(check_name(name));
  // As all others are, by the API's messages. Records are bytes.
  if (!is_utf8(name)) co_return fail(Code::invalid_argument, "a job's name must be UTF-8");
  PutRequest request{.name = std::move(name), .job = std::move(job)};
  auto written = co_await write(std::move(request));
  co_return written;
}

Task<Result<>> Engine::write(PutRequest request) {
  const WallTime now = clock_.now();
  OUT_CO_TRY(const Life life, Life::resume(request.job, std::nullopt, now));
  // One that is over before it begins is deleted in its first turn.
  request.waking = life.next().value_or(Waking{now});
  request.waking.due = due_at(request.waking, now);
  const WallTime due = request.waking.due;
  const std::uint64_t partition = request.job.partition_id;
  // A caller that goes away must not keep us from hearing that the job was written.
  Cancellation never;
  auto written = co_await store_.put(std::move(request)).under(never);
  if (!written) co_return std::unexpected(std::move(written).error());
  if (written->replaced) forget(*written->replaced);
  // The share may be another one than when the writing began.
  if (mine(partition) && !known_.contains(written->id)) enqueue({due, written->id});
  co_return Result<>();
}

Task<Result<>> Engine::restore_counter(std::string name, Counter counter) {
  ListRequest request{.prefix = name, .limit = 1};
  OUT_CO_TRY(auto jobs, co_await store_.list(std::move(request)));
  const bool belongs =
      !jobs.empty() && jobs[0].name == name && jobs[0].job.partition_id == counter.partition_id;
  // Left over from another job of the name.
  if (!belongs) co_return Result<>();
  const JobId id = jobs[0].id;
  if (id == 0 || !share_) {
    co_return fail(Code::unimplemented,
                   "counters cannot be written in this store by way of this port");
  }
  OUT_CO_TRY(const Life life, Life::resume(std::move(jobs[0].job), counter, clock_.now()));
  Settlement settlement{.id = id, .counter = life.counter(), .waking = life.next()};
  if (settlement.waking) settlement.waking->due = due_at(*settlement.waking, clock_.now());
  std::vector<Settlement> one(1, settlement);
  Cancellation never;
  auto there = co_await store_.settle(share_->term, std::move(one)).under(never);
  if (!there) co_return std::unexpected(std::move(there).error());
  forget(id);
  if (there->front() && settlement.waking) enqueue({settlement.waking->due, id});
  co_return Result<>();
}

Task<Result<std::optional<Job>>> Engine::get(std::string name) {
  OUT_CO_CHECK(check_name(name));
  OUT_CO_TRY(auto stored, co_await store_.get(std::move(name)));
  std::optional<Job> job;
  if (stored) job = std::move(stored->job);
  co_return job;
}

Task<Result<>> Engine::remove(std::string name) {
  OUT_CO_CHECK(check_name(name));
  Cancellation never;
  auto removed = co_await store_.remove(std::move(name)).under(never);
  if (!removed) co_return std::unexpected(std::move(removed).error());
  if (*removed) forget(**removed);
  co_return Result<>();
}

Task<Result<>> Engine::remove_prefix(std::string prefix) {
  // Only what is before the name's own end is there to be checked.
  OUT_CO_CHECK(check_name(prefix + "a"));
  Cancellation never;
  const std::string shown = prefix;
  auto removed = co_await store_.remove_prefix(std::move(prefix)).under(never);
  if (!removed) {
    co_return std::unexpected(
        std::move(removed).error().context("failed to delete prefixes \"" + shown + "\""));
  }
  for (const JobId id : *removed) forget(id);
  co_return Result<>();
}

Task<Result<std::vector<NamedJob>>> Engine::list(ListRequest request) {
  auto jobs = co_await store_.list(std::move(request));
  co_return jobs;
}

}  // namespace outrigger::control::scheduler
