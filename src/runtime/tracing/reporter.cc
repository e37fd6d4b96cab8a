#include "runtime/tracing/reporter.h"

#include <algorithm>

#include "base/scope.h"
#include "runtime/tracing/pipeline.h"

namespace outrigger::runtime::tracing {
namespace {

using Spans = std::vector<std::unique_ptr<telemetry::FinishedSpan>>;

// What one message to loop 0 carries: encoding so many takes it less than 200 us.
constexpr std::size_t kFeedSpans = 64;
constexpr Duration kFeedDelay = std::chrono::milliseconds(200);
// Messages under way, of all loops: they are memory that no pipeline counts yet.
constexpr std::size_t kUnderWayMax = 4096;

}  // namespace

/// The buffer of one loop, made and used there.
struct Reporter::Feed {
  explicit Feed(Impl& owner);
  void hand_over();

  Impl& impl;
  Spans spans;
  Timer timer;
};

struct Reporter::Impl {
  Impl(Loops& all, Exporters exporters, telemetry::Registry& registry)
      : loops(all),
        metrics(registry),
        feed_delay(std::min(kFeedDelay, exporters.batch.delay)),
        feeds(all.size()) {
    for (auto& exporter : exporters.all) {
      pipelines.push_back(
          std::make_unique<Pipeline>(std::move(exporter), exporters.batch, metrics));
    }
  }

  void receive(const Spans& spans) {
    under_way.fetch_sub(spans.size(), std::memory_order_relaxed);
    for (auto& pipeline : pipelines) pipeline->add(spans);
    const std::size_t refused = not_handed_over.exchange(0, std::memory_order_relaxed);
    if (refused == 0) return;
    for (auto& pipeline : pipelines) pipeline->lost(refused);
  }

  static Task<void> close_feed(Impl* impl, unsigned index) {
    impl->closed.store(true, std::memory_order_relaxed);
    if (impl->feeds[index]) impl->feeds[index]->hand_over();
    impl->feeds[index].reset();
    co_return;
  }

  Loops& loops;
  ExportMetrics metrics;
  Duration feed_delay;
  std::vector<std::unique_ptr<Feed>> feeds;          // Each of its own loop.
  std::vector<std::unique_ptr<Pipeline>> pipelines;  // Of loop 0.
  std::atomic<bool> closed = false;
  std::atomic<std::size_t> under_way = 0;
  std::atomic<std::size_t> not_handed_over = 0;
};

Reporter::Feed::Feed(Impl& owner) : impl(owner), timer([this] { hand_over(); }) {}

void Reporter::Feed::hand_over() {
  timer.stop();
  if (spans.empty()) return;
  const std::size_t count = spans.size();
  if (impl.under_way.load(std::memory_order_relaxed) + count > kUnderWayMax) {
    impl.not_handed_over.fetch_add(count, std::memory_order_relaxed);
    spans.clear();
    return;
  }
  impl.under_way.fetch_add(count, std::memory_order_relaxed);
  Spans batch;
  batch.reserve(kFeedSpans);
  batch.swap(spans);
  impl.loops[0].post([owner = &impl, batch = std::move(batch)] { owner->receive(batch); });
}

Reporter::Reporter(Loops& loops, Exporters exporters, telemetry::Registry& metrics)
    : impl_(std::make_unique<Impl>(loops, std::move(exporters), metrics)) {}

Reporter::~Reporter() = default;

void Reporter::accept(std::unique_ptr<telemetry::FinishedSpan> span) {
  if (!Loop::on_a_loop() || impl_->closed.load(std::memory_order_relaxed)) return;
  auto& feed = impl_->feeds[Loop::current().index()];
  if (feed == nullptr) feed = std::make_unique<Feed>(*impl_);
  feed->spans.push_back(std::move(span));
  if (feed->spans.size() >= kFeedSpans) {
    feed->hand_over();
  } else if (!feed->timer.running()) {
    feed->timer.start(impl_->feed_delay);
  }
}

Task<void> Reporter::close(Duration limit) {
  std::function<Task<void>(unsigned)> empty = [this](unsigned index) {
    return Impl::close_feed(impl_.get(), index);
  };
  co_await run_on_all(impl_->loops, std::move(empty));
  // What they handed over stands in line before this.
  auto arrived = std::make_shared<Completion<>>();
  impl_->loops[0].post([arrived] { arrived->set({}); });
  [[maybe_unused]] auto waited = co_await arrived->wait();
  std::vector<Task<void>> closing;
  for (auto& pipeline : impl_->pipelines) closing.push_back(pipeline->close(limit));
  co_await run_all(std::move(closing));
}

std::shared_ptr<Reporter> make_reporter(Loops& loops, Exporters exporters,
                                        telemetry::Registry& metrics) {
  if (exporters.all.empty()) return nullptr;
  return std::make_shared<Reporter>(loops, std::move(exporters), metrics);
}

}  // namespace outrigger::runtime::tracing
