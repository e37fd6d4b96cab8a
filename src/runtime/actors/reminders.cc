#include "runtime/actors/reminders.h"

#include "base/log.h"
#include "runtime/actors/errors.h"

namespace outrigger::runtime::actors {
namespace {

const Logger log("dapr.runtime.actor.reminders.scheduler");

scheduler::Target target_of(ActorRef actor) {
  scheduler::Target target;
  target.actor = scheduler::Target::Actor{std::move(actor.type), std::move(actor.id)};
  return target;
}

std::optional<std::string> unless_empty(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

StoredReminder stored(std::string name, ActorRef actor, scheduler::Job job) {
  StoredReminder reminder;
  reminder.name = std::move(name);
  reminder.actor = std::move(actor);
  reminder.due_time = std::move(job.due_time).value_or("");
  reminder.period = std::move(job.schedule).value_or("");
  if (job.data) reminder.data = AnyData{std::move(job.data->type_url), std::move(job.data->value)};
  // Upstream shows nothing but a time here, whatever the client wrote.
  if (job.ttl && parse_rfc3339(*job.ttl)) reminder.ttl = *std::move(job.ttl);
  return reminder;
}

Error plain(const Error& error) { return {Code::unknown, error.message()}; }

}  // namespace

Task<Result<>> Reminders::add(ReminderRequest request) {
  auto cron = cron_of_period(request.when.period);
  if (!cron) co_return fail(reminder_create_failed(cron.error()));
  scheduler::Job job;
  job.schedule = std::move(cron->schedule);
  job.repeats = cron->repeats;
  job.due_time = unless_empty(std::move(request.when.due_time));
  job.ttl = unless_empty(std::move(request.when.ttl));
  if (request.data) {
    job.data = scheduler::Any{std::move(request.data->type_url), std::move(request.data->value)};
  }
  job.failure_policy = std::move(request.failure_policy);
  const std::string name = request.name;
  auto added = co_await jobs_.schedule(std::move(request.name), target_of(std::move(request.actor)),
                                       std::move(job), request.overwrite);
  if (added) co_return added;
  log.error("Error scheduling reminder job ", name, " due to: ", added.error().message());
  if (added.error().code() == Code::already_exists) co_return fail(reminder_exists(name));
  co_return fail(reminder_create_failed(plain(added.error())));
}

Task<Result<>> Reminders::remove(ActorRef actor, std::string name) {
  auto removed = co_await jobs_.remove(name, target_of(std::move(actor)));
  if (removed) co_return removed;
  log.error("Error deleting reminder job ", name, " due to: ", removed.error().message());
  co_return fail(reminder_delete_failed(plain(removed.error())));
}

Task<Result<>> Reminders::remove_all(std::string type, std::optional<std::string> id) {
  const bool all = !id;
  ActorRef actor{std::move(type), std::move(id).value_or("")};
  auto removed = co_await jobs_.remove_by_metadata(target_of(std::move(actor)), all);
  // An old scheduler cannot; upstream lets it pass.
  if (removed || removed.error().code() == Code::unimplemented) co_return Result<>();
  co_return fail(reminder_delete_failed(plain(removed.error())));
}

Task<Result<StoredReminder>> Reminders::get(ActorRef actor, std::string name) {
  auto job = co_await jobs_.get(name, target_of(actor));
  if (job) co_return stored(std::move(name), std::move(actor), *std::move(job));
  if (job.error().code() == Code::not_found) co_return fail(reminder_not_found(name));
  const Error why(Code::internal, "ERR_SCHEDULER_GET_JOB",
                  "failed to get job due to: " + job.error().message());
  co_return fail(reminder_get_failed(why));
}

Task<Result<std::vector<StoredReminder>>> Reminders::list(ActorRef actors) {
  auto jobs = co_await jobs_.list(target_of(std::move(actors)));
  if (!jobs) co_return std::unexpected(std::move(jobs).error());
  std::vector<StoredReminder> all;
  for (scheduler::NamedJob& job : *jobs) {
    if (!job.target.actor) continue;
    ActorRef actor{std::move(job.target.actor->type), std::move(job.target.actor->id)};
    all.push_back(stored(std::move(job.name), std::move(actor), std::move(job.job)));
    // A list does not tell it, as upstream.
    all.back().ttl.clear();
  }
  co_return all;
}

}  // namespace outrigger::runtime::actors
