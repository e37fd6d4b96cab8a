#include "components/pubsub/sqlite_hub.h"

#include <algorithm>

#include "base/log.h"

namespace outrigger::components::pubsub {
namespace {

using namespace std::chrono_literals;
using sqlite::Database;

const Logger log("dapr.contrib.pubsub.sqlite");

/// After a change there will soon be another one.
constexpr Duration kEagerInterval = 5ms;
constexpr Duration kReopenInterval = 1s;

}  // namespace

void SqliteHub::Bell::ring(bool is_fresh) {
  auto& posted = is_fresh ? fresh_posted_ : stirred_posted_;
  if (posted.exchange(true)) return;
  home_.post([bell = shared_from_this(), is_fresh] {
    // First: what is committed from now on must ring again.
    (is_fresh ? bell->fresh_posted_ : bell->stirred_posted_).store(false);
    (is_fresh ? bell->fresh : bell->stirred) = true;
    bell->rung.notify_all();
  });
}

SqliteHub::SqliteHub(sqlite::OpenPlan plan, Duration poll_interval)
    : plan_(std::move(plan)), poll_interval_(poll_interval) {}

SqliteHub::~SqliteHub() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  if (poller_.joinable()) poller_.join();
}

void SqliteHub::join(const std::shared_ptr<Bell>& bell) {
  const std::lock_guard lock(mutex_);
  bells_.push_back(bell);
  if (plan_.in_memory) return;
  if (poller_.joinable()) {
    changed_.notify_all();
  } else {
    poller_ = std::thread([this] { poll(); });
  }
}

void SqliteHub::leave(const std::shared_ptr<Bell>& bell) {
  const std::lock_guard lock(mutex_);
  std::erase(bells_, bell);
}

void SqliteHub::ring(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  for (const auto& bell : bells_) {
    if (bell->topic_ == topic) bell->ring(true);
  }
}

bool SqliteHub::rest(Duration time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return closing_; });
  changed_.wait(lock, [this] { return closing_ || !bells_.empty(); });
  return !closing_;
}

void SqliteHub::poll() {
  std::unique_ptr<Database> database;
  std::optional<std::string> seen;
  Duration interval = poll_interval_;
  while (rest(database != nullptr ? interval : Duration::zero())) {
    if (database == nullptr) {
      auto opened = Database::open(plan_);
      if (!opened) {
        log.warn("Cannot look for messages of other processes: ", opened.error());
        if (!rest(kReopenInterval)) break;
        continue;
      }
      database = std::move(*opened);
    }
    // A number that changes with every commit of another connection, without reading any table.
    auto version = database->value("PRAGMA data_version");
    if (!version) {
      log.warn("Cannot look for messages of other processes: ", version.error());
      database.reset();
      if (!rest(kReopenInterval)) break;
      continue;
    }
    if (*version == seen) {
      interval = std::min(interval * 2, poll_interval_);
      continue;
    }
    seen = std::move(*version);
    interval = std::min(kEagerInterval, poll_interval_);
    const std::lock_guard lock(mutex_);
    for (const auto& bell : bells_) bell->ring(false);
  }
}

}  // namespace outrigger::components::pubsub
