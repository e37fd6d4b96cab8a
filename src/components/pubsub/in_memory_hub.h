#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/scope.h"
#include "components/metadata.h"

namespace outrigger::components::pubsub {

/// The topics of one pubsub.in-memory component, shared by its instances on all loops.
/// Thread-safe.
class InMemoryHub {
 public:
  /// What was published; shared by all who get it.
  struct Content {
    std::string data;
    Properties metadata;
  };
  using Batch = std::deque<std::shared_ptr<const Content>>;

  /// A publisher that waits for room; belongs to its loop.
  struct Room {
    explicit Room(Loop& home) : home(home) {}
    Loop& home;
    Completion<> made;
  };

  /// What waits for one subscription. All but `arrived` belongs to the hub.
  struct Inbox : std::enable_shared_from_this<Inbox> {
    Inbox(Loop& home, std::string topic) : home(home), topic(std::move(topic)) {}
    Loop& home;
    /// As subscribed: an "*" at its end stands for one or more characters.
    const std::string topic;
    /// Notified on the home loop when the inbox was empty and is no longer.
    Signal arrived;

   private:
    friend class InMemoryHub;
    Batch messages;
    std::size_t bytes = 0;
    std::vector<std::shared_ptr<Room>> waiting;
  };

  /// Bounds of one inbox: a subscriber that is slower than its publishers makes them wait instead
  /// of filling the memory. One message larger than that still fits into an empty inbox.
  static constexpr std::size_t kMessagesMax = 8192;
  static constexpr std::size_t kBytesMax = 32UL << 20;

  void join(const std::shared_ptr<Inbox>& inbox);
  /// No more messages come in; what is inside can still be taken.
  void leave(const std::shared_ptr<Inbox>& inbox);

  /// Puts the message into every inbox of its topic. If one of them is full, into none: then the
  /// Room that is returned is told when to try again.
  std::shared_ptr<Room> offer(std::string_view topic,
                              const std::shared_ptr<const Content>& content);
  /// Everything that waits in the inbox.
  Batch take(Inbox& inbox);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  using Inboxes = std::vector<std::shared_ptr<Inbox>>;

  std::vector<Inbox*> inboxes_of(std::string_view topic) const;
  static void wake(std::vector<std::shared_ptr<Room>> rooms);

  std::mutex mutex_;
  std::unordered_map<std::string, Inboxes, Hash, std::equal_to<>> by_topic_;
  Inboxes wild_;
};

}  // namespace outrigger::components::pubsub
