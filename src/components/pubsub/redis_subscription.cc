#include "components/pubsub/redis_subscription.h"

#include <algorithm>

#include "base/log.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr Logger log("dapr.contrib.pubsub.redis");

// How long a read waits at the server before it asks again.
constexpr milliseconds kBlock = 5s;
// How long to wait after an error that the client did not get over by itself.
constexpr Duration kPause = 1s;

/// The group is gone, or the stream with it: while nothing was read, or under a waiting read.
bool lost_group(const Error& error) {
  return error.message().contains("NOGROUP") || error.message().contains("UNBLOCKED");
}

}  // namespace

RedisSubscription::RedisSubscription(redis::Client& client, Semaphore& workers,
                                     redis_stream::Group group, RedisDelivery delivery,
                                     Deliver deliver)
    : client_(client),
      workers_(workers),
      group_(std::move(group)),
      delivery_(delivery),
      deliver_(std::move(deliver)) {}

RedisSubscription::~RedisSubscription() = default;

Task<Result<>> RedisSubscription::start() {
  OUT_CO_CHECK(co_await create_group());
  lane_ = client_.take_lane(kBlock);
  open_ = true;
  readers_.spawn(read_loop());
  if (delivery_.redelivers()) readers_.spawn(reclaim_loop());
  co_return Result<>();
}

Task<void> RedisSubscription::close() {
  if (!std::exchange(open_, false)) co_return;
  readers_.cancel();
  co_await readers_.join();
  client_.return_lane(lane_);
  waiting_.request();
  co_await deliveries_.join();
}

Task<Result<>> RedisSubscription::create_group() {
  auto reply = co_await client_.call(redis_stream::create(group_));
  if (reply && reply->is_error("BUSYGROUP")) co_return Result<>();
  OUT_CO_CHECK(redis::checked(std::move(reply)));
  co_return Result<>();
}

Task<void> RedisSubscription::read_loop() {
  while (!readers_.cancellation().requested()) {
    auto read = co_await read_once();
    if (read) continue;
    auto recovered = co_await recover(std::move(read).error());
    if (!recovered) co_return;
  }
}

// After an error: logs it, mends what can be, and waits. An error: the reading is to end.
Task<Result<>> RedisSubscription::recover(Error error) {
  if (readers_.cancellation().requested()) co_return fail(std::move(error));
  if (lost_group(error)) {
    log.warn("redis streams: consumer group ", group_.name, " does not exist for stream ",
             group_.stream, ". This could mean the server experienced data loss, or the group or ",
             "stream was deleted. Recreating it");
    auto created = co_await create_group();
    if (created) co_return Result<>();
    error = std::move(created).error();
  }
  log.error("redis streams: error reading from stream ", group_.stream, ": ", error);
  auto slept = co_await sleep_for(kPause);
  co_return slept;
}

Task<Result<>> RedisSubscription::read_once() {
  OUT_CO_CHECK(co_await wait_for_room());
  auto command = redis_stream::read_new(group_, room(), kBlock);
  OUT_CO_TRY(auto reply, co_await client_.run(std::move(command), lane_));
  OUT_CO_TRY(auto read, redis_stream::entries_of_read(std::move(reply)));
  for (auto& entry : read.entries) begin(std::move(entry));
  co_return Result<>();
}

std::size_t RedisSubscription::room() const noexcept {
  return in_hand_.size() < delivery_.queue_depth ? delivery_.queue_depth - in_hand_.size() : 0;
}

Task<Result<>> RedisSubscription::wait_for_room() {
  while (room() == 0) {
    auto woken = co_await finished_one_.wait();
    if (!woken) co_return fail(std::move(woken).error());
  }
  co_return Result<>();
}

void RedisSubscription::begin(Entry entry) {
  // One that is claimed while it is still in hand is not delivered twice at once.
  if (in_hand_.insert(entry.id).second) deliveries_.spawn(process(std::move(entry)));
}

