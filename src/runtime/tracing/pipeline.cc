#include "runtime/tracing/pipeline.h"

#include <algorithm>

#include "base/random.h"

namespace outrigger::runtime::tracing {
namespace {

// Small enough to be copied without a thought, big enough that a batch has few.
constexpr std::size_t kPartBytes = 64U << 10;
constexpr Duration kRetryDelayMax = std::chrono::seconds(30);

}  // namespace

Pipeline::Pipeline(std::unique_ptr<Exporter> exporter, const BatchOptions& options,
                   const ExportMetrics& metrics)
    : exporter_(std::move(exporter)),
      options_(options),
      exported_(metrics.exported(exporter_->name())),
      dropped_(metrics.dropped(exporter_->name())),
      failures_(metrics.failures(exporter_->name())),
      log_(exporter_->name(), exporter_->target()),
      delay_([this] {
        due_ = true;
        changed_.notify_all();
      }) {}

Pipeline::~Pipeline() = default;

void Pipeline::add(std::span<const std::unique_ptr<telemetry::FinishedSpan>> spans) {
  std::size_t refused = 0;
  for (const auto& span : spans) {
    const bool room = queued_spans_ < options_.queue_spans_max &&
                      queued_bytes_ < options_.queue_bytes_max && !closing_;
    if (room) {
      append(*span);
    } else {
      ++refused;
    }
  }
  if (refused > 0) lost(refused);
  if (queue_.empty()) return;
  if (!started_) {
    started_ = true;
    scope_.spawn(run());
  }
  if (!delay_.running() && !due_) delay_.start(options_.delay);
  if (batch_is_full()) changed_.notify_all();
}

void Pipeline::append(const telemetry::FinishedSpan& span) {
  const bool fits = !queue_.empty() && queue_.back().bytes.size() < kPartBytes &&
                    queue_.back().spans < options_.batch_spans_max;
  if (!fits) queue_.emplace_back();
  Part& part = queue_.back();
  const std::size_t before = part.bytes.size();
  if (part.spans > 0) part.bytes.append(exporter_->separator());
  exporter_->append(part.bytes, span);
  ++part.spans;
  ++queued_spans_;
  queued_bytes_ += part.bytes.size() - before;
}

void Pipeline::lost(std::size_t spans) {
  dropped_.add(spans);
  log_.dropped(spans);
}

bool Pipeline::batch_is_full() const noexcept {
  return queued_spans_ >= options_.batch_spans_max || queued_bytes_ >= options_.batch_bytes_max;
}

Task<Result<>> Pipeline::wait_for_batch() {
  while (!closing_ && (queue_.empty() || (!due_ && !batch_is_full()))) {
    OUT_CO_CHECK(co_await changed_.wait());
  }
  co_return Result<>();
}

Task<void> Pipeline::run() {
  for (;;) {
    auto waited = co_await wait_for_batch();
    if (!waited || queue_.empty()) co_return;
    due_ = false;
    delay_.stop();
    Part batch = take_batch();
    if (!queue_.empty()) delay_.start(options_.delay);
    co_await deliver(std::move(batch));
  }
}

Pipeline::Part Pipeline::take_batch() {
  Part batch;
  while (!queue_.empty()) {
    Part& next = queue_.front();
    const bool fits =
        batch.spans == 0 || (batch.spans + next.spans <= options_.batch_spans_max &&
                             batch.bytes.size() + next.bytes.size() <= options_.batch_bytes_max);
    if (!fits) break;
    queued_spans_ -= next.spans;
    queued_bytes_ -= next.bytes.size();
    if (batch.spans == 0) {
      batch = std::move(next);
    } else {
      batch.bytes.append(exporter_->separator()).append(next.bytes);
      batch.spans += next.spans;
    }
    queue_.pop_front();
  }
  return batch;
}

Task<void> Pipeline::deliver(Part batch) {
  const std::size_t spans = batch.spans;
  auto delivering = deliver_with_retries(std::move(batch.bytes));
  const auto delivered = co_await with_timeout(std::move(delivering), options_.export_timeout);
  if (delivered) {
    exported_.add(spans);
    log_.succeeded();
    co_return;
  }
  log_.failed(delivered.error());
  lost(spans);
}

Task<Result<>> Pipeline::deliver_with_retries(std::string parts) {
  Duration delay = options_.retry_delay;
  for (;;) {
    auto delivery = co_await exporter_->send(parts);
    if (delivery.result) co_return delivery.result;
    failures_.add();
    // One that is closing has no time for second tries.
    if (!delivery.retry || closing_) co_return delivery.result;
    log_.failed(delivery.result.error());
    // Sidecars that lost their receiver together do not come back together.
    const auto jittered = std::chrono::duration_cast<Duration>(delay * (0.5 + fast_random_unit()));
    auto paused = co_await pause(std::max(jittered, delivery.retry_after.value_or(Duration())));
    if (!paused) co_return delivery.result;
    delay = std::min(delay * 2, kRetryDelayMax);
  }
}

// Ends early when the pipeline closes: then there is one last try.
Task<Result<>> Pipeline::pause(Duration delay) {
  bool over = false;
  Timer timer([this, &over] {
    over = true;
    changed_.notify_all();
  });
  timer.start(delay);
  while (!over && !closing_) {
    OUT_CO_CHECK(co_await changed_.wait());
  }
  co_return Result<>();
}

Task<void> Pipeline::close(Duration limit) {
  closing_ = true;
  changed_.notify_all();
  Timer out_of_time([this] { scope_.cancel(Code::deadline_exceeded); });
  out_of_time.start(limit);
  co_await scope_.join();
  delay_.stop();
  if (queued_spans_ > 0) lost(queued_spans_);
  queue_.clear();
  queued_spans_ = 0;
  queued_bytes_ = 0;
  log_.end();
  co_await exporter_->close();
}

}  // namespace outrigger::runtime::tracing
