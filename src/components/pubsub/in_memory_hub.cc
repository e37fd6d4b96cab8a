#include "components/pubsub/in_memory_hub.h"

#include <algorithm>

namespace outrigger::components::pubsub {
namespace {

bool is_wild(std::string_view pattern) noexcept { return pattern.ends_with('*'); }

bool matches_wild(std::string_view pattern, std::string_view topic) noexcept {
  const auto prefix = pattern.substr(0, pattern.size() - 1);
  // "orders*" is not "orders"; a topic that is the pattern itself is an ordinary match.
  return topic.size() > prefix.size() && topic.starts_with(prefix);
}

}  // namespace

void InMemoryHub::join(const std::shared_ptr<Inbox>& inbox) {
  const std::lock_guard lock(mutex_);
  (is_wild(inbox->topic) ? wild_ : by_topic_[inbox->topic]).push_back(inbox);
}

void InMemoryHub::leave(const std::shared_ptr<Inbox>& inbox) {
  std::vector<std::shared_ptr<Room>> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (is_wild(inbox->topic)) {
      std::erase(wild_, inbox);
    } else if (auto found = by_topic_.find(inbox->topic); found != by_topic_.end()) {
      std::erase(found->second, inbox);
      if (found->second.empty()) by_topic_.erase(found);
    }
    waiting.swap(inbox->waiting);
  }
  wake(std::move(waiting));
}

std::vector<InMemoryHub::Inbox*> InMemoryHub::inboxes_of(std::string_view topic) const {
  std::vector<Inbox*> found;
  if (auto exact = by_topic_.find(topic); exact != by_topic_.end()) {
    for (const auto& inbox : exact->second) found.push_back(inbox.get());
  }
  for (const auto& inbox : wild_) {
    if (matches_wild(inbox->topic, topic)) found.push_back(inbox.get());
  }
  return found;
}

std::shared_ptr<InMemoryHub::Room> InMemoryHub::offer(
    std::string_view topic, const std::shared_ptr<const Content>& content) {
  const std::lock_guard lock(mutex_);
  const auto inboxes = inboxes_of(topic);
  const std::size_t size = content->data.size();
  for (Inbox* inbox : inboxes) {
    const bool full = inbox->messages.size() >= kMessagesMax ||
                      (!inbox->messages.empty() && inbox->bytes + size > kBytesMax);
    if (!full) continue;
    auto room = std::make_shared<Room>(Loop::current());
    inbox->waiting.push_back(room);
    return room;
  }
  for (Inbox* inbox : inboxes) {
    const bool was_empty = inbox->messages.empty();
    inbox->messages.push_back(content);
    inbox->bytes += size;
    if (!was_empty) continue;
    if (&inbox->home == &Loop::current()) {
      inbox->arrived.notify_all();
    } else {
      inbox->home.post([kept = inbox->shared_from_this()] { kept->arrived.notify_all(); });
    }
  }
  return nullptr;
}

InMemoryHub::Batch InMemoryHub::take(Inbox& inbox) {
  Batch batch;
  std::vector<std::shared_ptr<Room>> waiting;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(inbox.messages);
    waiting.swap(inbox.waiting);
    inbox.bytes = 0;
  }
  wake(std::move(waiting));
  return batch;
}

void InMemoryHub::wake(std::vector<std::shared_ptr<Room>> rooms) {
  for (auto& room : rooms) {
    Loop& home = room->home;
    home.post([room = std::move(room)] { room->made.set({}); });
  }
}

}  // namespace outrigger::components::pubsub
