#include "runtime/pubsub/outbox_readers.h"

#include "base/log.h"

namespace outrigger::pubsub {
namespace {

using std::chrono::milliseconds;

const Logger log("dapr.outbox");

constexpr milliseconds kWaitMax(60'000);

Task<Result<>> unsubscribe(Outbox* outbox, std::string pubsub_name) {
  co_await outbox->unsubscribe(std::move(pubsub_name));
  co_return Result<>();
}

}  // namespace

struct OutboxReaders::Impl {
  explicit Impl(Options given)
      : options(std::move(given)),
        wait(options.first_wait),
        retry([this] { scope.spawn(retry_now()); }) {}

  Options options;
  Scope scope;
  Semaphore turn{1};
  bool started = false;
  milliseconds wait;
  Timer retry;

  Task<void> subscribe_all();
  Task<void> retry_now();
  Task<void> unsubscribe_all(std::string pubsub_name);
  Task<void> take_turn();
};

Task<void> OutboxReaders::Impl::take_turn() {
  Cancellation never;
  auto acquiring = turn.acquire();
  [[maybe_unused]] const auto acquired = co_await std::move(acquiring).under(never);
}

Task<void> OutboxReaders::Impl::subscribe_all() {
  retry.stop();
  bool failed = false;
  const auto stores = options.outboxes.front()->stores();
  for (const auto& [store, config] : stores) {
    const auto loop =
        static_cast<unsigned>(std::hash<std::string>()(store) % options.outboxes.size());
    Outbox* const outbox = options.outboxes[loop];
    std::move_only_function<Task<Result<>>()> work = [outbox, name = store] {
      return outbox->subscribe(name);
    };
    const auto done = co_await call_on<void>(options.loops[loop], std::move(work));
    if (done) continue;
    log.warn("failed to subscribe to outbox topics: ", done.error());
    // A component that is not there calls back when it comes.
    failed = failed || done.error().code() != Code::not_found;
  }
  if (!failed || !started) {
    wait = options.first_wait;
    co_return;
  }
  retry.start(wait);
  wait = std::min(kWaitMax, wait * 3 / 2);
}

Task<void> OutboxReaders::Impl::retry_now() {
  co_await take_turn();
  if (started) co_await subscribe_all();
  turn.release();
}

Task<void> OutboxReaders::Impl::unsubscribe_all(std::string pubsub_name) {
  Cancellation never;
  for (unsigned i = 0; i < options.outboxes.size(); ++i) {
    Outbox* const outbox = options.outboxes[i];
    std::move_only_function<Task<Result<>>()> work = [outbox, pubsub_name] {
      return unsubscribe(outbox, pubsub_name);
    };
    auto ending = call_on<void>(options.loops[i], std::move(work));
    [[maybe_unused]] const auto done = co_await std::move(ending).under(never);
  }
}

OutboxReaders::OutboxReaders(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OutboxReaders::~OutboxReaders() = default;

Task<void> OutboxReaders::start() {
  co_await impl_->take_turn();
  impl_->started = true;
  co_await impl_->subscribe_all();
  impl_->turn.release();
}

Task<void> OutboxReaders::component_opened(std::string) {
  co_await impl_->take_turn();
  if (impl_->started) co_await impl_->subscribe_all();
  impl_->turn.release();
}

Task<void> OutboxReaders::component_closing(std::string pubsub_name) {
  co_await impl_->take_turn();
  co_await impl_->unsubscribe_all(std::move(pubsub_name));
  impl_->turn.release();
}

Task<void> OutboxReaders::shut_down() {
  co_await impl_->take_turn();
  impl_->started = false;
  impl_->retry.stop();
  co_await impl_->unsubscribe_all("");
  impl_->turn.release();
  co_await impl_->scope.join();
}

}  // namespace outrigger::pubsub
