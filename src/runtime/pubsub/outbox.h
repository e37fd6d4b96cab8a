#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/scope.h"
#include "components/state/store.h"
#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {

/// What a state store's metadata says about its outbox.
struct OutboxConfig {
  std::string publish_pubsub;
  std::string publish_topic;
  /// Where messages wait for their transaction; outboxPubsub, by default publish_pubsub.
  std::string outbox_pubsub;
  bool discard_when_missing_state = false;

  /// From outboxPublishPubsub, outboxPublishTopic, outboxPubsub, outboxDiscardWhenMissingState;
  /// nullopt if one of the first two is missing: then the store has no outbox.
  static std::optional<OutboxConfig> read(const Properties& metadata);
  bool operator==(const OutboxConfig&) const = default;
};

/// The marks that transactions leave in their stores. The state block implements it, for one loop.
class OutboxMarks {
 public:
  virtual ~OutboxMarks() = default;
  /// Whether the key has a value. Keys are used as they are, without the app's prefix.
  virtual Task<Result<bool>> has(std::string store, std::string key) = 0;
  virtual Task<Result<>> remove(std::string store, std::string key) = 0;
};

/// The transactional outbox on one loop. For each item that a transaction writes, a message goes to
/// an internal topic first and a mark into the transaction; whoever reads the internal topic
/// publishes the message once it finds its mark, which proves that the transaction was made.
class Outbox {
 public:
  struct Options {
    /// This loop's, which must live longer, and so must the marks.
    Service& service;
    OutboxMarks& marks;
    /// NAMESPACE, or "default"; part of the internal topic's name.
    std::string app_namespace;
    /// How long to look for a mark: at once, then with growing pauses between these, and no more
    /// after `wait_total`. As upstream, whose first look is after a second.
    std::chrono::milliseconds wait_first{500};
    std::chrono::milliseconds wait_max{3000};
    std::chrono::milliseconds wait_total{11'000};
  };
  explicit Outbox(Options options);
  /// close() must have ended.
  ~Outbox();

  /// The state block tells which stores there are, on every loop.
  void add_store(std::string store, const Properties& metadata);
  void remove_store(const std::string& store);
  [[nodiscard]] bool enabled(std::string_view store) const { return stores_.contains(store); }
  [[nodiscard]] const std::map<std::string, OutboxConfig, std::less<>>& stores() const noexcept {
    return stores_;
  }

  using Operations = std::vector<components::state::Operation>;
  /// Before a transaction on a store whose outbox is enabled: publishes the internal messages and
  /// gives the operations to do instead, without projections and with marks. The error is as
  /// clients see it; then the transaction must not be made.
  Task<Result<Operations>> publish_internal(std::string store, Operations operations,
                                            telemetry::TraceContext trace);

  /// Begins to read the store's internal topic on this loop, under what its outbox says now;
  /// nothing if it does already.
  Task<Result<>> subscribe(std::string store);
  /// Ends the readers of this component's topics: what still waits for its mark is given again.
  Task<void> unsubscribe(std::string pubsub_name);
  /// Ends all of them.
  Task<void> close();

  [[nodiscard]] std::string internal_topic(const OutboxConfig& config) const;

 private:
  struct Reader;
  struct ReaderKey {
    std::string store, pubsub, topic;
    auto operator<=>(const ReaderKey&) const = default;
  };
  Task<Result<>> deliver(std::shared_ptr<Reader> reader, std::string data);
  Task<Result<bool>> find_mark(std::shared_ptr<Reader> reader, std::string key);
  Task<Result<>> remove_mark(std::string store, std::string key);
  Task<void> end(std::shared_ptr<Reader> reader);

  Options options_;
  std::map<std::string, OutboxConfig, std::less<>> stores_;
  std::map<ReaderKey, std::shared_ptr<Reader>> readers_;
};

}  // namespace outrigger::pubsub
