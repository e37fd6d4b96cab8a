#include "control/scheduler/postgres_batches.h"

#include <algorithm>
#include <tuple>

namespace outrigger::control::scheduler {
namespace {

namespace postgres = components::postgres;
using postgres::Effect;
using postgres::Rows;

/// One batch is made ready while the other one is flushed.
constexpr int kAtOnce = 2;
constexpr std::size_t kBatchMax = 128;

std::unexpected<Error> closing() { return fail(Code::unavailable, "the store is being closed"); }

}  // namespace

void PostgresBatches::start() {
  for (int i = 0; i < kAtOnce; ++i) scope_.spawn(serve());
}

Task<Result<Rows>> PostgresBatches::write(std::string row, postgres::Step step) {
  if (closed_) co_return closing();
  if (queue_.size() >= limits_.queued_max) {
    co_return fail(Code::resource_exhausted, "too many writes wait for PostgreSQL");
  }
  auto pending = std::make_shared<Pending>();
  pending->row = std::move(row);
  pending->step = std::move(step);
  pending->since = std::chrono::steady_clock::now();
  pending->number = ++last_;
  queue_.push_back(pending);
  came_.notify_one();
  auto rows = co_await pending->done.wait();
  co_return rows;
}

Task<void> PostgresBatches::serve() {
  for (;;) {
    drop_late();
    if (queue_.empty()) {
      auto came = co_await came_.wait();
      if (!came) co_return;
      continue;
    }
    const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), kBatchMax));
    Batch batch(queue_.begin(), queue_.begin() + count);
    queue_.erase(queue_.begin(), queue_.begin() + count);
    co_await write_all(std::move(batch));
    if (scope_.cancellation().requested()) co_return;
  }
}

void PostgresBatches::drop_late() {
  const TimePoint now = std::chrono::steady_clock::now();
  while (!queue_.empty() && now - queue_.front()->since > limits_.queued_for) {
    queue_.front()->done.set(
        fail(Code::deadline_exceeded, "the writes before it have taken PostgreSQL too long"));
    queue_.pop_front();
  }
}

Task<void> PostgresBatches::write_one(std::shared_ptr<Pending> one) {
  postgres::Step step = std::move(one->step);
  auto rows = co_await client_.query(std::move(step), Effect::write);
  one->done.set(std::move(rows));
}

Task<void> PostgresBatches::write_all(Batch batch) {
  if (batch.size() == 1) {
    co_await write_one(std::move(batch[0]));
    co_return;
  }
  std::ranges::sort(batch, {},
                    [](const auto& pending) { return std::tie(pending->row, pending->number); });
  postgres::Unit unit;
  for (const auto& pending : batch) unit.push_back(pending->step);
  auto reply = co_await client_.run(std::move(unit), Effect::write);
  if (reply && reply->refusal) {
    // Nothing was done; who is to blame is found one by one.
    std::vector<Task<void>> tasks;
    for (auto& pending : batch) tasks.push_back(write_one(std::move(pending)));
    co_await run_all(std::move(tasks));
    co_return;
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (reply) {
      batch[i]->done.set(std::move(reply->rows[i]));
    } else {
      batch[i]->done.set(std::unexpected(reply.error()));
    }
  }
}

Task<void> PostgresBatches::close() {
  closed_ = true;
  scope_.cancel();
  co_await scope_.join();
  for (const auto& pending : queue_) pending->done.set(closing());
  queue_.clear();
}

}  // namespace outrigger::control::scheduler
