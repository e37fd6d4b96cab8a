#include "runtime/pubsub/batcher.h"

#include <map>

#include "base/uuid.h"

namespace outrigger::pubsub {

namespace brokers = components::pubsub;

Batcher::Batcher(std::string topic, const BulkSubscribe& options, brokers::DeliverBulk deliver,
                 Mode mode)
    : topic_(std::move(topic)),
      messages_max_(options.messages_max()),
      await_max_(options.await_max()),
      deliver_(std::move(deliver)),
      hurry_(mode == Mode::at_once),
      timer_([this] { begin_batch(); }) {}

Task<Result<>> Batcher::add(brokers::Message message) {
  Pending pending;
  pending.entry.entry_id = uuid_v4();
  pending.entry.event = std::move(message.data);
  pending.entry.metadata = std::move(message.metadata);
  pending.entry.content_type = std::move(message.content_type).value_or("");
  pending.done = std::make_shared<Completion<>>();
  const std::shared_ptr<Completion<>> done = pending.done;
  pending_.push_back(std::move(pending));
  if (!busy_) arrange_next();
  auto handled = co_await done->wait();
  co_return handled;
}

void Batcher::arrange_next() {
  if (pending_.empty()) return;
  if (hurry_ || pending_.size() >= messages_max_) return begin_batch();
  if (!timer_.running()) timer_.start(await_max_);
}

void Batcher::begin_batch() {
  timer_.stop();
  if (busy_ || pending_.empty()) return;
  busy_ = true;
  const std::size_t count = std::min(pending_.size(), messages_max_);
  const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<Pending> batch(std::make_move_iterator(pending_.begin()),
                             std::make_move_iterator(end));
  pending_.erase(pending_.begin(), end);
  scope_.spawn(handle(std::move(batch)));
}

Task<void> Batcher::handle(std::vector<Pending> batch) {
  brokers::BulkMessage message;
  message.topic = topic_;
  message.entries.reserve(batch.size());
  std::map<std::string, std::shared_ptr<Completion<>>> waiting;
  for (Pending& each : batch) {
    waiting.emplace(each.entry.entry_id, std::move(each.done));
    message.entries.push_back(std::move(each.entry));
  }
  auto handled = co_await deliver_(std::move(message));
  if (handled) {
    for (brokers::BulkFailure& failure : *handled) {
      const auto found = waiting.find(failure.entry_id);
      if (found == waiting.end()) continue;
      found->second->set(std::unexpected(std::move(failure.error)));
      waiting.erase(found);
    }
    for (const auto& [id, done] : waiting) done->set(Result<>());
  } else {
    for (const auto& [id, done] : waiting) done->set(std::unexpected(handled.error()));
  }
  busy_ = false;
  arrange_next();
}

void Batcher::hurry() {
  hurry_ = true;
  if (!busy_) arrange_next();
}

Task<void> Batcher::close() {
  hurry();
  co_await scope_.join();
  timer_.stop();
}

}  // namespace outrigger::pubsub