Task<void> RedisSubscription::process(Entry entry) {
  const std::string id = entry.id;
  auto turn = co_await workers_.acquire().under(waiting_);
  if (turn) {
    auto delivered = co_await deliver(&entry);
    workers_.release();
    if (delivered) {
      auto command = redis_stream::acknowledge(group_, id);
      auto acknowledged = co_await client_.run(std::move(command));
      if (!acknowledged) delivered = fail(std::move(acknowledged).error());
    }
    if (!delivered) {
      log.error("Error processing Redis message ", id, " of ", group_.stream, ": ",
                delivered.error());
    }
  }
  in_hand_.erase(id);
  finished_one_.notify_all();
}

Task<Result<>> RedisSubscription::deliver(Entry* entry) {
  Message message{.topic = group_.stream,
                  .data = std::move(entry->data),
                  .metadata = std::move(entry->metadata)};
  auto task = deliver_(std::move(message));
  if (!delivery_.redelivers()) {
    auto done = co_await std::move(task);
    co_return done;
  }
  auto done = co_await with_timeout(std::move(task), delivery_.processing_timeout);
  co_return done;
}

Task<void> RedisSubscription::reclaim_loop() {
  while (!readers_.cancellation().requested()) {
    auto done = co_await reclaim();
    // The reading makes a lost group again.
    if (!done && !lost_group(done.error()) && !readers_.cancellation().requested()) {
      log.error("error claiming pending Redis messages: ", done.error());
    }
    auto slept = co_await sleep_for(delivery_.redeliver_interval);
    if (!slept) co_return;
  }
}

// Walks over all that is pending, for what is old may come after much that is not.
Task<Result<>> RedisSubscription::reclaim() {
  std::string from = "-";
  for (;;) {
    auto command = redis_stream::list_pending(group_, from, delivery_.queue_depth);
    OUT_CO_TRY(auto reply, co_await client_.run(std::move(command)));
    OUT_CO_TRY(auto pending, redis_stream::pending_of(reply));
    std::vector<std::string> old;
    for (const auto& one : pending) {
      if (one.idle >= delivery_.processing_timeout && !in_hand_.contains(one.id)) {
        old.push_back(one.id);
      }
    }
    while (!old.empty()) {
      OUT_CO_CHECK(co_await wait_for_room());
      const auto count = static_cast<std::ptrdiff_t>(std::min(room(), old.size()));
      std::vector<std::string> some(old.begin(), old.begin() + count);
      old.erase(old.begin(), old.begin() + count);
      OUT_CO_CHECK(co_await claim(std::move(some)));
    }
    if (pending.size() < delivery_.queue_depth) co_return Result<>();
    from = redis_stream::id_after(pending.back().id);
    if (from == "-") co_return Result<>();
  }
}

Task<Result<>> RedisSubscription::claim(std::vector<std::string> ids) {
  // Rounded up: a message that is not yet old enough is another's.
  const auto idle = std::chrono::ceil<milliseconds>(delivery_.processing_timeout);
  auto command = redis_stream::claim(group_, idle, ids);
  OUT_CO_TRY(auto reply, co_await client_.run(std::move(command)));
  OUT_CO_TRY(auto claimed, redis_stream::entries_of_claim(std::move(reply)));
  for (auto& entry : claimed.entries) {
    std::erase(ids, entry.id);
    begin(std::move(entry));
  }
  if (!claimed.some_gone) co_return Result<>();
  auto forgotten = co_await forget_gone(std::move(ids));
  co_return forgotten;
}

// Entries that were trimmed from the stream can never be delivered: off the list with them.
Task<Result<>> RedisSubscription::forget_gone(std::vector<std::string> ids) {
  for (const auto& id : ids) {
    auto look = redis_stream::look_up(group_, id);
    OUT_CO_TRY(auto found, co_await client_.run(std::move(look)));
    if (!found.items.empty()) continue;
    auto acknowledge = redis_stream::acknowledge(group_, id);
    OUT_CO_CHECK(co_await client_.run(std::move(acknowledge)));
  }
  co_return Result<>();
}

}  // namespace outrigger::components::pubsub
