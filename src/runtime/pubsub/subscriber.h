#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "runtime/pubsub/postman.h"
#include "runtime/pubsub/running.h"
#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {

/// The subscriptions that are at work on one loop: those the manager puts here, and those of
/// streams whose connections live here. Everything belongs to the loop.
class Subscriber {
 public:
  /// `service` is the loop's own and must live longer.
  explicit Subscriber(Service& service);
  /// shut_down() must have ended.
  ~Subscriber();

  /// The application of this loop; nullptr: there is none. Before the first start().
  void set_app(runtime::app::Channel* app);
  [[nodiscard]] runtime::app::Channel* app() const noexcept { return app_; }
  /// Called when a stream's subscription comes or goes.
  void on_streams_changed(std::function<void()> changed) { streams_changed_ = std::move(changed); }

  /// Begins to deliver to the application. Code::permission_denied if the topic is out of the
  /// app's scopes, Code::not_found if the component is not open; otherwise the broker's error.
  Task<Result<>> start(SubscriptionPtr subscription);
  /// Drains and ends it; nothing if it is not here.
  Task<void> stop(SubscriptionPtr subscription);

  /// A stream that the application has opened.
  struct Stream {
    SubscriptionPtr subscription;
    Postman& postman;
    /// Asks the stream to end; its owner then calls close_stream().
    std::function<void()> end;
  };
  /// The same for a stream. `stream` must live until close_stream() has ended.
  Task<Result<>> open_stream(Stream& stream);
  Task<void> close_stream(Stream& stream);
  [[nodiscard]] std::vector<SubscriptionPtr> streams() const;
  /// Requested by shut_down(): a stream that has not said yet what it wants ends with it.
  [[nodiscard]] Cancellation& closing() noexcept { return closing_; }

  /// Around the life of a component's broker: before it closes, the streams' subscriptions on it
  /// are drained; when it is open again they go on.
  Task<void> suspend(std::string pubsub_name);
  Task<void> resume(std::string pubsub_name);

  /// Before a graceful end: brokers that can are told to give nothing new, while what they gave is
  /// worked off.
  Task<void> pause();
  /// What is being delivered while subscriptions end, now or later, is given up after this time.
  void limit_drain(Duration drain_max);
  /// Drains everything, ends the streams and starts nothing any more.
  Task<void> shut_down();

 private:
  struct Entry;
  Task<Result<>> run(std::shared_ptr<Entry> entry);
  Task<void> finish(std::shared_ptr<Entry> entry);
  void changed();

  Service& service_;
  runtime::app::Channel* app_ = nullptr;
  std::unique_ptr<Postman> postman_;
  std::vector<std::shared_ptr<Entry>> entries_;
  std::function<void()> streams_changed_;
  Cancellation closing_;
  TimePoint drain_until_ = TimePoint::max();
};

}  // namespace outrigger::pubsub
